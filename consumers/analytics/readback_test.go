package analytics

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ClickHouse that dies between the token's log and the rows answers the repeat with success and has nothing.
func TestRowsThatATokenHidesAreFoundMissingAndInsertedAgain(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{losesRows: func(n int) bool { return n == 0 }}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 5)...)
		eventually(t, "commit", func() bool { return w.committed(0) == 5 })
		want := []call{{"shopify.orders/0/0-5", 5}, {"shopify.orders/0/0-5", 5}, {"shopify.orders/0/0-5#1", 5}}
		if diff := cmp.Diff(want, st.seen(), cmp.AllowUnexported(call{})); diff != "" {
			t.Errorf("inserts (-want, +got):\n%s", diff)
		}
		if n := len(st.stored()); n != 5 {
			t.Errorf("%d rows stored, want 5", n)
		}
		wantMetric(t, "repaired", s.metrics.repaired, 5)
		mustStop(t, s)
	})
}

// In normal running nothing was tried before, so nothing is asked.
func TestABatchThatIsInsertedAtTheFirstTryIsNotReadBack(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{onOffsets: func(context.Context) error { t.Error("read back"); return nil }}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 5)...)
		eventually(t, "commit", func() bool { return w.committed(0) == 5 })
		mustStop(t, s)
		if len(st.projected) > 0 {
			t.Errorf("the read models were fed again: %v", st.projected)
		}
	})
}

func TestNothingIsFinalisedBeforeTheReadBackAndTheReprojectionHaveSucceeded(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		asked, projected := 0, 0
		st := &fakeStore{losesRows: func(n int) bool { return n == 0 }}
		st.onOffsets = func(context.Context) error {
			w.wantPending(0, 0, 5)
			if asked++; asked < 4 {
				return errAway
			}
			return nil
		}
		st.onProject = func(_ context.Context, b bounds) error {
			w.wantPending(0, 0, 5)
			if b.token() != "shopify.orders/0/0-5" {
				t.Errorf("projected %s", b.token())
			}
			if projected++; projected < 3 {
				return errAway
			}
			return nil
		}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 5)...)
		eventually(t, "commit", func() bool { return w.committed(0) == 5 })
		want := []call{{"shopify.orders/0/0-5", 5}, {"shopify.orders/0/0-5", 5}, {"shopify.orders/0/0-5#1", 5}}
		if diff := cmp.Diff(want, st.seen(), cmp.AllowUnexported(call{})); diff != "" {
			t.Errorf("inserts (-want, +got):\n%s", diff)
		}
		// Three refused, one that finds the hole, and each time one before the projection that proves the repair.
		if asked != 7 || projected != 3 {
			t.Errorf("read back %d times, projected %d times; want 7 and 3", asked, projected)
		}
		wantMetric(t, "reprojections", s.metrics.projected, 1)
		mustStop(t, s)
	})
}

func TestWithoutReadBackAHoleStays(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{losesRows: func(n int) bool { return n == 0 }}
		s := w.startWith(testConfig(), st, func(d *Deps) { d.SkipReadBack = true })
		w.produce(orders(0, 0, 5)...)
		eventually(t, "commit", func() bool { return w.committed(0) == 5 })
		mustStop(t, s)
		if n := len(st.stored()); n != 0 {
			t.Errorf("%d rows stored, want none: the experiment must show the loss", n)
		}
	})
}
