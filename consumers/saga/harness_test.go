package saga

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

const shopName = "acme.myshopify.com"

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newTestHandler(t fataler, w *world, changes ...func(*Config)) *handler {
	t.Helper()
	cfg := DefaultConfig()
	for _, call := range []*struct{ a, b, c *int }{
		{&cfg.Stock.Call.Breaker.MinimumCalls, &cfg.Stock.Call.Breaker.FailuresInRow, &cfg.Stock.Call.Breaker.ShopFailuresInRow},
		{&cfg.Payment.Call.Breaker.MinimumCalls, &cfg.Payment.Call.Breaker.FailuresInRow, &cfg.Payment.Call.Breaker.ShopFailuresInRow},
		{&cfg.Carrier.Call.Breaker.MinimumCalls, &cfg.Carrier.Call.Breaker.FailuresInRow, &cfg.Carrier.Call.Breaker.ShopFailuresInRow},
		{&cfg.HTTP.Breaker.MinimumCalls, &cfg.HTTP.Breaker.FailuresInRow, &cfg.HTTP.Breaker.ShopFailuresInRow},
	} { // the breakers have their own tests
		*call.a, *call.b, *call.c = 1_000_000, 1_000_000, 1_000_000
	}
	for _, change := range changes {
		change(&cfg)
	}
	h, err := newHandler(cfg, Deps{
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), Stock: w, Payment: w, Carrier: w, Endpoint: w,
	})
	if err != nil {
		t.Fatalf("newHandler() error: %v", err)
	}
	return h
}

// defined is a change of the configuration to a definition of the test's own.
func defined(t *testing.T, text string) func(*Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "saga.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.DefinitionFile = file }
}

// log is one order in the event store with the saga reading it, as the runtime would: events in order, one at a time; what is not ready
// steps aside, and comes back when one that passed it is done, or its time has come. Time passes only when nothing else can happen.
type log struct {
	*world
	h       *handler
	unit    grouptest.Unit
	now     time.Time
	events  []*entry
	read    int // how many of unit.Emitted are among events
	told    int // by the shop and by people
	letters []error
	skips   []string
	crash   func() bool // whether the process dies instead of committing; nil: never
}

type entry struct {
	e     *group.Event
	due   time.Time // it steps aside until then
	aside bool
}

func newLog(t fataler, changes ...func(*Config)) *log {
	t.Helper()
	l := &log{world: newWorld(), now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	l.h = newTestHandler(t, l.world, changes...)
	l.h.now = func() time.Time { return l.now }
	l.unit.Topics = Topics()
	return l
}

// tell appends an event of the shop, or of a person.
func (l *log) tell(data schemas.OrderEventData) {
	l.told++
	cause := schemas.Event{ID: fmt.Sprint("w-", l.told), Shop: shopName, Subject: "order/7", Topic: "orders/any", Received: l.now}
	e, err := schemas.NewOrderEvent(&cause, schemas.ByShop, l.now, data)
	if err != nil {
		panic(err)
	}
	r, err := orderevent.Record(&e)
	if err != nil {
		panic(err)
	}
	l.append(r)
}

func (l *log) append(r group.Record) {
	meta, err := schemas.ParseHeaders(r.Headers)
	if err != nil {
		panic(err)
	}
	l.events = append(l.events, &entry{e: &group.Event{Event: meta, Key: r.Key, Body: r.Value, Attempt: 1}})
}

// step handles one event; false when there is none left.
func (l *log) step() bool {
	next := slices.IndexFunc(l.events, func(e *entry) bool { return !e.aside || !e.due.After(l.now) })
	if next < 0 {
		if len(l.events) == 0 {
			return false
		}
		l.now = slices.MinFunc(l.events, func(a, b *entry) int { return a.due.Compare(b.due) }).due
		return true
	}
	e := l.events[next]
	if l.crash != nil && l.crash() { // what it wrote is lost
		_ = l.h.Handle(context.Background(), e.e, &grouptest.Unit{StateValue: slices.Clone(l.unit.StateValue), Topics: l.unit.Topics})
		return true
	}
	out := l.unit.Handle(context.Background(), l.h, e.e)
	switch out.Kind {
	case grouptest.NotReady:
		e.aside, e.due = true, l.now.Add(out.After)
		return true
	case grouptest.Permanent:
		l.letters = append(l.letters, out.Err)
	case grouptest.Skipped:
		l.skips = append(l.skips, out.Reason)
	case grouptest.Done:
	default:
		panic(fmt.Sprintf("verdict %s: %v", out.Kind, out.Err))
	}
	l.events = slices.Delete(l.events, next, next+1)
	for ; l.read < len(l.unit.Emitted); l.read++ {
		l.append(l.unit.Emitted[l.read])
	}
	for _, other := range l.events[:next] { // one that passed them is done
		other.due = l.now
	}
	return true
}

// run handles all there is, and what comes of it.
func (l *log) run() {
	for range 100_000 {
		if !l.step() {
			return
		}
	}
	panic("it never ends")
}

func (l *log) state() Run {
	r, err := ReadRun(l.unit.StateValue)
	if err != nil {
		panic(err)
	}
	return r
}

// emitted returns the types of the events that the saga wrote, in order.
func (l *log) emitted() (types []string) {
	for _, r := range l.unit.Emitted {
		meta, err := schemas.ParseHeaders(r.Headers)
		if err != nil {
			panic(err)
		}
		name, _ := schemas.OrderEventType(meta.Topic)
		types = append(types, name)
	}
	return types
}

func (l *log) account() *account { return l.of(Order{shopName, "7"}) }

func money(text string) schemas.Money {
	m, err := schemas.ParseMoney(text)
	if err != nil {
		panic(err)
	}
	return m
}

// version is the n-th version of an order.
func version(n int) schemas.OrderVersion {
	at := time.Date(2026, 11, 26, 11, 0, n, 0, time.UTC)
	return schemas.OrderVersion{
		UpdatedAt: at, CreatedAt: at, Name: "#1001", Currency: "EUR", TotalPrice: money("12.00"), CurrentTotalPrice: money(fmt.Sprintf("%d.00", 12+n)),
		Lines: []schemas.OrderLine{
			{LineID: "1", VariantID: "11", SKU: "MUG", Quantity: 2, CurrentQuantity: int64(2 + n), Ships: true},
			{LineID: "2", VariantID: "12", Quantity: 1, CurrentQuantity: 1, GiftCard: true},
			{LineID: "3", SKU: "ENGRAVING", Quantity: 1, CurrentQuantity: 1},
		},
		Contact: &schemas.OrderContact{Address: &schemas.Address{Name: "Ada"}},
	}
}

func created(n int) *schemas.OrderCreated { return &schemas.OrderCreated{OrderVersion: version(n)} }
func updated(n int) *schemas.OrderUpdated { return &schemas.OrderUpdated{OrderVersion: version(n)} }

func cancelledOrder(n int) *schemas.OrderCancelled {
	v := version(n)
	v.CancelledAt = v.UpdatedAt
	return &schemas.OrderCancelled{OrderVersion: v}
}
