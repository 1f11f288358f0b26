package ledger_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millrace/deploy/bench/chaos/keyed/ledger"
)

func TestWhatAProcessWroteIsReadBack(t *testing.T) {
	dir := t.TempDir()
	var want []ledger.Effect
	var wantLost []ledger.Lost
	for _, process := range []string{"m0-1", "m1-1"} {
		log, err := ledger.OpenLog(dir, process)
		if err != nil {
			t.Fatal(err)
		}
		if ledger.Written(dir, process) {
			t.Errorf("%s has written something before it began", process)
		}
		e := ledger.Effect{
			Process: process, Event: ledger.Event{Entity: 3, Seq: 9}, Attempt: 2, Partition: 1, Offset: 1 << 40, Start: 5, End: 7,
			Verdict: ledger.Failed, Seen: ledger.State{}.Next(1).Next(2),
		}
		phantom := ledger.Effect{Process: process, Event: ledger.Event{Entity: 3, Seq: -1}, Attempt: 1, Verdict: ledger.Foreign}
		for _, e := range []ledger.Effect{e, phantom} {
			if err := log.Effect(&e); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Lost(time.Unix(0, 12), "UNKNOWN_MEMBER_ID: who\nis it"); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if !ledger.Written(dir, process) {
			t.Errorf("%s has written nothing", process)
		}
		want = append(want, e, phantom)
		wantLost = append(wantLost, ledger.Lost{Process: process, At: 12, Reason: "UNKNOWN_MEMBER_ID: who\nis it"})
	}
	got, lost, err := ledger.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantLost, lost); diff != "" {
		t.Errorf("expulsions (-want +got):\n%s", diff)
	}
}

func TestALineThatAKillCutOffDidNotHappenAndAnUnreadableOneIsAnError(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "m0-1.effects")
	line := "E 1 1 1 0 0 5 6 done 0 0 0\n"
	if err := os.WriteFile(file, []byte(line+"E 1 2 1 0 1 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	effects, _, err := ledger.Read(dir)
	if err != nil || len(effects) != 1 {
		t.Errorf("%d effects, error %v; want 1 and none", len(effects), err)
	}
	if err := os.WriteFile(file, []byte("E 1 2 x\n"+line), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ledger.Read(dir); err == nil {
		t.Error("a line that cannot be read is no error")
	}
}

func TestARecordThatIsNotAnIntactEventIsRefused(t *testing.T) {
	w := ledger.World{Shops: 10}
	e := ledger.Event{Entity: 12, Seq: 3}
	if got, err := w.Parse(w.Key(12), ledger.Body(e)); err != nil || got != e {
		t.Fatalf("%v, %v", got, err)
	}
	for name, r := range map[string]struct {
		key  string
		body []byte
	}{
		"phantom":        {w.Key(12), ledger.PhantomBody(12)},
		"another's key":  {w.Key(13), ledger.Body(e)},
		"a changed body": {w.Key(12), []byte(strings.Replace(string(ledger.Body(e)), "pad", "dap", 1))},
		"a cut body":     {w.Key(12), ledger.Body(e)[:50]},
		"nothing":        {w.Key(12), nil},
	} {
		if _, err := w.Parse(r.key, r.body); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAStateIsFoundInItsEnvelope(t *testing.T) {
	want := ledger.State{}.Next(1).Next(4)
	for _, value := range [][]byte{want.Encode(), append([]byte{1, 2, 0xff, 'c'}, want.Encode()...)} {
		if got, err := ledger.DecodeState(value); err != nil || got != want {
			t.Errorf("%q: %+v, %v", value, got, err)
		}
	}
	for _, value := range []string{"x", "chaos-state:1:2", "chaos-state:;"} {
		if got, err := ledger.DecodeState([]byte(value)); err == nil {
			t.Errorf("%q: %+v", value, got)
		}
	}
	if a, b := (ledger.State{}).Next(1).Next(2), (ledger.State{}).Next(2).Next(1); a.Hash == b.Hash {
		t.Error("the hash does not know the order")
	}
}

func TestFatesComeInTheirSharesAndAreTheSameForAll(t *testing.T) {
	rates := ledger.Rates{Seed: 5, Transient: 0.02, Permanent: 0.002, NotReady: 0.005, MostFails: 4}
	const n = 200_000
	count := map[ledger.FateKind]int{}
	for i := range int32(n) {
		e := ledger.Event{Entity: i % 2000, Seq: i/2000 + 1}
		f := rates.Of(e)
		if f != rates.Of(e) {
			t.Fatal("an event has two fates")
		}
		if f.Kind == ledger.Transient && (f.Fails < 1 || f.Fails > 4) {
			t.Fatalf("%d failures", f.Fails)
		}
		count[f.Kind]++
	}
	for kind, share := range map[ledger.FateKind]float64{ledger.Transient: 0.02, ledger.Permanent: 0.001, ledger.Exhausted: 0.001, ledger.NotReady: 0.005} {
		if got, want := float64(count[kind]), share*n; got < want*0.7 || got > want*1.3 {
			t.Errorf("fate %d: %v events instead of about %v", kind, got, want)
		}
	}
}
