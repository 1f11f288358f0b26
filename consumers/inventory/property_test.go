package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
)

// story is a life of an order that Shopify could tell: what happens, and what must be reserved at the end.
type story struct {
	events []delivery
	held   map[string]int64 // by variant
}

type delivery struct{ topic, body string }

func (s *story) tell(topic string, body map[string]any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	s.events = append(s.events, delivery{topic, string(text)})
}

// drawStory keeps count per line of what is in the house, shipped, and back in stock.
func drawStory(t *rapid.T) *story {
	s := &story{held: map[string]int64{}}
	type item struct{ id, variant, inHouse, shipped int64 }
	var items []*item
	var lines []any
	for i := range rapid.Int64Range(1, 3).Draw(t, "lines") {
		it := &item{id: 10 + i, variant: rapid.Int64Range(1, 2).Draw(t, "variant"), inHouse: rapid.Int64Range(1, 4).Draw(t, "quantity")}
		items = append(items, it)
		lines = append(lines, map[string]any{"id": it.id, "variant_id": it.variant, "quantity": it.inHouse})
		s.held[fmt.Sprint(it.variant)] += it.inHouse
	}
	lines = append(lines, map[string]any{"id": 99, "variant_id": nil, "quantity": 1})
	order := map[string]any{"id": 1, "line_items": lines}
	s.tell("orders/create", order)
	var fulfillments []any
	for id := range rapid.Int64Range(0, 5).Draw(t, "changes") {
		it := rapid.SampledFrom(items).Draw(t, "item")
		variant := fmt.Sprint(it.variant)
		refund := func(n int64, how string) {
			s.tell("refunds/create", map[string]any{"id": 100 + id, "order_id": 1, "refund_line_items": []any{
				map[string]any{"line_item_id": it.id, "quantity": n, "restock_type": how},
			}})
		}
		switch rapid.SampledFrom([]string{"ship", "void", "cancel", "return", "no_restock"}).Draw(t, "change") {
		case "ship":
			if n := rapid.Int64Range(0, it.inHouse).Draw(t, "n"); n > 0 {
				f := shipmentBody(100+id, "success", it.id, n)
				s.tell("fulfillments/create", f)
				fulfillments = append(fulfillments, f)
				it.inHouse, it.shipped = it.inHouse-n, it.shipped+n
			}
		case "void": // sent by mistake and taken back
			if it.inHouse > 0 {
				s.tell("fulfillments/create", shipmentBody(100+id, "success", it.id, it.inHouse))
				f := shipmentBody(100+id, "cancelled", it.id, it.inHouse)
				s.tell("fulfillments/update", f)
				fulfillments = append(fulfillments, f)
			}
		case "cancel":
			if n := rapid.Int64Range(0, it.inHouse).Draw(t, "n"); n > 0 {
				refund(n, "cancel")
				it.inHouse -= n
				s.held[variant] -= n
			}
		case "return":
			if n := rapid.Int64Range(0, it.shipped).Draw(t, "n"); n > 0 {
				refund(n, "return")
				it.shipped -= n
				s.held[variant] -= n
			}
		default:
			refund(1, "no_restock")
		}
	}
	if rapid.Bool().Draw(t, "cancelled") {
		order["cancelled_at"], order["fulfillments"] = "2026-11-23T04:00:00Z", fulfillments
		s.tell("orders/cancelled", order)
		for _, it := range items {
			s.held[fmt.Sprint(it.variant)] -= it.inHouse
		}
	}
	s.tell("orders/updated", map[string]any{"id": 1})
	return s
}

func shipmentBody(id int64, status string, line, n int64) map[string]any {
	return map[string]any{"id": id, "order_id": 1, "status": status, "line_items": []any{map[string]any{"id": line, "quantity": n}}}
}

// Whatever the order in which the events of an order come, however often each comes, whatever fails, and wherever the process is
// killed: at the end the same goods are reserved, every effect happened once, and nothing was released that was not there.
func TestTheSameEndInWhateverOrder(t *testing.T) {
	for name, early := range map[string]func(*Config){"wait": wait, "remember": remember} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := drawStory(t)
				deliveries := slices.Clone(s.events)
				for _, d := range s.events {
					for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "repeats") {
						deliveries = append(deliveries, d)
					}
				}
				deliveries = rapid.Permutation(deliveries).Draw(t, "arrival")

				w := newWarehouse()
				r := &runtime{t: t, h: newHandler(t, w, early, func(c *Config) { c.Call.Breaker.MinimumCalls = 1_000_000 }), mayWait: name == "wait"}
				fault := func(string) error {
					if rapid.IntRange(0, 3).Draw(t, "fault") == 0 {
						return errAway
					}
					return nil
				}
				w.before, w.after = fault, fault
				r.run(deliveries)

				for _, f := range w.faults {
					t.Errorf("%s", f)
				}
				for variant, want := range s.held {
					if w.held[variant] != want {
						t.Errorf("%d of variant %s reserved, want %d; arrival %v; calls %v", w.held[variant], variant, want, deliveries, w.effects)
					}
				}
			})
		})
	}
}

// runtime does with one key what the real one does: the head is repeated until it is done; what is not ready is set aside, and comes
// again after what is behind it; a crash forgets what was not committed.
type runtime struct {
	t       *rapid.T
	h       group.Handler
	unit    grouptest.Unit
	mayWait bool
}

func (r *runtime) run(queue []delivery) {
	rounds := len(queue) + 1
	for ; len(queue) > 0; rounds-- {
		if rounds == 0 {
			r.t.Fatalf("%d events never become ready: %v", len(queue), queue)
		}
		var aside []delivery
		for i, d := range queue {
			if !r.handle(d, i) {
				aside = append(aside, d)
			}
		}
		queue = aside
	}
}

// handle returns false when the event is not ready.
func (r *runtime) handle(d delivery, i int) bool {
	for {
		e := event(d.topic, d.body)
		e.ID = fmt.Sprint("w-", i) // a repeat may have another id: the runtime's memory is not relied upon
		if rapid.IntRange(0, 5).Draw(r.t, "crash") == 0 {
			_ = r.h.Handle(context.Background(), e, &grouptest.Unit{StateValue: r.unit.StateValue}) // what it stored is lost
			continue
		}
		switch out := r.unit.Handle(context.Background(), r.h, e); out.Kind {
		case grouptest.Done, grouptest.Skipped:
			return true
		case grouptest.NotReady:
			if !r.mayWait {
				r.t.Fatalf("%s: %v, although it could be remembered", d.topic, out.Err)
			}
			return false
		case grouptest.Permanent:
			r.t.Fatalf("%s: dead letter: %v", d.topic, out.Err)
		default: // at once: time says nothing here
		}
	}
}
