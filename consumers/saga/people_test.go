package saga

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestPeopleSeeRunsAndStepIn(t *testing.T) {
	c, w := newCluster(t), newWorld()
	w.fault = failing("cancel", permanent)
	c.tell(1, created(1))
	c.tell(2, created(1))
	c.tell(2, cancelledOrder(2))
	c.tell(3, cancelledOrder(1))
	p := c.start(w, defined(t, quickDefinition))
	c.until(t, map[string]Phase{"1": Completed, "2": Compensated})
	c.tell(1, cancelledOrder(3))
	c.until(t, map[string]Phase{"1": Parked, "2": Compensated})

	kafka := []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}
	d, err := OpenDesk(t.Context(), kafka, groupID)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	all, err := d.Runs(t.Context(), func(*OrderRun) bool { return true })
	if len(all) != 2 || err != nil {
		t.Errorf("all runs: %+v, %v", all, err)
	}
	parked, err := d.Runs(t.Context(), func(r *OrderRun) bool { return r.Phase == Parked })
	if len(parked) != 1 || parked[0].Order != (Order{shopName, "1"}) || parked[0].Problem != "no" || err != nil {
		t.Fatalf("parked runs: %+v, %v", parked, err)
	}
	if _, err := d.Run(t.Context(), Order{shopName, "3"}); !errors.Is(err, ErrNoRun) {
		t.Errorf("an order that was cancelled before it came: %v", err)
	}
	if _, err := d.Run(t.Context(), Order{shopName, "4"}); !errors.Is(err, ErrNoRun) {
		t.Errorf("an order that never came: %v", err)
	}

	w.mu.Lock()
	w.fault = func(string) fault { return ok }
	w.mu.Unlock()
	if err := d.Ask(t.Context(), Retry, "ada", parked...); err != nil {
		t.Fatal(err)
	}
	c.until(t, map[string]Phase{"1": Compensated, "2": Compensated})
	r, err := d.Run(t.Context(), Order{shopName, "1"})
	if r.Phase != Compensated || r.Version != 1 || err != nil {
		t.Errorf("run %+v, %v", r, err)
	}
	p.stop()
	if <-p.done; p.err != nil {
		t.Error(p.err)
	}
	if _, err := OpenDesk(t.Context(), kafka, "another"); err == nil {
		t.Error("a group without state has a desk")
	}
}

// until waits until the runs have ended like this.
func (c *cluster) until(t *testing.T, want map[string]Phase) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute) // as long as a busy machine may take
	for {
		got, open := c.ends()
		if open == 0 && len(got) == len(want) && !slices.ContainsFunc([]string{"1", "2"}, func(id string) bool { return got[id] != want[id] }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("runs ended %v, want %v", got, want)
		}
		time.Sleep(50 * time.Millisecond) // what is asked is a read of whole topics
	}
}

func TestWhatIsWantedIsRefusedWhereItWouldDoNothing(t *testing.T) {
	for _, tt := range []struct {
		run          Run
		retry, abort bool // refused
	}{
		{Run{Phase: Running, Asked: &Asked{}}, false, false},
		{Run{Phase: Compensating, Asked: &Asked{}}, false, true},
		{Run{Phase: Parked}, false, false},
		{Run{Phase: Completed}, true, true},
		{Run{Phase: Compensated}, true, true},
		{Run{Phase: Aborted}, true, true},
	} {
		if r, a := tt.run.Refuses(Retry), tt.run.Refuses(Abort); (r != nil) != tt.retry || (a != nil) != tt.abort {
			t.Errorf("%s: retry %v, abort %v", tt.run.Phase, r, a)
		}
	}
}
