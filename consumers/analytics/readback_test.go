package analytics

import (
	"context"
	"errors"
	"slices"
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

// The first batch of an assignment may have the bounds, and so the token, of a batch that a member before this one tried.
func TestTheFirstBatchOfAnAssignmentIsReadBack(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{tokens: map[string]bool{"shopify.orders/0/0-5": true}}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 5)...)
		eventually(t, "commit", func() bool { return w.committed(0) == 5 })
		if n := len(st.stored()); n != 5 {
			t.Errorf("%d rows stored, want 5", n)
		}
		mustStop(t, s)
	})
}

func TestNothingIsCommittedBeforeTheReadBackHasSucceeded(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		asked := 0
		st := &fakeStore{}
		st.onOffsets = func(context.Context) error {
			asked++
			if n := w.committed(0); n >= 0 && asked < 4 {
				t.Errorf("offset %d is committed before the read-back", n)
			}
			if asked < 4 {
				return errors.New("connection refused")
			}
			return nil
		}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 5)...)
		eventually(t, "commit", func() bool { return w.committed(0) == 5 })
		if tokens := st.seen(); !slices.Equal(tokens, []call{{"shopify.orders/0/0-5", 5}}) {
			t.Errorf("inserts %v, want one: nothing was missing", tokens)
		}
		if asked != 4 {
			t.Errorf("read back %d times, want until the fourth, which succeeds", asked)
		}
		mustStop(t, s)
	})
}
