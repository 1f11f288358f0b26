package group_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// shares is what the gates of all processes of a group were told. A rebalance gives nothing that has not been taken before.
type shares struct {
	t   *testing.T
	all int

	mu    sync.Mutex
	owned map[*sharer]int
}

// sharer is the gate of one process.
type sharer struct {
	*door

	of *shares
}

func (s *shares) gate() *sharer {
	g := &sharer{door: newDoor(), of: s}
	g.set(-1)
	return g
}

func (g *sharer) Share(owned, all int) {
	s := g.of
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owned[g] = owned
	if all != s.all {
		s.t.Errorf("a gate was told of %d partitions, want %d", all, s.all)
	}
	if sum := s.sum(); sum > s.all {
		s.t.Errorf("the processes have %d of %d partitions: %v", sum, s.all, s.owned)
	}
}

func (s *shares) sum() (n int) {
	for _, owned := range s.owned {
		n += owned
	}
	return n
}

// spread waits until n processes share all partitions, none more than one more than another.
func (s *shares) spread(n int) {
	s.t.Helper()
	eventually(s.t, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		with := 0
		for _, owned := range s.owned {
			if owned >= s.all/max(n, 1) {
				with++
			}
		}
		if sum := s.sum(); with != n || sum != min(n, 1)*s.all {
			return fmt.Sprintf("%d processes have %d of %d partitions, want %d processes", with, sum, s.all, n)
		}
		return ""
	})
}

func (g *sharer) owns() int {
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	return g.of.owned[g]
}

func TestAGateIsToldTheShareOfItsProcessInTheOrderOfEvents(t *testing.T) {
	c := newCluster(t, 3)
	const second = "shopify.customers"
	o := schemas.DefaultPlanOptions()
	o.Partitions = 3
	specs, err := schemas.GroupTopics(groupID, []string{second}, true, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(specs, schemas.TopicSpec{Name: second}) {
		if err := c.CreateTopic(s.Name, 3, map[string]string{"cleanup.policy": "delete"}); err != nil {
			t.Fatal(err)
		}
	}
	s := &shares{t: t, all: 6, owned: map[*sharer]int{}}
	var done ledger
	service := func() (group.Service, *sharer) {
		gate := s.gate()
		return group.Service{Topics: []string{source, second}, Gate: gate, Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
			if gate.owns() == 0 {
				t.Errorf("an event of %s/%d is handled before its process has a share", e.KafkaTopic, e.Partition)
			}
			done.add("all", e.ID)
			return nil
		})}, gate
	}
	for n := range 60 {
		c.produce(event(fmt.Sprintf("acme.myshopify.com|order/%d", n), n))
	}
	first, _ := service()
	stopFirst := c.start(first, quick())
	until(t, &done, "all", 60)
	s.spread(1)
	secondOne, gate := service()
	stopSecond := c.start(secondOne, quick())
	s.spread(2)
	third, _ := service()
	stopThird := c.start(third, quick())
	s.spread(3)
	stopFirst()
	s.spread(2)
	stopThird()
	s.spread(1)
	if got := gate.owns(); got != 6 {
		t.Errorf("the last process has %d of 6 partitions", got)
	}
	stopSecond()
	s.spread(0)
}

// calls is when calls were made: each began after its first time and before its second.
type calls struct {
	mu   sync.Mutex
	list [][2]time.Time
}

func (c *calls) add(after time.Time) {
	before := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, [2]time.Time{after, before})
}

// most returns the largest number of calls that were certainly made in a window of time, beyond rate × window.
func (c *calls) most(rate float64) (beyond int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, first := range c.list {
		for _, last := range c.list {
			if last[1].Before(first[1]) {
				continue
			}
			n := 0
			for _, call := range c.list {
				if !call[0].Before(first[0]) && !call[1].After(last[1]) {
					n++
				}
			}
			window := last[1].Sub(first[0]) + 2*time.Millisecond
			beyond = max(beyond, n-int(rate*window.Seconds()))
		}
	}
	return beyond
}

func TestTheRateOfAGroupHoldsWithAnyNumberOfProcesses(t *testing.T) {
	const rate, events = 60, 120
	for _, processes := range []int{1, 2, 4} {
		t.Run(strconv.Itoa(processes), func(t *testing.T) {
			c := newCluster(t, 6)
			for n := range events {
				c.produce(event(fmt.Sprintf("acme.myshopify.com|order/%d", n), n))
			}
			var done ledger
			var made calls
			began := time.Now()
			for range processes {
				cfg := outgoing.DefaultConfig()
				cfg.GroupRate, cfg.MaxWait = rate, 50*time.Millisecond
				client, err := outgoing.New("erp", cfg, outgoing.Deps{Logger: logger(), Registerer: prometheus.NewRegistry()})
				if err != nil {
					t.Fatal(err)
				}
				c.start(group.Service{Gate: client, Handler: group.HandlerFunc(func(ctx context.Context, e *group.Event, _ group.UnitOfWork) error {
					asked := time.Now()
					err := client.Do(ctx, e.Shop, func(context.Context) error {
						made.add(asked)
						return nil
					})
					if err == nil {
						done.add(e.Key, e.ID)
					}
					return err
				})}, quick())
			}
			eventually(t, func() string {
				if n := done.count(); n < events {
					return fmt.Sprintf("%d of %d events are done", n, events)
				}
				return ""
			})
			took := time.Since(began)
			if got := made.most(rate); got > processes {
				t.Errorf("%d calls beyond %d per second in some time, want at most one per process", got, rate)
			}
			if n := len(made.list); n > int(rate*took.Seconds())+processes {
				t.Errorf("%d calls in %s", n, took)
			}
			t.Logf("%d calls by %d processes in %s: %.1f per second of %d", len(made.list), processes, took.Round(time.Millisecond), float64(len(made.list))/took.Seconds(), rate)
		})
	}
}
