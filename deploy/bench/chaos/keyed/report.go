package keyed

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/keyed/ledger"
)

// report writes what was found and returns ErrViolated if there is anything that must not be.
func (r *run) report(in *check.Input, results []check.Result) error {
	harms, faults := r.record.all()
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# Keyed runtime, scenario %s\n", r.o.Scenario)
	say("%d events over %d entities and %d partitions, %.0f/s, %d members (%s protocol, instance ids: %s), session %v, commit interval %v, seed %d; %v in all.\n",
		len(in.Sent), r.o.Entities, partitions, r.o.Rate, r.o.Members, r.o.Protocol, r.o.Static, r.o.Session, r.o.Commit, r.o.Seed,
		time.Since(r.begin).Round(time.Second))
	say("Harm: %s. Records in aborted transactions: %d. Attempts: %d (%s). Members thrown out of the group: %d times.\n",
		countHarms(harms), r.aborter.wrote.Load(), len(in.Effects), countVerdicts(in.Effects), len(in.Lost))
	failed := len(faults)
	if r.outage != nil {
		text, err := r.outage.latencies(in)
		say("%s", text)
		if err != nil {
			faults = append(faults, err.Error())
			failed++
		}
	} else {
		say("%s", r.failovers(in))
		say("| latency of all events | events | p50 | p99 | p99.9 | max |\n|---|---|---|---|---|---|\n%s", row("from the record to its effect", allLatencies(in)))
	}
	say("| check | violations | counted |\n|---|---|---|")
	for _, result := range results {
		failed += result.Count
		say("| %s | %d | %s |", result.Name, result.Count, result.Remark)
	}
	say("| faults of the run | %d | members that ended by themselves or would not end, harm that failed, a deadline passed |", len(faults))
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

// failovers says how long the partitions of a harmed member stood still.
func (r *run) failovers(in *check.Input) string {
	var b strings.Builder
	b.WriteString("| a partition was worked again by another member after | partitions | p50 | p99 | p99.9 | max |\n|---|---|---|---|---|---|\n")
	for _, kind := range []ledger.HarmKind{ledger.Kill, ledger.Stop, ledger.Zombie} {
		for _, static := range []bool{true, false} {
			name := string(kind) + ", no instance id"
			if static {
				name = string(kind) + ", with an instance id"
			}
			took := check.Failovers(in, kind, func(process string) bool { return r.crew.static(process) == static })
			if len(took) > 0 {
				b.WriteString(row(name, took))
			}
		}
	}
	return b.String()
}

func allLatencies(in *check.Input) []time.Duration {
	first := firstDone(in)
	var took []time.Duration
	for _, s := range in.Sent {
		if end, done := first[s.Event]; done {
			took = append(took, time.Duration(end-s.At))
		}
	}
	return took
}

func countHarms(harms []ledger.Harm) string {
	n := map[ledger.HarmKind]int{}
	for _, h := range harms {
		n[h.Kind]++
	}
	return list(n)
}

func countVerdicts(effects []ledger.Effect) string {
	n := map[ledger.Verdict]int{}
	for i := range effects {
		n[effects[i].Verdict]++
	}
	return list(n)
}

func list[K ~string](n map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, n[k]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
