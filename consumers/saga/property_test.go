package saga

import (
	"testing"

	"pgregory.net/rapid"

	"millrace/schemas"
)

// Whatever the partners answer, or do not; whenever the shop changes or cancels the order, or a person steps in; wherever the process
// is killed: the run ends with all done, with everything undone, or parked and known. Nothing is done twice, and no order is both
// refunded and shipped.
func TestARunEndsWholeWhateverHappens(t *testing.T) {
	ends := map[Phase]int{}
	rapid.Check(t, func(t *rapid.T) {
		l := newLog(t)
		l.crash = func() bool { return rapid.IntRange(0, 6).Draw(t, "crash") == 0 }
		mayPark := rapid.Bool().Draw(t, "may park")
		trouble := rapid.SampledFrom([]int{0, 5, 30, 60, 90}).Draw(t, "trouble") // of hundred calls
		l.fault = func(verb string) fault {
			if rapid.IntRange(0, 99).Draw(t, "dice") >= trouble {
				return ok
			}
			faults := []fault{fails, timesOut, timesOutAfter, comesLate, refused}
			if undoes(verb) == "" || mayPark {
				faults = append(faults, permanent)
			}
			return rapid.SampledFrom(faults).Draw(t, verb)
		}
		tales := []schemas.OrderEventData{created(1)}
		for range rapid.IntRange(0, 4).Draw(t, "events") {
			tales = append(tales, rapid.SampledFrom([]schemas.OrderEventData{
				created(1), updated(2), updated(0), cancelledOrder(3), &schemas.OrderDeleted{}, &schemas.PaymentReceived{OrderVersion: version(1)},
				&schemas.SagaRetryRequested{SagaRequest: schemas.SagaRequest{Saga: "order", Who: "ada"}},
				&schemas.SagaAbortRequested{SagaRequest: schemas.SagaRequest{Saga: "order", Who: "ada"}},
			}).Draw(t, "event"))
		}
		tales = rapid.Permutation(tales).Draw(t, "arrival")
		for steps := 0; ; steps++ {
			if steps > 100_000 {
				t.Fatalf("it never ends: %+v", l.state())
			}
			if len(tales) > 0 && rapid.IntRange(0, 5).Draw(t, "told") == 0 {
				l.tell(tales[0])
				tales = tales[1:]
			}
			if rapid.IntRange(0, 9).Draw(t, "late calls") == 0 {
				l.arrive()
			}
			if !l.step() && len(tales) == 0 {
				break
			}
		}
		l.arrive()
		whole(t, l, l.state())
		ends[l.state().Phase]++
	})
	t.Logf("runs by their end: %v", ends)
	for _, phase := range []Phase{"", Completed, Compensated, Parked} {
		if ends[phase] == 0 {
			t.Errorf("no run ended as %q: the test is worth little", phase)
		}
	}
}

// whole checks what the partners hold at the end of a run.
func whole(t interface{ Errorf(string, ...any) }, l *log, r Run) {
	for _, f := range l.faults {
		t.Errorf("%s", f)
	}
	a := l.account()
	held := [3]int{a.held("reserve"), a.held("charge"), a.held("ship")}
	confirmed := 0
	for _, name := range l.emitted() {
		if name == schemas.TypeConfirmationRequested {
			confirmed++
		}
	}
	switch r.Phase {
	case Completed:
		if held != [3]int{1, 1, 1} || confirmed != 1 {
			t.Errorf("complete, and the partners hold %v, %d confirmations", held, confirmed)
		}
	case "", Compensated:
		if held != [3]int{} {
			t.Errorf("phase %q, and the partners hold %v; calls %v", r.Phase, held, l.calls)
		}
	case Parked:
		if len(l.letters) == 0 || r.Problem == "" {
			t.Errorf("parked, with %d dead letters, problem %q", len(l.letters), r.Problem)
		}
	case Aborted:
		if len(l.letters) == 0 { // it was parked before
			t.Errorf("left as it is without having been parked")
		}
	default:
		t.Errorf("left half done: %+v", r)
	}
	if (len(l.letters) > 0) && r.Phase != Parked && r.Phase != Aborted && r.Phase != Compensated {
		t.Errorf("phase %s with dead letters: %v", r.Phase, l.letters)
	}
	if r.Ended() && r.Order != nil {
		t.Errorf("the order is kept beyond the end")
	}
}
