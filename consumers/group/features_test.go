package group_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
	"millrace/schemas"
)

const order1 = "acme.myshopify.com|order/1"

// until waits until the ledger has n entries of the key.
func until(t *testing.T, l *ledger, key string, n int) []string {
	t.Helper()
	eventually(t, func() string {
		if got := l.of(key); len(got) < n {
			return fmt.Sprintf("%s: %v, want %d", key, got, n)
		}
		return ""
	})
	return l.of(key)
}

// classes returns the error classes of the dead letters, once there are n.
func (c *cluster) classes(n int) (out []string) {
	c.t.Helper()
	eventually(c.t, func() string {
		out = nil
		for _, r := range c.read(schemas.DeadLetterTopic(source, groupID)) {
			for _, h := range r.Headers {
				if h.Key == schemas.HeaderErrorClass {
					out = append(out, string(h.Value))
				}
			}
		}
		if len(out) < n {
			return fmt.Sprintf("dead letters of the classes %v, want %d", out, n)
		}
		return ""
	})
	slices.Sort(out)
	return out
}

func TestRepeatsAreRecognisedByWebhookIDAndStaleOnesByVersionAlsoByASuccessor(t *testing.T) {
	for _, cache := range []string{group.CacheMemory, group.CachePebble} {
		t.Run(cache, func(t *testing.T) {
			c := newCluster(t, 1)
			var done ledger
			cfg := quick()
			cfg.State.Cache = cache
			svc := group.Service{
				Dedupe: group.Dedupe{WebhookIDs: 4, UpdatedAt: func(e *group.Event) (int64, bool) { return int64(e.Body[0]), true }},
				Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
					done.add(e.Key, string(e.Body))
					return nil
				}),
			}
			c.produce(event(order1, 3), event(order1, 5), event(order1, 3), event(order1, 4), event(order1, 6))
			stop := c.start(svc, cfg)
			if got := until(t, &done, order1, 3); !slices.Equal(got, []string{"3", "5", "6"}) {
				t.Errorf("handled: %v", got)
			}
			stop()
			c.produce(event(order1, 5), event(order1, 2), event(order1, 7))
			c.start(svc, cfg)
			if got := until(t, &done, order1, 4); got[3] != "7" {
				t.Errorf("handled: %v", got)
			}
		})
	}
}

func TestWhatAHandlerDoesWrongEndsItsEventAndNothingElse(t *testing.T) {
	c := newCluster(t, 1)
	for n, key := range []string{"panics", "emits", "times out", "sets", "works"} {
		c.produce(event(key, n))
	}
	c.produce(&kgo.Record{Topic: source, Key: []byte("unreadable"), Value: []byte("no headers")})
	var done ledger
	cfg := quick()
	cfg.HandlerTimeout = 10 * time.Millisecond
	c.start(group.Service{Handler: group.HandlerFunc(func(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
		done.add(e.Key, "tried")
		switch e.Key {
		case "panics":
			panic("on purpose")
		case "emits":
			return u.Emit(group.Record{Topic: "elsewhere"})
		case "sets":
			return u.State().Set([]byte("x"))
		case "times out":
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})}, cfg)
	if got, want := c.classes(5), []string{"exhausted", "exhausted", "permanent", "permanent", "unreadable"}; !slices.Equal(got, want) {
		t.Errorf("dead letters of the classes %v, want %v", got, want)
	}
	for key, want := range map[string]int{"panics": 3, "times out": 3, "emits": 1, "sets": 1, "works": 1} {
		if got := len(done.of(key)); got != want {
			t.Errorf("%s: %d tries, want %d", key, got, want)
		}
	}
}

// door is a Gate.
type door struct {
	mu      sync.Mutex
	permits int
	changed chan struct{}
}

func newDoor() *door { return &door{changed: make(chan struct{})} }

func (d *door) Permits() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.permits
}

func (d *door) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

func (d *door) set(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.permits = n
	close(d.changed)
	d.changed = make(chan struct{})
}

