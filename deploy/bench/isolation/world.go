package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"millrace/cmd/storesim/backends"
	"millrace/deploy/internal/ask"
	"millrace/deploy/internal/process"
	"millrace/partitioning/kafkatest"
)

// secret signs the webhooks; it protects nothing.
const secret = "bench"

// world is a real Kafka, the partners, and what runs on them.
type world struct {
	o     options
	dir   string
	kafka *kafkatest.Cluster
	procs []*process.Process
	free  []string // addresses
	admin string   // of the partners
	smtp  string
	erp   string
}

// begin starts Kafka and the partners; fault is how the ERP behaves.
func begin(ctx context.Context, o options, fault string) (w *world, err error) {
	w = &world{o: o}
	if w.dir, err = os.MkdirTemp("", "millrace-isolation-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.end())
		}
	}()
	if w.kafka, err = kafkatest.New(ctx, kafkatest.Config{FullJIT: true, Progress: os.Stderr}); err != nil {
		return w, fmt.Errorf("start Kafka: %w", err)
	}
	for range 12 {
		addr, err := process.FreeAddr(ctx)
		if err != nil {
			return w, err
		}
		w.free = append(w.free, addr)
	}
	w.admin, w.smtp, w.erp = w.address(), w.address(), w.address()
	return w, w.launch(ctx, "partners", "storesim", w.admin+"/healthz", "backends", "--free-ports", "--admin-listen", w.admin, "--smtp-listen", w.smtp,
		"--erp-listen", w.erp, "--fault", "erp:"+fault)
}

// address takes a free address.
func (w *world) address() string {
	a := w.free[0]
	w.free = w.free[1:]
	return a
}

func (w *world) launch(ctx context.Context, name, program, ready string, args ...string) error {
	p := &process.Process{Name: name, Path: filepath.Join(w.o.bin, program), Args: args, Ready: "http://" + ready, Dir: w.dir}
	w.procs = append(w.procs, p)
	return p.Start(ctx)
}

// end stops everything, last started first, and removes the data.
func (w *world) end() error {
	var errs []error
	for i := len(w.procs) - 1; i >= 0; i-- {
		errs = append(errs, w.procs[i].End(syscall.SIGTERM))
	}
	if w.kafka != nil {
		errs = append(errs, w.kafka.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

// kafkaFlags are the settings of every program that speaks to Kafka.
func (w *world) kafkaFlags() []string {
	return []string{
		"--kafka-brokers", strings.Join(w.kafka.Brokers(), ","), "--topics-partitions", "12", "--topics-replication", "1",
		"--topics-min-insync-replicas", "1",
	}
}

// once runs a program to its end.
func (w *world) once(ctx context.Context, program string, args ...string) error {
	out, err := exec.CommandContext(ctx, filepath.Join(w.o.bin, program), args...).CombinedOutput() //nolint:gosec // our own program
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, out)
	}
	return nil
}

// sell lets stores sell orders and waits until all webhooks are taken.
func (w *world) sell(ctx context.Context, url string, orders int, rate float64) error {
	return w.once(ctx, "storesim", "send", "--url", "http://"+url+"/webhooks", "--secret", secret, "--orders", strconv.Itoa(orders), "--rate", fmt.Sprint(rate), "--seed", "7")
}

// ledger reads what the partners did of a kind.
func (w *world) ledger(ctx context.Context, kind string) (backends.Entries, error) {
	var all backends.Entries
	err := ask.Get(ctx, "http://"+w.admin+"/ledger?limit=0&kind="+kind, &all)
	return all, err
}

// until polls until f says that it is done.
func until(ctx context.Context, what string, within time.Duration, f func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := f(ctx)
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}
