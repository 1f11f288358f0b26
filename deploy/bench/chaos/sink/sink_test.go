package sink

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/deploy/bench/chaos/sink/truth"
)

func TestTheLongFormIsWhatIsPromised(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.Kills+o.LateKills+o.Brokers+o.Engine < 150 || o.Engine < 50 || o.Zombies < 10 || o.Sinks != 3 || o.Rate != 2_000 || o.Duration > 20*time.Minute ||
		o.Aborted < 0.1 || o.Duplicates != 0.05 || o.Disorder != 0.05 {
		t.Errorf("the defaults do less: %+v", o)
	}
}

func TestTheShortFormChangesDefaultsOnly(t *testing.T) {
	o, err := parse([]string{"-short", "-kills", "3"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.Duration != time.Minute || o.Engine != 4 || o.Kills != 3 {
		t.Errorf("%+v", o)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for flags, want := range map[string]string{
		"-sinks 1":        "-sinks",
		"-rate 0":         "-rate",
		"-aborted 2":      "-aborted",
		"-partitions 0":   "-partitions",
		"-session 1ms":    "session_timeout",
		"-shops 0":        "-shops",
		"-duration -1s":   "-duration",
		"-disorder -0.1":  "-disorder",
		"-duplicates 0.9": "-duplicates",
	} {
		if _, err := parse(strings.Fields(flags), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", flags, err)
		}
	}
}

func TestTheDeckHasEveryHarm(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	count := func(t *tormentor) (map[harmKind]int, int) {
		got, events := map[harmKind]int{}, 0
		for _, d := range t.deck() {
			got[d.kind]++
			if d.table == eventsTable {
				events++
			}
		}
		return got, events
	}
	got, events := count(&tormentor{o: &o, dice: rand.New(rand.NewPCG(1, 1))})
	if got[harmGap]+got[harmMidway] != o.Engine || got[harmKill] != o.Kills || got[harmZombie] != o.Zombies || got[harmBroker] != o.Brokers || events != o.Engine/2 {
		t.Errorf("%v, %d of the engine in the gap of events, for %+v", got, events, o)
	}
	// The short form must show the loss too.
	o.WithoutReadBack, o.Engine = true, 4
	if _, events := count(&tormentor{o: &o, dice: rand.New(rand.NewPCG(1, 1))}); events != 3 {
		t.Errorf("without read-back %d of 4 deaths in the gap of events", events)
	}
}

func TestDifferingLinesAreFoundOnBothSides(t *testing.T) {
	f := &finding{}
	differ(f, []string{"c", "a", "a", "x"}, []string{"a", "b", "c"})
	if f.wrong != 3 || !strings.HasSuffix(strings.Join(f.examples, "|"), "x") || !strings.Contains(strings.Join(f.examples, "|"), "expected and not there:  b") {
		t.Errorf("%d: %q", f.wrong, f.examples)
	}
	f = &finding{}
	if differ(f, []string{"b", "a"}, []string{"a", "b"}); f.wrong != 0 {
		t.Errorf("%q", f.examples)
	}
}

func TestRowsOfAPartition(t *testing.T) {
	sum := func(truth.Entry) string { return "S" }
	want := []truth.Entry{{Offset: 1}, {Offset: 2}, {Offset: 5}, {Offset: 9}}
	r := newRows()
	c := r.walk(truth.Place{Topic: "t"}, want, sum)
	for _, line := range []string{"1\tS", "1\tS", "4\tS", "5\tother"} {
		if err := c.row(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.row(map[string]*walk{"t\t0": c}, "u\t0\t7\tS"); err != nil {
		t.Fatal(err)
	}
	c.end()
	if r.lost.wrong != 2 || r.twice.wrong != 1 || r.foreign.wrong != 2 || r.altered.wrong != 1 {
		t.Errorf("lost %d %q, twice %d, foreign %d, altered %d", r.lost.wrong, r.lost.examples, r.twice.wrong, r.foreign.wrong, r.altered.wrong)
	}
	if err := c.row("no row"); err == nil {
		t.Error("took a line that is no row")
	}
}

func TestTheVerdict(t *testing.T) {
	clean, loss := newRows(), newRows()
	loss.lost.add("x")
	for name, tc := range map[string]struct {
		without       bool
		rows          *rows
		wrong, faults int
		broken        bool
	}{
		"all right":                        {false, clean, 0, 0, false},
		"a difference":                     {false, loss, 1, 0, true},
		"a fault":                          {false, clean, 0, 1, true},
		"without read-back, a loss":        {true, loss, 1, 0, false},
		"without read-back, nothing shown": {true, clean, 3, 0, true},
	} {
		r := &run{o: Options{WithoutReadBack: tc.without}}
		if err := r.verdict(tc.rows, tc.wrong, tc.faults); errors.Is(err, ErrViolated) != tc.broken {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheGapOfATable(t *testing.T) {
	folder := t.TempDir()
	logs := filepath.Join(folder, "deduplication_logs")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if logSize(folder) != 0 || unnamed(folder) {
		t.Error("an empty folder is in the gap")
	}
	write(filepath.Join(logs, "deduplication_log_1.txt"), "token")
	write(filepath.Join(logs, "deduplication_log_2.txt"), "tok")
	write(filepath.Join(folder, "all_1_1_0", "data"), "")
	if logSize(folder) != 8 || unnamed(folder) {
		t.Errorf("log %d", logSize(folder))
	}
	write(filepath.Join(folder, "tmp_insert_all_2_2_0", "data"), "")
	if !unnamed(folder) {
		t.Error("a part without its name is not seen")
	}
}

func TestRepairedRowsAreReadFromTheLogs(t *testing.T) {
	dir := t.TempDir()
	lines := `{"msg":"rows that clickhouse had acknowledged were missing and are inserted again","rows":7}
not JSON
{"msg":"something else","rows":100}
`
	for _, name := range []string{"sink0-1.log", "sink1-1.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := repaired(dir); n != 14 {
		t.Errorf("%d", n)
	}
}
