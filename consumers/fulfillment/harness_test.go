package fulfillment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/orderevent"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

const shopName = "acme.myshopify.com"

var errAway = errors.New("away")

// house is a carrier in memory, with the contract's idempotency, for one order.
type house struct {
	mu      sync.Mutex
	status  Status
	closed  bool
	done    map[string]string // content by key
	effects []string          // keys, in order
	asked   int
	faults  []string // what the contract forbids
	// before and after an effect; nil or an error for the caller.
	before, after func(key string) error
}

func newHouse() *house { return &house{done: map[string]string{}} }

func (h *house) Create(_ context.Context, key string, s Shipment) (Status, error) {
	var made Status
	err := h.once(key, s, func() error {
		if h.closed {
			return outgoing.Answered(ErrClosed)
		}
		if h.status.ShipmentID != "" {
			h.faults = append(h.faults, "a second shipment")
		}
		h.status = Status{ShipmentID: "shp-1", Status: schemas.ShipmentStatusAccepted, TrackingCompany: "DHL", TrackingNumber: "77", TrackingURL: "https://dhl.example/77"}
		return nil
	})
	if err == nil {
		made = h.now()
		made.Status = schemas.ShipmentStatusAccepted // a repeat is answered as the first
	}
	return made, err
}

func (h *house) Cancel(_ context.Context, key string, _ Order, reason string) error {
	return h.once(key, reason, func() error {
		switch h.status.Status {
		case schemas.ShipmentStatusShipped, schemas.ShipmentStatusDelivered:
			return outgoing.Answered(ErrShipped)
		case schemas.ShipmentStatusAccepted:
			h.status.Status = schemas.ShipmentStatusCancelled
		}
		h.closed = true
		return nil
	})
}

func (h *house) Status(context.Context, Order) (Status, error) {
	h.mu.Lock()
	h.asked++
	h.mu.Unlock()
	if h.before != nil {
		if err := h.before("status"); err != nil {
			return Status{}, err
		}
	}
	now := h.now()
	if now.ShipmentID == "" {
		return now, outgoing.Answered(ErrUnknownShipment)
	}
	return now, nil
}

func (h *house) now() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

func (h *house) move(status string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.Status = status
}

func (h *house) once(key string, content any, effect func() error) error {
	if h.before != nil {
		if err := h.before(key); err != nil {
			return err
		}
	}
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if old, used := h.done[key]; !used {
		if err := effect(); err != nil {
			return err
		}
		h.done[key] = string(text)
		h.effects = append(h.effects, key)
	} else if old != string(text) {
		h.faults = append(h.faults, fmt.Sprintf("%s is used for %s and %s", key, old, text))
	}
	if h.after != nil {
		return h.after(key)
	}
	return nil
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newService(t fataler, carrier Carrier, changes ...func(*Config)) group.Service {
	t.Helper()
	cfg := DefaultConfig()
	// The breaker opens where a test wants it.
	cfg.Call.Breaker.MinimumCalls, cfg.Call.Breaker.FailuresInRow = 1000, 1_000_000
	for _, change := range changes {
		change(&cfg)
	}
	s, err := Service(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), Carrier: carrier})
	if err != nil {
		t.Fatalf("Service() error: %v", err)
	}
	return s
}

func remember(c *Config)    { c.Early = EarlyRemember }
func onCreation(c *Config)  { c.ShipOn = ShipCreated }
func provisional(c *Config) { c.Fallback, c.Call.Breaker.FailuresInRow = FallbackProvisional, 1 }

// bench is an order at the service. Its unit is that of the order's events; tasks have others.
type bench struct {
	*house
	grouptest.Unit
	t *testing.T
	h group.Handler
}

func setup(t *testing.T, changes ...func(*Config)) *bench {
	t.Helper()
	w := newHouse()
	return &bench{house: w, Unit: grouptest.Unit{Topics: Emits()}, t: t, h: newService(t, w, changes...).Handler}
}

func event(topic, body string) *group.Event {
	return &group.Event{
		Event: schemas.Event{ID: "w-1", Shop: shopName, Topic: topic, Subject: "order/1", Received: time.Now()},
		Key:   shopName + "|order/1", KafkaTopic: "shopify.orders", Body: []byte(body), Attempt: 1,
	}
}

// record is an emitted record as its reader gets it.
func record(t fataler, r group.Record) *group.Event {
	t.Helper()
	meta, err := schemas.ParseHeaders(r.Headers)
	if err != nil {
		t.Fatalf("read what was emitted to %s: %v", r.Topic, err)
	}
	return &group.Event{Event: meta, Key: r.Key, KafkaTopic: r.Topic, Body: r.Value, Attempt: 1}
}

func (b *bench) on(topic, body string) grouptest.Outcome {
	b.t.Helper()
	return b.Handle(b.t.Context(), b.h, event(topic, body))
}

// tasks takes the emitted tasks.
func (b *bench) tasks() (tasks []*group.Event) {
	b.t.Helper()
	var rest []group.Record
	for _, r := range b.Emitted {
		if r.Topic == TasksTopic {
			tasks = append(tasks, record(b.t, r))
		} else {
			rest = append(rest, r)
		}
	}
	b.Emitted = rest
	return tasks
}

// told takes the emitted events of the order, as their types.
func (b *bench) told() (types []string) {
	b.t.Helper()
	var rest []group.Record
	for _, r := range b.Emitted {
		if r.Topic != schemas.OrderEventsTopic {
			rest = append(rest, r)
			continue
		}
		e, err := orderevent.Decode(record(b.t, r))
		if err != nil || e.By != Name || e.OrderID != "1" {
			b.t.Errorf("told %+v, %v", e, err)
			continue
		}
		types = append(types, e.Type())
	}
	b.Emitted = rest
	return types
}

// want checks the verdict, and its reason when one is given, and the keys of the effects so far.
func (b *bench) want(got grouptest.Outcome, kind grouptest.Kind, reason string, effects ...string) {
	b.t.Helper()
	if got.Kind != kind || got.Reason != reason {
		b.t.Errorf("verdict %s %q (%v), want %s %q", got.Kind, got.Reason, got.Err, kind, reason)
	}
	if fmt.Sprint(b.effects) != fmt.Sprint(effects) {
		b.t.Errorf("effects %v, want %v", b.effects, effects)
	}
	for _, f := range b.faults {
		b.t.Error(f)
	}
}

const (
	shipped = "ship:acme.myshopify.com:1"
	undone  = "cancel:acme.myshopify.com:1"

	lines   = `{"id":11,"variant_id":111,"sku":"A","quantity":3,"requires_shipping":true},{"id":12,"variant_id":112,"quantity":2,"requires_shipping":true},{"id":13,"variant_id":113,"quantity":1,"requires_shipping":false},{"id":14,"variant_id":114,"quantity":1,"gift_card":true,"requires_shipping":false}`
	address = `"shipping_address":{"name":"Zoë","address1":"Main St 1","city":"Bern","country_code":"CH","latitude":1.5}`
	order   = `{"id":1,"name":"#1001","line_items":[` + lines + `],` + address + `}`
)

func cancelled() string { return order[:len(order)-1] + `,"cancelled_at":"2026-11-23T04:00:00Z"}` }

func refunded(id, line, quantity int) string {
	return fmt.Sprintf(`{"id":%d,"order_id":1,"refund_line_items":[{"line_item_id":%d,"quantity":%d,"restock_type":"cancel"}]}`, id, line, quantity)
}
