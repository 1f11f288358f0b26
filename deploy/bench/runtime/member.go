package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
)

// memberSpec is what a member of a millrace service is to do.
type memberSpec struct {
	Brokers []string
	Topic   string
	Group   string

	Bare       bool // no millrace: see handler.bare
	Partitions int
	Workers    int
	Sleep      time.Duration
	Session    time.Duration
	Schedule   []time.Duration // nil: the default

	EmitTo    string // with a topic: count the events of each key in the state and emit one record for each
	EmitBytes int

	Trace      string // print each handled record of keys that begin with this; "": none
	FailNot    string // with a prefix: fail all events but those of keys that begin with it
	Ledger     string // file that gets the coordinates of each handled record, in the order of handling
	CPUProfile string
}

func (b *bench) spec(topic, group string) memberSpec {
	return memberSpec{
		Brokers: b.kafka.Brokers(), Topic: topic, Group: group, Partitions: b.o.partitions, Workers: 256, Session: b.o.session, EmitBytes: b.o.emitBytes,
	}
}

// startMember starts this program again, as a member.
func (b *bench) startMember(ctx context.Context, spec memberSpec) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("describe the member: %w", err)
	}
	return launch(ctx, "a member of "+spec.Group, self, "-member", string(text))
}

// memberLimit bounds a member's address space, far above what it may need: a fault in what is measured must not take the machine down.
const memberLimit = 6 << 30

// beMember is a member until its standard input ends or it is told to terminate.
func beMember(ctx context.Context, text string) error {
	var spec memberSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return fmt.Errorf("-member: %w", err)
	}
	limit := syscall.Rlimit{Cur: memberLimit, Max: memberLimit}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		return fmt.Errorf("limit the member's memory: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent, however that ends
		stop()
	}()
	h, err := newHandler(spec, os.Stdout)
	if err != nil {
		return err
	}
	work := h.bare
	if !spec.Bare {
		r, err := spec.build(h) //nolint:contextcheck // New starts nothing
		if err != nil {
			return errors.Join(err, h.close())
		}
		work = r.Run
	}
	endProfile, err := profile(spec.CPUProfile)
	if err != nil {
		return errors.Join(err, h.close())
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	reported := make(chan struct{})
	reporting, endReport := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(reported)
		h.report(reporting)
	}()
	err = work(ctx)
	runtime.ReadMemStats(&after)
	endReport()
	<-reported
	err = errors.Join(err, endProfile(), h.close())
	return errors.Join(err, h.say(line{
		At: time.Now().UnixMicro(), Handled: h.handled.Load(), End: true, ByPartition: h.byPartition(),
		Mallocs: after.Mallocs - before.Mallocs, Allocated: after.TotalAlloc - before.TotalAlloc,
	}))
}

func (s memberSpec) build(h group.Handler) (*group.Runtime, error) {
	service := group.Service{Name: "bench", Topics: []string{s.Topic}, Handler: h}
	if s.EmitTo != "" {
		service.State, service.Emits = true, []string{s.EmitTo}
	}
	cfg := group.DefaultConfig(s.Group)
	cfg.Concurrency, cfg.Member.SessionTimeout = s.Workers, s.Session
	if s.Schedule != nil {
		cfg.Retry.Schedule = s.Schedule
	}
	r, err := group.New(service, cfg, group.Deps{
		Kafka:      []kgo.Opt{kgo.SeedBrokers(s.Brokers...)},
		Logger:     slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, fmt.Errorf("build the member: %w", err)
	}
	return r, nil
}

// profile starts a CPU profile, where one is wanted, and returns what ends it.
func profile(file string) (end func() error, err error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(file) //nolint:gosec // the file that a person named
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
