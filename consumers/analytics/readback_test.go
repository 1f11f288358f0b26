package analytics

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millrace/schemas"
	"millrace/schemas/ddl"
)

// wantProjected checks that the models were fed from the batch, each once, and no others.
func wantProjected(t *testing.T, st *fakeStore, token string, models ...string) {
	t.Helper()
	st.mu.Lock()
	defer st.mu.Unlock()
	var want []projection
	for _, m := range models {
		want = append(want, projection{m, token})
	}
	if diff := cmp.Diff(want, st.projected, cmp.AllowUnexported(projection{})); diff != "" {
		t.Errorf("projected (-want, +got):\n%s", diff)
	}
}

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
		asked, projecting := 0, 0
		st := &fakeStore{losesRows: func(n int) bool { return n == 0 }}
		st.onOffsets = func(context.Context) error {
			w.wantPending(0, 0, 5)
			if asked++; asked < 4 {
				return errAway
			}
			return nil
		}
		st.onProject = func(context.Context, projection) error {
			w.wantPending(0, 0, 5)
			if projecting++; projecting == 1 || projecting == 4 {
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
		// Three refused, one that finds the hole, and the one that proves the repair.
		if asked != 5 {
			t.Errorf("read back %d times, want 5", asked)
		}
		wantProjected(t, st, "shopify.orders/0/0-5", "orders", "first_orders", "refunds", "fulfillments")
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

// With one deadline for all, or from the start after each error, no batch would ever get through to a slow ClickHouse: it takes 4.8
// times the deadline for all that this one needs.
func TestABatchGetsOnWhileEveryStatementTakesMostOfItsDeadline(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		cfg := testConfig()
		slow := func(ctx context.Context) error {
			select {
			case <-time.After(cfg.InsertTimeout * 6 / 10):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		st := &fakeStore{losesRows: func(n int) bool { return n == 0 }, onOffsets: slow}
		st.onInsert = func(ctx context.Context, _ int, _ string) error { return slow(ctx) }
		var tried []string
		st.onProject = func(ctx context.Context, x projection) error {
			if tried = append(tried, x.model); len(tried) == 3 {
				return errors.New("connection reset")
			}
			return slow(ctx)
		}
		s := w.start(cfg, st)
		w.produce(orders(0, 0, 5)...)
		for range 10 { // of its statements, of which there are ten
			time.Sleep(cfg.InsertTimeout)
		}
		w.wantCommitted(0, 5)
		if n := len(st.stored()); n != 5 {
			t.Errorf("%d rows stored, want 5", n)
		}
		if diff := cmp.Diff([]string{"orders", "first_orders", "refunds", "refunds", "fulfillments"}, tried); diff != "" {
			t.Errorf("models fed (-want, +got):\n%s", diff)
		}
		mustStop(t, s)
	})
}

// A model that a batch could not be told from by its Shopify topics would not be fed again.
func TestEachModelIsFedByBlocksOfTheTopicsThatItNames(t *testing.T) {
	models, err := ddl.Models()
	if err != nil || len(models) == 0 {
		t.Fatalf("Models() = %d, error: %v", len(models), err)
	}
	for _, m := range models {
		if len(m.Topics) == 0 {
			t.Errorf("model %s names no Shopify topic", m.Name)
		}
		for _, topic := range m.Topics {
			if _, known := schemas.Lookup(topic); !known {
				t.Errorf("model %s names %s, which Shopify does not have", m.Name, topic)
			}
			b := newBlock(2)
			for _, r := range []string{"app/uninstalled", topic} {
				if b.feeds(m) {
					t.Errorf("model %s is fed by %v", m.Name, b.shopifyTopics)
				}
				if err := b.add(event(0, "w", r, "order/1", "{}")); err != nil {
					t.Fatalf("add() error: %v", err)
				}
			}
			if !b.feeds(m) {
				t.Errorf("model %s is not fed by %v", m.Name, b.shopifyTopics)
			}
		}
	}
	if any := (ddl.Model{Name: "all"}); !newBlock(0).feeds(any) {
		t.Error("a model that names no topic takes from every batch")
	}
}

func TestABatchFeedsOnlyTheModelsThatTakeSomethingOfIt(t *testing.T) {
	for topic, want := range map[string][]string{
		"orders/delete":           {"deletions"},
		"inventory_levels/update": {"inventory_levels"},
		"products/update":         {"products"},
		"app/uninstalled":         nil,
	} {
		b := newBlock(1)
		if err := b.add(event(0, "w", topic, "order/1", "{}")); err != nil {
			t.Fatalf("add() error: %v", err)
		}
		models, err := modelsOf(b)
		if err != nil {
			t.Fatalf("modelsOf() error: %v", err)
		}
		var got []string
		for _, m := range models {
			got = append(got, m.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("a batch of %s feeds %v, want %v", topic, got, want)
		}
	}
	if models, err := modelsOf(newActivityBlock(0)); err != nil || len(models) > 0 {
		t.Errorf("a batch of activity feeds %v, error: %v", models, err)
	}
}
