package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/storesim/backends/effects"
	"millrace/console"
	"millrace/consumers/group"
	"millrace/consumers/group/reread"
	"millrace/deploy/bench/internal/shell"
	"millrace/deploy/internal/ask"
	"millrace/schemas"
)

// latencies are those of one run.
type latencies struct {
	mails, rows [2]time.Duration // p50, p99
	counts      [2]int           // mails and rows
	behind      int64            // events that the ERP's service has yet to do when the others are done
	atOnce      int64            // calls that the ERP had at once
}

// isolation measures notifications and analytics beside a fast and a slow ERP, in turns.
func isolation(ctx context.Context, o options, report *strings.Builder) error {
	faults := []string{"latency=10ms", fmt.Sprintf("latency=%v,concurrency=%d", o.latency, o.parallel)}
	var runs [2][]latencies
	for n := range o.repeat {
		for i, fault := range faults {
			l, err := beside(ctx, o, fault)
			if err != nil {
				return fmt.Errorf("run %d with the ERP at %s: %w", n+1, fault, err)
			}
			runs[i] = append(runs[i], l)
			shell.Note(os.Stderr, "ERP %s: mails p50 %v p99 %v, rows p50 %v p99 %v; %d events of the ERP left, %d calls at once", fault,
				l.mails[0], l.mails[1], l.rows[0], l.rows[1], l.behind, l.atOnce)
		}
	}
	fmt.Fprintf(report, "# A slow ERP beside other services\n\n%d orders, %g webhooks/s, %d runs each in turns, medians; all services in one process, real Kafka\n\n", o.orders, o.webhooks, o.repeat)
	report.WriteString("| ERP | mails | p50 | p99 | rows | p50 | p99 | events left for the ERP | its calls at once |\n|---|---|---|---|---|---|---|---|---|\n")
	var p99 [2][2]float64
	for i, fault := range faults {
		pick := func(f func(l latencies) time.Duration) time.Duration {
			var all []time.Duration
			for _, l := range runs[i] {
				all = append(all, f(l))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		mail99 := pick(func(l latencies) time.Duration { return l.mails[1] })
		row99 := pick(func(l latencies) time.Duration { return l.rows[1] })
		p99[i] = [2]float64{mail99.Seconds(), row99.Seconds()}
		last := runs[i][len(runs[i])-1]
		fmt.Fprintf(report, "| %s | %d | %v | %v | %d | %v | %v | %d | %d |\n", fault, last.counts[0], pick(func(l latencies) time.Duration { return l.mails[0] }), mail99,
			last.counts[1], pick(func(l latencies) time.Duration { return l.rows[0] }), row99, last.behind, last.atOnce)
	}
	fmt.Fprintf(report, "\np99 beside the slow ERP, as a share of that beside the fast one: mails %.2f, rows %.2f (goal: at most 1.2)\n\n", p99[1][0]/p99[0][0], p99[1][1]/p99[0][1])
	return nil
}

// beside makes one run.
func beside(ctx context.Context, o options, fault string) (l latencies, err error) {
	w, err := begin(ctx, o, fault)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	http, page, clickHouse, admin := w.address(), w.address(), w.address(), w.address()
	args := append([]string{
		"dev", "--data", w.dir + "/data", "--http", http, "--console", page, "--clickhouse", clickHouse, "--admin-listen", admin, "--secret", secret,
		"--services", "notifications,erp", "--notifications-smtp-address", w.smtp, "--erp-api-url", "http://" + w.erp,
		"--erp-call-group-concurrency", strconv.Itoa(o.parallel), "--log-level", "error",
	}, w.kafkaFlags()...)
	if err := w.launch(ctx, "millrace", "millrace", admin+"/readyz", args...); err != nil {
		return l, err
	}
	if err := w.sell(ctx, http, o.orders, o.webhooks); err != nil {
		return l, err
	}
	if err := until(ctx, "notifications and analytics", 5*time.Minute, func(ctx context.Context) (bool, error) { return w.done(ctx, page, &l) }); err != nil {
		return l, err
	}
	if err := w.mails(ctx, &l); err != nil {
		return l, err
	}
	var s effects.Summary
	if err := ask.Get(ctx, "http://"+w.admin+"/ledger/summary", &s); err != nil {
		return l, err
	}
	l.atOnce = s.ERP.AtOnce
	return l, w.rows(ctx, clickHouse, &l)
}

// done tells whether the others have nothing left to do, and notes what the ERP's service has.
func (w *world) done(ctx context.Context, page string, l *latencies) (bool, error) {
	var got struct {
		Services []console.Service `json:"services"`
	}
	if err := ask.Get(ctx, "http://"+page+"/api/v1/services", &got); err != nil {
		return false, err
	}
	for _, s := range got.Services {
		if s.LagRecords == nil || s.Retries == nil {
			return false, nil
		}
		switch s.Name {
		case "analytics", "notifications":
			if *s.LagRecords > 0 || *s.Retries > 0 {
				return false, nil
			}
		case "erp":
			l.behind = *s.LagRecords + *s.Retries
		}
	}
	return true, nil
}

// mails measures from the receipt of an order to its confirmation.
func (w *world) mails(ctx context.Context, l *latencies) error {
	received := map[string]time.Time{}
	r, err := reread.Open([]kgo.Opt{kgo.SeedBrokers(w.kafka.Brokers()...)})
	if err != nil {
		return err
	}
	defer r.Close()
	topic := schemas.DomainOrders.KafkaTopic()
	n, err := r.Partitions(ctx, topic)
	if err != nil {
		return err
	}
	for p := range n {
		err := r.Events(ctx, topic, p, func(e *group.Event) error {
			if e.Topic == "orders/create" {
				received[e.Shop+"/order_confirmation/"+strings.TrimPrefix(e.Subject, "order/")] = e.Received
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	sent, err := w.ledger(ctx, string(effects.MailKind))
	if err != nil {
		return err
	}
	var took []time.Duration
	for i := range sent.Entries {
		if at, ok := received[sent.Entries[i].Key]; ok {
			took = append(took, sent.Entries[i].Time.Sub(at))
		}
	}
	if len(took) == 0 {
		return errors.New("no mail was sent")
	}
	l.counts[0], l.mails = len(took), [2]time.Duration{quantile(took, 0.5), quantile(took, 0.99)}
	return nil
}

// rows measures from the receipt of a webhook to the insert of its row.
func (w *world) rows(ctx context.Context, clickHouse string, l *latencies) error {
	const query = `SELECT count() AS n, quantileExact(0.5)(ms) AS p50, quantileExact(0.99)(ms) AS p99
		FROM (SELECT toUnixTimestamp64Milli(inserted_at) - intDiv(toUnixTimestamp64Nano(received_time), 1000000) AS ms FROM millrace.events) FORMAT JSONEachRow
		SETTINGS output_format_json_quote_64bit_integers = 0`
	var got struct {
		N   int   `json:"n"`
		P50 int64 `json:"p50"`
		P99 int64 `json:"p99"`
	}
	if err := ask.Get(ctx, "http://"+clickHouse+"/?query="+url.QueryEscape(query), &got); err != nil {
		return err
	}
	l.counts[1], l.rows = got.N, [2]time.Duration{time.Duration(got.P50) * time.Millisecond, time.Duration(got.P99) * time.Millisecond}
	return nil
}

// quantile of at least one; it sorts.
func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(math.Ceil(q*float64(len(all))))-1)].Round(time.Millisecond)
}
