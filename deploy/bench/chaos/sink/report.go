package sink

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report writes what was found and returns ErrViolated if it is not what must be.
func (r *run) report(events *rows, findings []*finding) error {
	counts, notes, faults := r.record.all()
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# Analytics sink under fire\n")
	say("Seed %d, %d sinks, %d brokers, %.0f events/s asked for, %.0f/s committed over %v; read up and drained in %v, compared in %v.", r.o.Seed, r.o.Sinks, brokers,
		r.o.Rate, float64(r.load.committed.Load())/r.took.harm.Seconds(), r.took.harm.Round(time.Second), r.took.drain.Round(time.Second), r.took.check.Round(time.Second))
	say("Kafka: %d records of %d distinct events; %d more in aborted transactions, %d in transactions of unknown fate, %d failures of the producer.",
		r.book.Records(), r.book.Events(), r.load.aborted.Load(), r.load.unknown.Load(), r.load.failures.Load())
	p := r.proxy.Counts()
	say("Proxy: %d inserts; held until after their sender was replaced %d, delayed %d, answer dropped %d, lost %d, cut in the middle %d, answer cut %d.",
		p.Inserts, p.Late, p.Delayed, p.Dropped, p.Lost, p.Halved, p.Partial)
	say("Engine: %d inserts acknowledged whose token it had acknowledged before. Sinks: %d rows found missing and inserted again.\n", p.Repeated, repaired(r.o.Dir))
	say("| harm | times |\n|---|---|")
	for _, kind := range sortedHarms(counts) {
		say("| %s | %d |", kind, counts[kind])
	}
	say("| **kill -9 in all** | **%d** |", kills(counts))
	say("| **of these of the engine, in the middle of an insert** | **%d** |", counts[harmGap]+counts[harmMidway])
	for _, what := range sortedKeys(notes) {
		say("| (%s) | %d |", what, notes[what])
	}
	say("\n| check | compared | wrong |\n|---|---|---|")
	all := append([]*finding{&events.lost, &events.twice, &events.foreign, &events.altered}, findings...)
	wrong := 0
	for _, f := range all {
		wrong += f.wrong
		say("| %s | %d | %d |", f.name, f.compared, f.wrong)
	}
	say("| faults of the run | | %d |", len(faults))
	for _, f := range all {
		if f.wrong > 0 {
			say("\n%s, %d in all:\n\n    %s", f.name, f.wrong, strings.Join(f.examples, "\n    "))
		}
	}
	if len(faults) > 0 {
		say("\nfaults:\n\n    %s", strings.ReplaceAll(strings.Join(faults, "\n"), "\n", "\n    "))
	}
	verdict := r.verdict(events, wrong, len(faults))
	switch {
	case verdict != nil:
		say("\n%v", verdict)
	case r.o.WithoutReadBack:
		say("\nNothing was read back, and %d rows are lost, as expected: the run can see a loss.", events.lost.wrong)
	default:
		say("\nAs it must be: lost 0, twice 0, every model and every sum right.")
	}
	fmt.Fprint(r.out, "\n"+b.String())
	if err := os.WriteFile(filepath.Join(r.o.Dir, "report.md"), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return verdict
}

// verdict is what the findings mean: with -without-read-back rows must be missing, else the experiment has shown nothing.
func (r *run) verdict(events *rows, wrong, faults int) error {
	switch {
	case r.o.WithoutReadBack && events.lost.wrong == 0:
		return fmt.Errorf("%w: nothing was read back, and yet no row is missing: the experiment shows nothing", ErrViolated)
	case r.o.WithoutReadBack:
		return nil
	case wrong > 0 || faults > 0:
		return fmt.Errorf("%w: %d differences, %d faults", ErrViolated, wrong, faults)
	default:
		return nil
	}
}

func sortedHarms(counts map[harmKind]int) []harmKind {
	var kinds []harmKind
	for _, k := range []harmKind{harmGap, harmMidway, harmIdle, harmKill, harmLateKill, harmBroker, harmZombie, harmStop, harmJoin} {
		if counts[k] > 0 {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// repaired adds up what the sinks say in their logs that they found missing in ClickHouse.
func repaired(dir string) (sum int) {
	files, _ := filepath.Glob(filepath.Join(dir, "sink*.log"))
	for _, name := range files {
		f, err := os.Open(name) //nolint:gosec // a file of ours
		if err != nil {
			continue
		}
		in := bufio.NewScanner(f)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var line struct {
				Msg  string `json:"msg"`
				Rows int    `json:"rows"`
			}
			if json.Unmarshal(in.Bytes(), &line) == nil && strings.Contains(line.Msg, "missing and are inserted again") {
				sum += line.Rows
			}
		}
		_ = f.Close()
	}
	return sum
}
