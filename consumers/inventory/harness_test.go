package inventory

import (
	"context"
	"encoding/json"
	"errors"
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

var errAway = errors.New("away")

// warehouse is a stock system in memory, with the contract's idempotency.
type warehouse struct {
	held    map[string]int64  // by variant
	done    map[string]string // content by key
	effects []string          // keys, in order
	known   bool
	faults  []string // what goes wrong, about what a rule of the contract forbids
	// before and after an effect; nil or an error for the caller.
	before, after func(key string) error
}

func newWarehouse() *warehouse {
	return &warehouse{held: map[string]int64{}, done: map[string]string{}}
}

func (w *warehouse) Reserve(_ context.Context, key string, r Reservation) error {
	return w.once(key, r, func() error {
		w.known = true
		for _, l := range r.Lines {
			w.held[l.VariantID] += l.Quantity
		}
		return nil
	})
}

func (w *warehouse) Release(_ context.Context, key string, r Release) error {
	return w.once(key, r, func() error {
		if !w.known {
			return outgoing.Answered(ErrUnknownReservation)
		}
		if len(r.Lines) == 0 {
			clear(w.held)
		}
		for _, l := range r.Lines {
			if w.held[l.VariantID] -= l.Quantity; w.held[l.VariantID] < 0 {
				w.faults = append(w.faults, fmt.Sprintf("%s releases too much of %s", key, l.VariantID))
			}
		}
		return nil
	})
}

func (w *warehouse) once(key string, content any, effect func() error) error {
	if w.before != nil {
		if err := w.before(key); err != nil {
			return err
		}
	}
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if old, used := w.done[key]; !used {
		if err := effect(); err != nil {
			return err
		}
		w.done[key] = string(text)
		w.effects = append(w.effects, key)
	} else if old != string(text) {
		w.faults = append(w.faults, fmt.Sprintf("%s is used for %s and %s", key, old, text))
	}
	if w.after != nil {
		return w.after(key)
	}
	return nil
}

func (w *warehouse) total() (n int64) {
	for _, q := range w.held {
		n += q
	}
	return n
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newHandler(t fataler, stock Stock, changes ...func(*Config)) group.Handler {
	t.Helper()
	cfg := DefaultConfig()
	// The breakers have their own tests.
	cfg.Call.Breaker.MinimumCalls, cfg.Call.Breaker.FailuresInRow, cfg.Call.Breaker.ShopFailuresInRow = 1000, 1_000_000, 1_000_000
	for _, change := range changes {
		change(&cfg)
	}
	s, err := Service(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), Stock: stock})
	if err != nil {
		t.Fatalf("Service() error: %v", err)
	}
	return s.Handler
}

func remember(c *Config) { c.Early = EarlyRemember }

func wait(c *Config) { c.Early = EarlyWait }

// bench is an order at the service.
type bench struct {
	*warehouse
	grouptest.Unit
	t *testing.T
	h group.Handler
}

func setup(t *testing.T, changes ...func(*Config)) *bench {
	t.Helper()
	w := newWarehouse()
	return &bench{warehouse: w, t: t, h: newHandler(t, w, changes...)}
}

func event(topic, body string) *group.Event {
	return &group.Event{
		Event: schemas.Event{ID: "w-1", Shop: shopName, Topic: topic, Subject: "order/1", Received: time.Now()},
		Key:   shopName + "|order/1", Body: []byte(body), Attempt: 1,
	}
}

func (b *bench) on(topic, body string) grouptest.Outcome {
	b.t.Helper()
	return b.Handle(b.t.Context(), b.h, event(topic, body))
}

// want checks the verdict, and its reason when one is given, and how many goods are reserved after it.
func (b *bench) want(got grouptest.Outcome, kind grouptest.Kind, reason string, held int64) {
	b.t.Helper()
	if got.Kind != kind || got.Reason != reason {
		b.t.Errorf("verdict %s %q (%v), want %s %q", got.Kind, got.Reason, got.Err, kind, reason)
	}
	if n := b.total(); n != held {
		b.t.Errorf("%d goods are reserved, want %d; calls: %v", n, held, b.effects)
	}
	for _, f := range b.faults {
		b.t.Error(f)
	}
}

const (
	created  = `{"id":1,"line_items":[{"id":11,"variant_id":111,"sku":"A","quantity":3},{"id":12,"variant_id":112,"quantity":2},{"id":13,"variant_id":null,"sku":"CUSTOM","quantity":1}]}`
	shipped2 = `{"id":7,"order_id":1,"status":"success","line_items":[{"id":11,"variant_id":111,"quantity":2}]}`
	unship2  = `{"id":7,"order_id":1,"status":"cancelled","line_items":[{"id":11,"variant_id":111,"quantity":2}]}`
)

func cancelled(fulfillments string) string {
	return created[:len(created)-1] + `,"cancelled_at":"2026-11-23T04:00:00Z","fulfillments":[` + fulfillments + `]}`
}

func refunded(id, line, quantity int, how string) string {
	return fmt.Sprintf(`{"id":%d,"order_id":1,"refund_line_items":[{"line_item_id":%d,"quantity":%d,"restock_type":%q}]}`, id, line, quantity, how)
}
