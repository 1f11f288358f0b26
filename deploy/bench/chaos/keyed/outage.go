package keyed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/deploy/internal/pause"
)

// outage is a run in which the backend of shop 0 is away for a while, and nothing else happens.
type outage struct {
	o        *Options
	addr     string
	down     atomic.Bool
	from, to time.Time // the outage
}

// Times around the outage: until the members and the brokers are warm, and until the load ends after it.
const (
	warmUp = 20 * time.Second
	after  = 20 * time.Second
)

// backendLatency is what a backend takes to answer.
const backendLatency = 2 * time.Millisecond

// newOutage starts the shops' backends.
func newOutage(ctx context.Context, o *Options, all *sync.WaitGroup) (*outage, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the backends: %w", err)
	}
	u := &outage{o: o, addr: ln.Addr().String()}
	server := &http.Server{Handler: u, ReadHeaderTimeout: time.Minute}
	all.Go(func() { _ = server.Serve(ln) })
	all.Go(func() {
		<-ctx.Done()
		_ = server.Close()
	})
	return u, nil
}

// ServeHTTP is the backend of every shop.
func (u *outage) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if pause.For(req.Context(), backendLatency) != nil {
		return
	}
	if u.down.Load() && req.URL.Path == "/"+u.o.world().Shop(0) {
		http.Error(w, "away", http.StatusServiceUnavailable)
	}
}

// url is where the backends are; "" for no outage.
func (u *outage) url() string {
	if u == nil {
		return ""
	}
	return "http://" + u.addr
}

func (u *outage) length() time.Duration { return warmUp + u.o.Calm + u.o.Outage + after }

// run makes the outage while the load goes on.
func (u *outage) run(ctx context.Context, begin time.Time, out io.Writer) error {
	if err := pause.For(ctx, time.Until(begin.Add(warmUp+u.o.Calm))); err != nil {
		return err
	}
	u.from = time.Now()
	u.down.Store(true)
	fmt.Fprintln(out, "the backend of one shop is away")
	if err := pause.For(ctx, u.o.Outage); err != nil {
		return err
	}
	u.down.Store(false)
	u.to = time.Now()
	fmt.Fprintln(out, "it is back")
	return nil
}

// mostChange is how much the others' 99th percentile may grow.
const mostChange = 0.20

// latencies compares the others' latency before and during the outage, from the record's time to the effect.
func (u *outage) latencies(in *check.Input) (string, error) {
	first := firstDone(in)
	var before, during []time.Duration
	for _, s := range in.Sent {
		end, done := first[s.Event]
		if s.Entity%shops == 0 || !done {
			continue
		}
		at, took := time.Unix(0, s.At), time.Duration(end-s.At)
		switch {
		case at.After(u.from.Add(-u.o.Calm)) && at.Before(u.from):
			before = append(before, took)
		case at.After(u.from) && at.Before(u.to):
			during = append(during, took)
		}
	}
	text := "| latency of the other shops | events | p50 | p99 | p99.9 | max |\n|---|---|---|---|---|---|\n" +
		row("before the outage", before) + row("during it", during)
	if len(before) == 0 || len(during) == 0 {
		return text, errors.New("there is nothing to compare the latency of")
	}
	change := float64(percentile(during, 0.99))/float64(percentile(before, 0.99)) - 1
	text += fmt.Sprintf("\np99 changed by %+.1f %%; it may grow by %.0f %%.\n\n%s", change*100, mostChange*100, u.attempts(in, first))
	if change >= mostChange {
		return text, fmt.Errorf("the other shops' p99 grew by %.1f %%", change*100)
	}
	return text, nil
}

// attempts says what the outage cost the events of its shop.
func (u *outage) attempts(in *check.Input, first map[ledger.Event]int64) string {
	verdicts := map[ledger.Verdict]int{}
	most := map[ledger.Event]int{}
	early := 0
	for i := range in.Effects {
		e := &in.Effects[i]
		if e.Entity%shops != 0 || e.End < u.from.UnixNano() {
			continue
		}
		verdicts[e.Verdict]++
		most[e.Event] = max(most[e.Event], e.Attempt)
		if e.Verdict == ledger.Failed && e.End < u.from.Add(10*time.Second).UnixNano() {
			early++
		}
	}
	var byAttempt [8]int
	for _, n := range most {
		byAttempt[min(n, 7)]++
	}
	var last int64
	for _, s := range in.Sent {
		if s.Entity%shops == 0 && s.At < u.to.UnixNano() {
			last = max(last, first[s.Event])
		}
	}
	return fmt.Sprintf("The shop that was away: %d events touched; verdicts %v; %d failures in the first 10 s, before all breakers were open, the others in their trials; "+
		"events by their highest attempt 1: %d, 2: %d, 3: %d, 4: %d, 5: %d, more: %d; everything of it done %v after the end.\n",
		len(most), verdicts, early, byAttempt[1], byAttempt[2], byAttempt[3], byAttempt[4], byAttempt[5], byAttempt[6]+byAttempt[7],
		time.Unix(0, last).Sub(u.to).Round(100*time.Millisecond))
}

// firstDone returns when each event was first done.
func firstDone(in *check.Input) map[ledger.Event]int64 {
	first := make(map[ledger.Event]int64, len(in.Sent))
	for i := range in.Effects {
		e := &in.Effects[i]
		if at, known := first[e.Event]; e.Verdict == ledger.Done && (!known || e.End < at) {
			first[e.Event] = e.End
		}
	}
	return first
}

func row(name string, took []time.Duration) string {
	return fmt.Sprintf("| %s | %d | %v | %v | %v | %v |\n", name, len(took),
		percentile(took, 0.5), percentile(took, 0.99), percentile(took, 0.999), percentile(took, 1))
}

// percentile returns the smallest value that is not below a share of all.
func percentile(took []time.Duration, share float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(share*float64(len(took))))].Round(10 * time.Microsecond)
}
