package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"millrace/cmd/storesim/ledger"
	"millrace/cmd/storesim/sim"
	"millrace/console"
	"millrace/deploy/demo/judge"
	"millrace/deploy/internal/ask"
	"millrace/deploy/internal/pause"
	"millrace/deploy/internal/process"
)

// run makes the run and judges it.
func (d *demo) run(ctx context.Context) error {
	if err := d.begin(ctx); err != nil {
		return err
	}
	from := time.Now().Add(-time.Minute) // what the stores tell is a little older than now
	stores, err := d.shopify(ctx)
	if err != nil {
		return err
	}
	d.say("%d stores sell %d orders; look at http://%s meanwhile.", d.o.shops, d.o.orders, d.addr.console)
	away, err := d.outage(ctx)
	if err != nil {
		return err
	}
	stats, err := d.sold(ctx, stores)
	if err != nil {
		return err
	}
	d.say("All is sold: %d events, %d of them never sent, %d sent twice, %d out of order.", stats.Events, stats.Forgotten, stats.Duplicates, stats.Late)
	if err := away(); err != nil {
		return err
	}
	if err := d.quiet(ctx, false); err != nil {
		return err
	}
	if err := d.reconcile(ctx, from); err != nil {
		return err
	}
	return d.judge(ctx)
}

// begin starts the partners and millrace.
func (d *demo) begin(ctx context.Context) error {
	if err := d.takeAddresses(ctx); err != nil {
		return err
	}
	if err := d.world(ctx, "partners", d.addr.services, d.o.seed, "carrier", "erp", "smtp"); err != nil {
		return err
	}
	if err := d.world(ctx, "partners-saga", d.addr.saga, d.o.seed+1, "payment", "carrier"); err != nil {
		return err
	}
	if err := d.millrace(ctx); err != nil {
		return err
	}
	d.say("Millrace runs, with all its services and their partners.")
	return nil
}

// outage takes the carriers away for a time. The function that it returns waits until they are back.
func (d *demo) outage(ctx context.Context) (func() error, error) {
	if d.o.away <= 0 {
		return func() error { return nil }, nil
	}
	carriers := []string{d.addr.services.admin, d.addr.saga.admin}
	rules := make([]map[string]any, len(carriers))
	for i, addr := range carriers {
		if err := ask.Get(ctx, "http://"+addr+"/faults/carrier", &rules[i]); err != nil {
			return nil, err
		}
		rules[i]["outages"] = []map[string]any{{"from": "10s", "for": d.o.away.String()}}
		if err := ask.Put(ctx, "http://"+addr+"/faults/carrier", rules[i]); err != nil {
			return nil, err
		}
	}
	back := time.Now().Add(10*time.Second + d.o.away)
	return func() error {
		if wait := time.Until(back); wait > 0 {
			d.say("The carrier is away for another %v.", wait.Round(time.Second))
			return pause.For(ctx, wait)
		}
		return nil
	}, nil
}

// sold waits until everything that was to be sent is sent.
func (d *demo) sold(ctx context.Context, stores *process.Process) (*sim.Stats, error) {
	var stats *sim.Stats
	err := d.until(ctx, "the stores", func(context.Context) (string, bool, error) {
		select {
		case <-stores.Done():
			return "", false, fmt.Errorf("the stores ended (see %s)", stores.Log())
		default:
		}
		text, err := os.ReadFile(stores.Log())
		if err != nil {
			return "", false, fmt.Errorf("read the log of the stores: %w", err)
		}
		if _, totals, there := strings.Cut(string(text), "\n{\n"); there {
			var s sim.Stats
			if json.NewDecoder(strings.NewReader("{"+totals)).Decode(&s) == nil { // else it is being written
				stats = &s
				return "", true, nil
			}
		}
		return d.standing(ctx)
	})
	return stats, err
}

// quiet waits until every service has done what there is, or waits for what has not come. With all, nothing may wait.
func (d *demo) quiet(ctx context.Context, all bool) error {
	still := 0
	return d.until(ctx, "the services", func(ctx context.Context) (string, bool, error) {
		services, err := d.services(ctx)
		if err != nil {
			return "", false, err
		}
		// A service writes for others: all must have nothing to do twice in a row.
		still++
		for _, s := range services {
			if s.LagRecords == nil || *s.LagRecords > 0 || (all && s.Retries != nil && *s.Retries > 0) {
				still = 0
			}
		}
		return standing(services), still >= 3, nil
	})
}

