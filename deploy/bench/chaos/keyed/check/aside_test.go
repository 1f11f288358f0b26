package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/keyed/ledger"
)

// passed is the good run with one event that let the next one pass while it was not ready, and everything that follows from it. It
// returns the attempt of the latter.
func passed(in *check.Input) *ledger.Effect {
	late := find(in, func(e ledger.Effect) bool {
		next := e.Event
		next.Seq++
		return e.Verdict == ledger.Waiting && e.Seq < perEach && in.Rates.Of(next).Kind == ledger.Fine
	})
	done := find(in, func(e ledger.Effect) bool { return e.Event == late.Event && e.Verdict == ledger.Done })
	next := find(in, func(e ledger.Effect) bool { return e.Entity == late.Entity && e.Seq == late.Seq+1 })
	next.Start, next.End = late.End+10, late.End+20
	states := map[int32]ledger.State{late.Seq: late.Seen.Next(next.Seq).Next(late.Seq), next.Seq: late.Seen.Next(next.Seq)}
	next.Seen, done.Seen = late.Seen, states[next.Seq]
	// Attempts of the late one after the other has passed it see what that has left; so does all that comes later.
	for i := range in.Effects {
		e := &in.Effects[i]
		if e.Event == late.Event && e.Start > next.Start {
			e.Seen = states[next.Seq]
		}
	}
	i, j := place(in, late.Event), place(in, next.Event)
	in.Emitted[i], in.Emitted[j] = in.Emitted[j], in.Emitted[i]
	state := states[late.Seq]
	for seq := next.Seq + 1; seq <= perEach; seq++ {
		done := false
		for k := range in.Effects {
			if e := &in.Effects[k]; e.Entity == late.Entity && e.Seq == seq {
				e.Seen = state
				done = done || e.Verdict == ledger.Done
			}
		}
		if done {
			state = state.Next(seq)
		}
	}
	for k := range in.State {
		if string(in.State[k].Key) == in.World.Key(late.Entity) {
			in.State[k].Value = state.Encode() // the last one counts
		}
	}
	return next
}

// place returns where an event's emitted record is.
func place(in *check.Input, event ledger.Event) int {
	for i, r := range in.Emitted {
		if m, err := ledger.DecodeEmitted(r.Value); err == nil && m.Event == event {
			return i
		}
	}
	panic("there is no such record")
}

func TestAnEventThatIsNotReadyMayBePassed(t *testing.T) {
	in := goodRun()
	passed(in)
	for _, r := range check.All(in) {
		if r.Count > 0 {
			t.Errorf("%s: %d\n%s", r.Name, r.Count, strings.Join(r.Examples, "\n"))
		}
		if r.Name == firsts && r.Remark != "1 passed an event that was not ready" {
			t.Errorf("remark %q", r.Remark)
		}
	}
}

func TestPassingHasItsRulesToo(t *testing.T) {
	tests := map[string]struct {
		spoil func(in *check.Input, next *ledger.Effect)
		want  []string
	}{
		"before it said that it was not ready": {func(in *check.Input, next *ledger.Effect) {
			late := find(in, func(e ledger.Effect) bool { return e.Entity == next.Entity && e.Seq == next.Seq-1 })
			next.Start, next.End = late.Start-3, late.Start-2
		}, []string{order, seen}},
		"with the state of before": {func(in *check.Input, next *ledger.Effect) {
			find(in, func(e ledger.Effect) bool {
				return e.Entity == next.Entity && e.Seq == next.Seq-1 && e.Verdict == ledger.Done
			}).Seen.Count--
		}, []string{seen}},
		"and its write of the state was lost": {func(in *check.Input, next *ledger.Effect) {
			last := -1
			for i := range in.State {
				if string(in.State[i].Key) == in.World.Key(next.Entity) {
					last = i
				}
			}
			s, _ := ledger.DecodeState(in.State[last].Value)
			s.Count--
			in.State[last].Value = s.Encode()
		}, []string{state}},
		"at the same time": {func(in *check.Input, next *ledger.Effect) {
			e := *next
			e.Verdict, e.Start, e.End = ledger.Cancelled, e.Start+1, e.End+int64(time.Microsecond)
			in.Effects = append(in.Effects, e)
		}, []string{overlap}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := goodRun()
			test.spoil(in, passed(in))
			if got := violated(in); !slices.Equal(got, test.want) {
				t.Errorf("complained: %q\nwant:       %q", got, test.want)
			}
		})
	}
}
