// Command demo shows the whole order flow at work, and judges it: a simulated Shopify with 20 stores sends the webhooks of 1 000 orders,
// repeated, out of order and some not at all, to millrace, which runs every service; their partners fail now and then, and
// one is away for a minute. Then it is reconciled with the stores, and every order, every effect at a partner and every dead letter is held
// against what happened. It exits with 1 when something is not as it must be.
//
// `millrace dev` runs as a user runs it, in one process with its own broker and the real ClickHouse engine. The services and the saga do
// the same things for an order, each for itself, so each has partners of its own: with the same ones an order would be
// reserved by whoever is first.
//
// What it is not: a test of crashes; that is deploy/bench/chaos.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

type options struct {
	bin, dir                                 string
	orders, shops                            int
	rate                                     float64
	seed                                     uint64
	errors, refused, forget, doubled, shaken float64
	away                                     time.Duration
	deadline                                 time.Duration
	hold                                     bool
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "bin", "folder with the programs millrace and storesim (make build)")
	f.StringVar(&o.dir, "dir", "", "folder for data, ledgers and logs; empty for a temporary one, which is removed when all went well")
	f.IntVar(&o.orders, "orders", 1000, "orders")
	f.IntVar(&o.shops, "shops", 20, "stores")
	f.Float64Var(&o.rate, "rate", 100, "webhooks per second")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the stores and of the partners' faults")
	f.Float64Var(&o.errors, "errors", 0.01, "share of requests that a partner fails, half of them after the effect (mail: before it)")
	f.Float64Var(&o.refused, "refused", 0.005, "share of requests that a partner refuses for good: a charge, a parcel, a mail, a document")
	f.Float64Var(&o.forget, "forget", 0.02, "share of webhooks that are never sent")
	f.Float64Var(&o.doubled, "duplicates", 0.05, "share of webhooks that are sent twice")
	f.Float64Var(&o.shaken, "disorder", 0.05, "share of webhooks that are sent behind later ones of their entity")
	f.DurationVar(&o.away, "away", time.Minute, "how long the carrier is away, from 10 s after the start of the services")
	f.DurationVar(&o.deadline, "deadline", 15*time.Minute, "longest time for all of it")
	f.BoolVar(&o.hold, "hold", false, "at the end, keep everything running to be looked at until Ctrl-C")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	if o.orders < 1 || o.shops < 1 {
		return o, errors.New("-orders and -shops must be at least 1")
	}
	return o, nil
}

// errViolated means that the run was made, and something is not as it must be.
var errViolated = errors.New("something is not as it must be")

func start(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	temporary := o.dir == ""
	if temporary {
		if o.dir, err = os.MkdirTemp("", "millrace-demo-"); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
	} else if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", o.dir, err)
	}
	limited, cancel := context.WithTimeout(ctx, o.deadline)
	defer cancel()
	d := &demo{o: o, out: out, began: time.Now()}
	err = d.run(limited)
	if err == nil && o.hold {
		d.say("Everything goes on; the console is at %s. Ctrl-C ends it.", "http://"+d.addr.console)
		<-ctx.Done()
	}
	err = errors.Join(err, d.stop())
	switch {
	case err != nil:
		return fmt.Errorf("%w (data and logs are in %s)", err, o.dir)
	case temporary:
		return os.RemoveAll(o.dir)
	default:
		return nil
	}
}
