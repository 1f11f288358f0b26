package saga

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"millrace/deploy/bench/chaos/saga/check"
	"millrace/deploy/bench/chaos/saga/gate"
)

// fewest kills that a cell must have in the full run: below that it says little about the boundary.
const fewest = 3

// cells counts the kills of an operation by what became of its call.
type cells struct{ asked, done, lost, held int }

// table counts the kills by what they came to: whether a commit was lost shows in what was done after.
func (r *run) table(committed map[place]bool) map[gate.Op]*cells {
	t := map[gate.Op]*cells{}
	for _, op := range gate.Ops() {
		t[op] = &cells{}
	}
	for _, k := range r.gate.Kills() {
		c := t[k.Op]
		lost := r.gate.AskedAgain(k)
		if k.Op == gate.Confirm {
			lost = k.At == gate.Written && r.watcher.lost(k.Order, committed)
		}
		switch {
		case k.At == gate.Committed && lost:
			r.record.fault("what was seen committed was done again: %s", k)
		case k.At == gate.Asked:
			c.asked++
		case k.At == gate.Done:
			c.done++
		case lost:
			c.lost++
		default:
			c.held++
		}
	}
	return t
}

func (r *run) kills(committed map[place]bool) string {
	var b strings.Builder
	b.WriteString("| kill -9 at | before the partner had the request | before the answer was there | before the end of its commit, which was lost | in or right after its commit, which held |\n|---|---|---|---|---|\n")
	t := r.table(committed)
	for _, op := range gate.Ops() {
		c := t[op]
		done := strconv.Itoa(c.done)
		if op == gate.Confirm {
			done = "-" // it asks nobody
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %d |\n", op, c.asked, done, c.lost, c.held)
		if r.o.Short || r.o.Kills == 0 {
			continue
		}
		if c.asked < fewest || c.lost < fewest || c.held < fewest || op != gate.Confirm && c.done < fewest {
			r.record.fault("too few kills at %s to say much", op)
		}
	}
	return b.String()
}

// report writes what was found and returns ErrViolated if there is anything that must not be.
func (r *run) report(in *check.Input, committed map[place]bool, fold string) error {
	results := check.All(in)
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# Saga\n")
	say("%d orders of %d shops in %d events, %d processes, session %v, seed %d; %d kills within %v, %v in all.\n",
		len(in.Orders), r.o.Shops, r.load.events, r.o.Members, r.o.Session, r.o.Seed, len(r.gate.Kills()), r.struck.Round(time.Second), time.Since(r.begin).Round(time.Second))
	phases, fates := map[string]int{}, map[check.Fate]int{}
	for _, run := range in.Runs {
		phases[run.Phase]++
	}
	cancelled := 0
	for i := range in.Orders {
		fates[in.Orders[i].Fate]++
		if in.Orders[i].Cancelled {
			cancelled++
		}
	}
	say("Orders by fate: %v, %d cancelled by the shop. Runs by their end: %v. Effects at the partners: %d. Events in the store: %d.\n",
		fates, cancelled, phases, len(in.Effects), len(in.Facts))
	say("%s", r.kills(committed))
	say("`millrace order check`: %s\n", strings.TrimSpace(fold))
	faults := r.record.all()
	failed := len(faults)
	say("| check | violations | counted |\n|---|---|---|")
	for _, result := range results {
		failed += result.Count
		say("| %s | %d | %s |", result.Name, result.Count, result.Remark)
	}
	say("| faults of the run | %d | programs that ended by themselves or would not end, states that differ, kills that were not done, a deadline passed |", len(faults))
	for _, result := range results {
		if result.Count > 0 {
			say("\n%s, %d in all:\n\n    %s", result.Name, result.Count, strings.Join(result.Examples, "\n    "))
		}
	}
	if len(faults) > 0 {
		say("\nfaults:\n\n    %s", strings.ReplaceAll(strings.Join(faults, "\n"), "\n", "\n    "))
	}
	fmt.Fprint(r.out, "\n"+b.String())
	if err := os.WriteFile(filepath.Join(r.o.Dir, "report.md"), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if failed > 0 {
		return ErrViolated
	}
	return nil
}