func TestAClosedGateStopsDispatchAndPriorityDecidesWhatGoesFirst(t *testing.T) {
	c := newCluster(t, 1)
	const n = 26 // of each class; the classes share 13 turns as 8 : 4 : 1
	for i := range 3 * n {
		r := event(fmt.Sprintf("acme.myshopify.com|order/%d", i), i)
		topic := []string{"orders/paid", "orders/updated", "orders/noise"}[i%3]
		for j := range r.Headers {
			switch r.Headers[j].Key {
			case schemas.HeaderShopifyTopic:
				r.Headers[j].Value = []byte(topic)
			case schemas.HeaderType:
				r.Headers[j].Value = []byte(schemas.Type(topic))
			}
		}
		c.produce(r)
	}
	gate := newDoor()
	var done ledger
	cfg := quick()
	cfg.Concurrency = 1
	reg := prometheus.NewRegistry()
	c.registerer = reg
	c.start(group.Service{
		Gate: gate,
		Priority: func(topic string) group.Priority {
			return map[string]group.Priority{"orders/paid": group.High, "orders/noise": group.Low}[topic]
		},
		Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
			if e.Attempt != 1 {
				t.Errorf("attempt %d", e.Attempt)
			}
			done.add("all", e.Topic)
			return nil
		}),
	}, cfg)
	eventually(t, func() string {
		if got := gauge(t, reg, "millrace_group_queue_records"); got != 3*n {
			return fmt.Sprintf("%v events are queued", got)
		}
		return ""
	})
	if got := done.count(); got != 0 {
		t.Fatalf("%d events passed the closed gate", got)
	}
	gate.set(-1)
	got := until(t, &done, "all", 3*n)
	first := map[string]int{}
	for _, topic := range got[:n] {
		first[topic]++
	}
	if first["orders/paid"] != 16 || first["orders/updated"] != 8 || first["orders/noise"] != 2 {
		t.Errorf("of the first %d: %v, want 16, 8 and 2", n, first)
	}
}

func gauge(t *testing.T, g prometheus.Gatherer, name string) (sum float64) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestAStopLetsHandlersFinishWithinTheGraceAndEndsTheirContextsAfterIt(t *testing.T) {
	c := newCluster(t, 1)
	c.produce(event("finishes", 0), event("does not", 0))
	entered, stopping := make(chan string, 4), make(chan struct{})
	var done ledger
	cfg := quick()
	cfg.Member.StopGrace = 2 * time.Second
	tell, wait := c.begin(group.Service{Handler: group.HandlerFunc(func(ctx context.Context, e *group.Event, _ group.UnitOfWork) error {
		entered <- e.Key
		if e.Key == "finishes" {
			<-stopping // the stop comes into its work
			done.add(e.Key, "done")
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})}, cfg)
	<-entered
	<-entered
	tell()
	close(stopping)
	wait()
	if got := done.of("finishes"); len(got) != 1 {
		t.Errorf("finishes: %v", got)
	}
	// A successor gets the one that was cut off, as its first attempt, and not the other.
	c.start(group.Service{Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
		done.add(e.Key, fmt.Sprintf("attempt %d", e.Attempt))
		return nil
	})}, cfg)
	if got := until(t, &done, "does not", 1); got[0] != "attempt 1" {
		t.Errorf("does not: %v", got)
	}
	if got := done.of("finishes"); len(got) != 1 {
		t.Errorf("finishes: %v", got)
	}
}

func TestMissingTopicsAreAnErrorThatSaysWhatToDo(t *testing.T) {
	c := newCluster(t, 1)
	rt, err := group.New(group.Service{Name: "test", Topics: []string{source}, Emits: []string{"missing"}, Handler: group.HandlerFunc(nothing)}, quick(),
		group.Deps{Kafka: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, Logger: logger(), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.Run(t.Context()); !errors.Is(err, group.ErrTopics) || !strings.Contains(err.Error(), "missing") || !strings.Contains(err.Error(), "millrace topics apply") {
		t.Errorf("Run: %v", err)
	}
}