func (d *demo) services(ctx context.Context) ([]console.Service, error) {
	var got struct {
		Services []console.Service `json:"services"`
	}
	err := ask.Get(ctx, "http://"+d.addr.console+"/api/v1/services", &got)
	return got.Services, err
}

func (d *demo) standing(ctx context.Context) (string, bool, error) {
	services, err := d.services(ctx)
	return standing(services), false, err
}

// standing says what each service has yet to do.
func standing(services []console.Service) string {
	var parts []string
	for _, s := range services {
		var text string
		if s.LagRecords != nil && *s.LagRecords > 0 {
			text = fmt.Sprintf(" %d behind", *s.LagRecords)
		}
		if s.Retries != nil && *s.Retries > 0 {
			text += fmt.Sprintf(" %d waiting", *s.Retries)
		}
		if text != "" {
			parts = append(parts, s.Name+text)
		}
	}
	if len(parts) == 0 {
		return "nothing left to do"
	}
	return strings.Join(parts, ", ")
}

// until polls until done, and says every few seconds how things stand.
func (d *demo) until(ctx context.Context, what string, f func(context.Context) (standing string, done bool, err error)) error {
	const poll, tell = 500 * time.Millisecond, 10 * time.Second
	told := time.Now()
	for {
		standing, done, err := f(ctx)
		if err != nil || done {
			return err
		}
		if time.Since(told) >= tell {
			told = time.Now()
			d.say("  … %s", standing)
		}
		if err := pause.For(ctx, poll); err != nil {
			return fmt.Errorf("wait for %s (%s): %w", what, standing, err)
		}
	}
}

// reconcile makes good what was never sent, as often as something is found.
func (d *demo) reconcile(ctx context.Context, from time.Time) error {
	shops, err := d.shops()
	if err != nil {
		return err
	}
	const most = 4
	for range most {
		args := []string{
			"reconcile", "--config", d.config(), "--since", from.UTC().Format(time.RFC3339), "--kafka-brokers", d.addr.kafka,
			"--clickhouse-url", "http://" + d.addr.clickhouse, "--admin-listen", "127.0.0.1:0", "--json",
		}
		for _, shop := range shops {
			args = append(args, "--shop", shop)
		}
		text, err := d.command(ctx, "millrace", args...)
		if err != nil {
			return err
		}
		sent := strings.Count(text, `"result":"sent"`)
		d.say("Reconciled with %d stores: %d events were missing or stale, and are made good.", len(shops), sent)
		if err := d.quiet(ctx, true); err != nil {
			return err
		}
		if sent == 0 {
			return nil
		}
	}
	return errors.New("reconciling finds something again and again")
}

// command runs one of our programs to its end and returns what it printed.
func (d *demo) command(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(d.o.bin, program), args...) //nolint:gosec // our own program
	var complaint strings.Builder
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil {
		return string(text), fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, text, complaint.String())
	}
	return string(text), nil
}

func (d *demo) judge(ctx context.Context) error {
	facts, err := d.facts(ctx)
	if err != nil {
		return err
	}
	webhooks := 0
	if err := d.entries(func(e *ledger.Entry) {
		if e.Acked {
			webhooks++
		}
	}); err != nil {
		return err
	}
	results := judge.All(facts)
	for _, c := range []struct {
		name, program, counted string
		args                   []string
	}{
		{"orders whose state is not the fold of their events", "millrace", "", []string{"order", "check", "--config", d.config(), "--kafka-brokers", d.addr.kafka}},
		{"webhooks that are not in ClickHouse", "storesim", fmt.Sprintf("%d acknowledged", webhooks), []string{"verify", "--ledger", d.ledger(), "--clickhouse", "http://" + d.addr.clickhouse}},
	} {
		r := judge.Result{Name: c.name}
		text, err := d.command(ctx, c.program, c.args...)
		if r.Remark = cmp.Or(c.counted, lastLine(text)); err != nil {
			r.Count, r.Examples = 1, []string{err.Error()}
		}
		results = append(results, r)
	}
	violations := 0
	fmt.Fprintf(d.out, "\n| check | violations | counted |\n|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(d.out, "| %s | %d | %s |\n", r.Name, r.Count, r.Remark)
		violations += r.Count
	}
	for _, r := range results {
		if r.Count > 0 {
			fmt.Fprintf(d.out, "\n%s, %d in all:\n\n    %s\n", r.Name, r.Count, strings.Join(r.Examples, "\n    "))
		}
	}
	fmt.Fprintln(d.out)
	if violations > 0 {
		return errViolated
	}
	d.say("Everything is as it must be.")
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
