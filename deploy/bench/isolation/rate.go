package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/cmd/storesim/backends/effects"
	"millrace/deploy/bench/internal/shell"
	"millrace/deploy/internal/ask"
)

// rated is what an ERP saw.
type rated struct {
	calls   int
	average float64 // per second
	most    int64   // arrivals in any second
	atOnce  int64
}

// rates measures a limit of the group with several numbers of processes.
func rates(ctx context.Context, o options, report *strings.Builder) error {
	fmt.Fprintf(report, "# A limit of the group\n\nerp.call.group_rate %g, group_concurrency 4, an ERP that takes 100 ms; %v with a backlog\n\n", o.rate, o.span)
	report.WriteString("| processes | calls | per second | most in a second | allowed in a second | most at once |\n|---|---|---|---|---|---|\n")
	for _, n := range o.processes {
		r, err := limited(ctx, o, n)
		if err != nil {
			return fmt.Errorf("limit with %d processes: %w", n, err)
		}
		shell.Note(os.Stderr, "%d processes: %.1f calls per second, %d in the fullest second, %d at once", n, r.average, r.most, r.atOnce)
		// In any time at most the rate times that time, and one more per process: Config.GroupRate.
		fmt.Fprintf(report, "| %d | %d | %.1f | %d | %g | %d |\n", n, r.calls, r.average, r.most, o.rate+float64(n), r.atOnce)
	}
	return nil
}

// limited measures with a number of processes.
func limited(ctx context.Context, o options, processes int) (r rated, err error) {
	w, err := begin(ctx, o, "latency=100ms")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	if err := w.once(ctx, "millrace", append([]string{"topics", "apply"}, w.kafkaFlags()...)...); err != nil {
		return r, err
	}
	http, admin := w.address(), w.address()
	if err := w.launch(ctx, "ingest", "millrace", admin+"/readyz", append([]string{"ingest", "--ingest-listen", http, "--admin-listen", admin, "--ingest-secrets", secret}, w.kafkaFlags()...)...); err != nil {
		return r, err
	}
	// An order is a handful of documents, and what is overtaken is passed over: some two of each order are sent.
	if err := w.sell(ctx, http, int(o.rate*o.span.Seconds()), 0); err != nil {
		return r, err
	}
	for i := range processes {
		admin := w.address()
		args := append([]string{
			"consume", "erp", "--admin-listen", admin, "--erp-api-url", "http://" + w.erp, "--erp-call-group-rate", fmt.Sprint(o.rate), "--erp-call-group-concurrency", "4",
		}, w.kafkaFlags()...)
		if err := w.launch(ctx, "erp-"+strconv.Itoa(i), "millrace", admin+"/readyz", args...); err != nil {
			return r, err
		}
	}
	began := time.Now()
	if err := until(ctx, "the span", o.span+time.Minute, func(context.Context) (bool, error) { return time.Since(began) >= o.span, nil }); err != nil {
		return r, err
	}
	return w.rated(ctx, began)
}

// rated reads what the ERP did from a time on.
func (w *world) rated(ctx context.Context, began time.Time) (r rated, err error) {
	done, err := w.ledger(ctx, string(effects.Documented))
	if err != nil {
		return r, err
	}
	var times []time.Time
	for i := range done.Entries {
		if t := done.Entries[i].Time; t.After(began) {
			times = append(times, t)
		}
	}
	if len(times) < 2 {
		return r, errors.New("the ERP was not called")
	}
	slices.SortFunc(times, time.Time.Compare)
	r.calls, r.average = len(times), float64(len(times)-1)/times[len(times)-1].Sub(times[0]).Seconds()
	var s effects.Summary
	err = ask.Get(ctx, "http://"+w.admin+"/ledger/summary", &s)
	r.most, r.atOnce = s.ERP.PerSecond, s.ERP.AtOnce
	return r, err
}
