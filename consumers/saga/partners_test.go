package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// fault is what goes wrong with one call.
type fault int

const (
	ok            fault = iota
	fails               // without an effect
	timesOut            // without an effect
	timesOutAfter       // with its effect
	comesLate           // no answer, and its effect comes when nobody waits for it any more
	refused             // the breaker is open
	permanent
)

var errNoAnswer = errors.New("no answer")

// world is the partners in memory, with the contract's idempotency and closing.
type world struct {
	mu     sync.Mutex
	fault  func(verb string) fault
	called func(verb string) // before each call; nil: nothing
	late   []func()
	orders map[Order]*account
	done   map[string]string // content by key
	faults []string          // broken rules
	calls  []string          // verbs
}

// account is what the partners hold for one order.
type account struct {
	did    map[string]int // effects by verb
	closed map[string]bool
}

func newWorld() *world {
	return &world{orders: map[Order]*account{}, done: map[string]string{}, fault: func(string) fault { return ok }}
}

func (w *world) of(o Order) *account {
	if w.orders[o] == nil {
		w.orders[o] = &account{did: map[string]int{}, closed: map[string]bool{}}
	}
	return w.orders[o]
}

// undoes names what a verb undoes.
func undoes(verb string) string {
	return map[string]string{"release": "reserve", "refund": "charge", "cancel": "ship", "unhttp": "http"}[verb]
}

// call is one call by its fault.
func (w *world) call(ctx context.Context, verb, key string, of Order, content any) error {
	if w.called != nil {
		w.called(verb)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, verb)
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	switch w.fault(verb) {
	case fails:
		return errors.New("broken")
	case timesOut:
		return errNoAnswer
	case timesOutAfter:
		_ = w.effect(verb, key, of, string(text))
		return errNoAnswer
	case comesLate:
		w.late = append(w.late, func() { _ = w.effect(verb, key, of, string(text)) })
		return errNoAnswer
	case refused:
		return group.Unavailable(3*time.Second, outgoing.ErrRefused)
	case permanent:
		return outgoing.Answered(group.Permanent(errors.New("no")))
	case ok:
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return w.effect(verb, key, of, string(text))
}

func (w *world) effect(verb, key string, of Order, content string) error {
	a := w.of(of)
	if old, used := w.done[key]; used {
		if old != content {
			w.faults = append(w.faults, fmt.Sprintf("%s is used for %s and %s", key, old, content))
		}
		return nil
	}
	if undone := undoes(verb); undone != "" {
		a.closed[undone] = true
		w.done[key] = content
		if a.held(undone) > 0 {
			a.did[verb]++
		}
		if verb == "refund" && a.held("ship") > 0 {
			w.faults = append(w.faults, "refunded and shipped")
		}
		return nil
	}
	if a.closed[verb] {
		return outgoing.Answered(group.Permanent(errors.New("closed")))
	}
	w.done[key] = content
	if a.did[verb]++; a.did[verb] > 1 {
		w.faults = append(w.faults, verb+" was done twice")
	}
	return nil
}

// held is how much of what a verb does has not been undone.
func (a *account) held(verb string) int {
	for _, undoing := range []string{"release", "refund", "cancel", "unhttp"} {
		if undoes(undoing) == verb {
			return a.did[verb] - a.did[undoing]
		}
	}
	return a.did[verb]
}

func (w *world) arrive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.late {
		f()
	}
	w.late = nil
}

func (w *world) Reserve(ctx context.Context, key string, r Reservation) error {
	return w.call(ctx, "reserve", key, Order{r.Shop, r.OrderID}, r)
}

func (w *world) Release(ctx context.Context, key string, of Order) error {
	return w.call(ctx, "release", key, of, of)
}

func (w *world) Charge(ctx context.Context, key string, c Charge) (string, error) {
	return "ch-1", w.call(ctx, "charge", key, Order{c.Shop, c.OrderID}, c)
}

func (w *world) Refund(ctx context.Context, key string, of Order) (schemas.Money, error) {
	if err := w.call(ctx, "refund", key, of, of); err != nil {
		return schemas.Money{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	back, err := schemas.ParseMoney(fmt.Sprintf("%d.00", 12*w.of(of).did["refund"]))
	return back, err
}

func (w *world) Ship(ctx context.Context, key string, s Shipment) (Shipped, error) {
	return Shipped{ShipmentID: "shp-1", TrackingNumber: "T1"}, w.call(ctx, "ship", key, Order{s.Shop, s.OrderID}, s)
}

func (w *world) Cancel(ctx context.Context, key string, of Order) error {
	return w.call(ctx, "cancel", key, of, of)
}

func (w *world) Call(ctx context.Context, key string, c EndpointCall) error {
	verb := "http"
	if c.Compensation {
		verb = "unhttp"
	}
	return w.call(ctx, verb, key, Order{c.Shop, c.OrderID}, c)
}
