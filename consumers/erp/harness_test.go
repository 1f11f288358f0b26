package erp

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

const shopName = "acme.myshopify.com"

// books is an ERP in memory, with the contract's idempotency.
type books struct {
	now    map[string]Document // by kind and id
	done   map[string]Document // by key
	keys   []string            // of effects, in order
	faults []string            // what goes wrong, about what a rule of the contract forbids
	// before and after an effect; nil or an error for the caller.
	before, after func(key string) error
}

func newBooks() *books { return &books{now: map[string]Document{}, done: map[string]Document{}} }

func (b *books) Put(_ context.Context, key string, d Document) (string, error) {
	if b.before != nil {
		if err := b.before(key); err != nil {
			return "", err
		}
	}
	name := string(d.Kind) + "/" + d.ID
	old, used := b.done[key]
	switch there, known := b.now[name]; {
	case used && (old.Version != d.Version || string(old.Content) != string(d.Content)):
		return "", outgoing.Answered(ErrKeyReused)
	case used:
	case known && at(d.Version).Before(at(there.Version)):
		return "", outgoing.Answered(ErrStale)
	default:
		if known && d.Version == there.Version {
			b.faults = append(b.faults, fmt.Sprintf("%s repeats a version", key))
		}
		b.now[name], b.done[key] = d, d
		b.keys = append(b.keys, key)
	}
	if b.after != nil {
		if err := b.after(key); err != nil {
			return "", err
		}
	}
	return "doc-" + d.ID, nil
}

func at(version string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, version)
	if err != nil {
		panic(err)
	}
	return t
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newService(t fataler, erp, alternative ERP, changes ...func(*Config)) group.Service {
	t.Helper()
	cfg := DefaultConfig()
	// The breakers have their own tests.
	cfg.Call.Breaker.MinimumCalls, cfg.Call.Breaker.FailuresInRow = 1000, 1_000_000
	for _, change := range changes {
		change(&cfg)
	}
	s, err := Service(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), ERP: erp, Alternative: alternative})
	if err != nil {
		t.Fatalf("Service() error: %v", err)
	}
	return s
}

// bench is an order, or a customer, at the service.
type bench struct {
	*books
	grouptest.Unit
	t   *testing.T
	svc group.Service
}

func setup(t *testing.T, changes ...func(*Config)) *bench {
	t.Helper()
	b := newBooks()
	return &bench{books: b, t: t, svc: newService(t, b, nil, changes...), Unit: grouptest.Unit{Topics: Emits()}}
}

// sent is when Shopify sent the first event of a test.
func sent() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) }

// event is one that Shopify has sent a while after the first.
func event(topic, body string, after time.Duration) *group.Event {
	return &group.Event{
		Event: schemas.Event{ID: "w-1", Shop: shopName, Topic: topic, Subject: "order/1", Time: sent().Add(after), Received: time.Now()},
		Key:   shopName + "|order/1", Body: []byte(body), Attempt: 1,
	}
}

func (b *bench) on(topic, body string, after time.Duration) grouptest.Outcome {
	b.t.Helper()
	return b.Handle(b.t.Context(), b.svc.Handler, event(topic, body, after))
}

// want checks the verdict, and its reason when one is given, and the keys by which documents were written.
func (b *bench) want(got grouptest.Outcome, kind grouptest.Kind, reason string, keys ...string) {
	b.t.Helper()
	if got.Kind != kind || got.Reason != reason {
		b.t.Errorf("verdict %s %q (%v), want %s %q", got.Kind, got.Reason, got.Err, kind, reason)
	}
	if fmt.Sprint(b.keys) != fmt.Sprint(keys) {
		b.t.Errorf("written by %q, want %q", b.keys, keys)
	}
	for _, f := range b.faults {
		b.t.Error(f)
	}
}

// told checks the events of the order that the event store has got, by their ids.
func (b *bench) told(want ...string) {
	b.t.Helper()
	var got []string
	for _, r := range b.Emitted {
		meta, err := schemas.ParseHeaders(r.Headers)
		if err != nil {
			b.t.Fatal(err)
		}
		fact, err := schemas.DecodeOrderEvent(&meta, r.Value)
		if err != nil {
			b.t.Fatal(err)
		}
		got = append(got, fact.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("told %q, want %q", got, want)
	}
}

// order is the body of an order at a time of the first minute, with a total.
func order(second int, total string) string {
	return fmt.Sprintf(`{"id":1,"name":"#1001","updated_at":"2026-11-23T05:00:%02d-05:00","total_price":%q,"line_items":[{"id":11,"sku":"A","quantity":1}]}`, second, total)
}

// key is the one of that order's version.
func key(version string) string {
	return "erp:acme.myshopify.com:order/1:2026-11-23T10:00:" + version + "Z"
}
