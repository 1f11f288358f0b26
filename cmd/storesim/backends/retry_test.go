package backends

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"millrace/cmd/storesim/backends/effects"
)

// TestOneKeyAtOnceIsOneEffect asks for the same thing from all sides at the same time.
func TestOneKeyAtOnceIsOneEffect(t *testing.T) {
	w := start(t, nil)
	const n = 20
	answers := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, answers[i], _ = w.reserve(acme, "1", "k") })
	}
	wg.Wait()
	for _, a := range answers {
		if a != `{"reservation_id":"res-1"}` {
			t.Errorf("answer %s", a)
		}
	}
	if s := w.summary().Stock; s.Reservations != 1 || s.Repeats != n-1 || s.UnitsHeld != 2 {
		t.Errorf("summary %+v", s)
	}
}

// persist does what a service does: each order is reserved and confirmed by mail, again and again under its key, until it is
// done or refused for good. Orders run side by side, in another order each time.
func persist(t *testing.T, seed uint64) effects.Summary {
	t.Helper()
	mix := "error_rate=0.2,reset_rate=0.1,lost_answer_rate=0.2,permanent_rate=0.1,latency=1ms,jitter=3ms"
	w := start(t, func(c *Config) { c.Seed = seed }, "stock:"+mix, "smtp:"+mix)
	const orders, workers, tries = 60, 6, 100
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				order := fmt.Sprint(i)
				if !untilSettled(tries, func() bool {
					status, _, err := w.reserve(acme, order, "reserve/"+order)
					return err == nil && status < 500
				}) {
					t.Errorf("order %s is not settled", order)
				}
				if !untilSettled(tries, func() bool { return settled(w.mail("a@b.example", "mail/"+order)) }) {
					t.Errorf("the mail of order %s is not settled", order)
				}
			}
		})
	}
	for _, i := range rand.Perm(orders) {
		next <- i
	}
	close(next)
	wg.Wait()
	s := w.summary()
	refused := s.Stock.RefusedKeys["refused"]
	if s.Stock.Reservations != s.Stock.Orders || s.Stock.Orders != orders-refused || s.Stock.OrdersTwice != 0 || len(s.Stock.Anomalies) != 0 {
		t.Errorf("not each of %d orders exactly once, %d refused: %+v", orders, refused, s.Stock)
	}
	if s.Stock.Repeats == 0 || refused == 0 || refused == orders {
		t.Errorf("the mix had no faults: %+v", s.Stock)
	}
	// SMTP knows no keys, so a lost answer costs a duplicate, and nothing else does.
	if s.SMTP.Events != orders-s.SMTP.RefusedKeys["refused"] || s.SMTP.Duplicates != s.SMTP.Accepted-s.SMTP.Events || s.SMTP.Duplicates > s.SMTP.Faults["lost_answer"] || s.SMTP.Duplicates == 0 {
		t.Errorf("mails %+v", s.SMTP)
	}
	var refusals Refusals
	w.admin(http.MethodGet, "/ledger/refused?backend=stock&reason=refused", "", &refusals)
	if int64(refusals.Total) != refused {
		t.Errorf("%d refusals are listed, want %d", refusals.Total, refused)
	}
	return s
}

func untilSettled(tries int, try func() bool) bool {
	for range tries {
		if try() {
			return true
		}
	}
	return false
}

func TestPersistenceIsOnceAndTheSameUnderASeed(t *testing.T) {
	first := persist(t, 5)
	// How many were under way at once is the clock's, not the seed's.
	clock := cmpopts.IgnoreTypes(effects.Load{})
	if diff := cmp.Diff(first, persist(t, 5), clock); diff != "" {
		t.Errorf("the same seed, another world:\n%s", diff)
	}
	if cmp.Equal(first, persist(t, 6), clock) {
		t.Error("another seed, the same world")
	}
}
