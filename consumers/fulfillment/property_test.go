package fulfillment

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/schemas"
)

// delivery is one event on its way; refund is the id of one, 0 for other events.
type delivery struct {
	topic, body string
	refund, n   int64
}

// Whatever the order in which the events of an order come, however often each comes, whatever fails, and wherever the process is
// killed: an order that was cancelled is not on its way, any other was shipped once, without what was refunded before.
func TestTheSameEndInWhateverOrder(t *testing.T) {
	for name, setting := range map[string]func(*Config){"wait": func(*Config) {}, "remember": remember, "on creation": onCreation} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				quantity := rapid.Int64Range(1, 5).Draw(t, "quantity")
				body := fmt.Sprintf(`{"id":1,"line_items":[{"id":11,"sku":"A","quantity":%d,"requires_shipping":true}],%s}`, quantity, address)
				events := []delivery{{topic: "orders/create", body: body}, {topic: "orders/paid", body: body}, {topic: "orders/edited", body: `{}`}}
				for id := range rapid.Int64Range(0, 3).Draw(t, "refunds") {
					events = append(events, delivery{topic: "refunds/create", body: refunded(int(100+id), 11, 1), refund: 100 + id, n: 1})
				}
				isCancelled := rapid.Bool().Draw(t, "cancelled")
				if isCancelled {
					events = append(events, delivery{topic: "orders/cancelled", body: body})
				}
				for _, d := range events {
					for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "repeats") {
						events = append(events, d)
					}
				}
				w := newHouse()
				fault := func(string) error {
					if rapid.IntRange(0, 3).Draw(t, "fault") == 0 {
						return errAway
					}
					return nil
				}
				w.before, w.after = fault, fault
				r := &runtime{t: t, h: newService(t, w, setting).Handler, unit: grouptest.Unit{Topics: Emits()}, taken: map[int64]int64{}}
				r.run(rapid.Permutation(events).Draw(t, "arrival"))

				for _, f := range w.faults {
					t.Error(f)
				}
				left := quantity
				for _, n := range r.taken {
					left -= n
				}
				content, made := w.done[shipped]
				var s Shipment
				if made {
					if err := json.Unmarshal([]byte(content), &s); err != nil {
						t.Fatal(err)
					}
				}
				switch {
				case isCancelled && w.status.Status == schemas.ShipmentStatusAccepted:
					t.Errorf("the order was cancelled and is on its way")
				case isCancelled:
				case left <= 0 && made:
					t.Errorf("shipped %s, although all was refunded", content)
				case left > 0 && (!made || len(s.Lines) != 1 || s.Lines[0].Quantity != left):
					t.Errorf("shipped %s, want %d", content, left)
				}
			})
		})
	}
}

// runtime does with one key what the real one does: the head is repeated until it is done; what is not ready is set aside, and comes
// again after what is behind it; a crash forgets what was not committed.
type runtime struct {
	t     *rapid.T
	h     group.Handler
	unit  grouptest.Unit
	taken map[int64]int64 // by refund that is not shipped: how much
}

func (r *runtime) run(queue []delivery) {
	for rounds := len(queue) + 1; len(queue) > 0; rounds-- {
		if rounds == 0 {
			r.t.Fatalf("%d events never become ready: %v", len(queue), queue)
		}
		queue = slices.DeleteFunc(slices.Clone(queue), func(d delivery) bool { return r.handle(d) })
	}
}

// handle returns false when the event is not ready.
func (r *runtime) handle(d delivery) bool {
	for {
		e := event(d.topic, d.body)
		if rapid.IntRange(0, 5).Draw(r.t, "crash") == 0 {
			_ = r.h.Handle(context.Background(), e, &grouptest.Unit{StateValue: r.unit.StateValue}) // what it stored is lost
			continue
		}
		switch out := r.unit.Handle(context.Background(), r.h, e); out.Kind {
		case grouptest.Done, grouptest.Skipped:
			if d.refund != 0 && out.Kind == grouptest.Done {
				r.taken[d.refund] = d.n
			}
			return true
		case grouptest.NotReady:
			return false
		case grouptest.Permanent:
			r.t.Fatalf("%s: dead letter: %v", d.topic, out.Err)
		default: // at once: time says nothing here
		}
	}
}
