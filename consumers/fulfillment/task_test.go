package fulfillment

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// do does a task as one of its own key.
func (b *bench) do(task *group.Event) grouptest.Outcome {
	b.t.Helper()
	u := grouptest.Unit{Topics: Emits()}
	out := u.Handle(b.t.Context(), b.h, task)
	b.Emitted, b.Notes = append(b.Emitted, u.Emitted...), append(b.Notes, u.Notes...)
	return out
}

// one takes the only task there is.
func (b *bench) one() *group.Event {
	b.t.Helper()
	tasks := b.tasks()
	if len(tasks) != 1 {
		b.t.Fatalf("%d tasks, want 1", len(tasks))
	}
	return tasks[0]
}

func TestAShipmentIsFollowedUntilItIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.TrackEvery = time.Hour })
		b.on("orders/paid", order)
		b.told()
		task := b.one()
		if task.Key != shopName+"|shipment/1" || task.Subject != "order/1" || task.ID != "track:acme.myshopify.com:1:1" {
			t.Errorf("task %+v", task.Event)
		}
		wait := func(after time.Duration) {
			t.Helper()
			if out := b.do(task); out.Kind != grouptest.Unavailable || out.After != after {
				t.Fatalf("%s after %s (%v), want to be put off for %s", out.Kind, out.After, out.Err, after)
			}
		}
		wait(time.Hour) // it is too early to ask
		if b.asked != 0 {
			t.Errorf("asked %d times before it was time", b.asked)
		}
		for range 3 {
			time.Sleep(time.Hour)
			wait(time.Hour)
		}
		b.before = func(string) error { return errAway }
		wait(time.Hour) // a question that fails is no dead letter
		b.before = nil
		for _, status := range []string{schemas.ShipmentStatusShipped, schemas.ShipmentStatusDelivered} {
			b.move(status)
			if out := b.do(task); out.Kind != grouptest.Done {
				t.Fatalf("%s: %+v", status, out)
			}
			if told := b.told(); !slices.Equal(told, []string{schemas.TypeTrackingUpdated}) || b.Notes[len(b.Notes)-1] != "shipment shp-1 is "+status+" (DHL 77)" {
				t.Errorf("%s: told %v, notes %q", status, told, b.Notes)
			}
			if status == schemas.ShipmentStatusShipped {
				task = b.one()
				wait(time.Hour)
				time.Sleep(time.Hour)
			}
		}
		if n := len(b.tasks()); n != 0 {
			t.Errorf("%d tasks after the delivery", n)
		}
	})
}

func TestFollowingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.TrackEvery, c.TrackFor = time.Hour, 24*time.Hour })
		b.on("orders/paid", order)
		task := b.one()
		time.Sleep(25 * time.Hour)
		if out := b.do(task); out.Kind != grouptest.Skipped || out.Reason != skipGivenUp {
			t.Errorf("after a day: %+v", out)
		}
	})
	b := setup(t, func(c *Config) { c.TrackEvery = 0 })
	b.on("orders/paid", order)
	if n := len(b.tasks()); n != 0 {
		t.Errorf("%d tasks, although nothing is to be followed", n)
	}
	b = setup(t)
	b.on("orders/paid", order)
	task := b.one()
	task.Body = []byte(strings.Replace(string(task.Body), `"due":"2`, `"due":"1`, 1)) // long ago
	b.status = Status{}
	if out := b.do(task); out.Kind != grouptest.Permanent {
		t.Errorf("a shipment that the carrier has forgotten: %+v, want a dead letter", out)
	}
}

func TestOrdersGoOnWithoutTheCarrierBySetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, provisional)
		b.before = func(string) error { return errAway } // one failure opens the breaker
		b.want(b.on("orders/paid", order), grouptest.Done, "")
		b.want(b.on("orders/paid", order), grouptest.Skipped, skipDone)
		if told := b.told(); !slices.Equal(told, []string{schemas.TypeServiceProvisional}) || b.Notes[0] != "the carrier is away: the shipment is created later" {
			t.Errorf("told %v, notes %q", told, b.Notes)
		}
		ship := b.one()
		if ship.Key != shopName+"|order/1" {
			t.Errorf("the task's key is %s", ship.Key)
		}
		if out := b.do(ship); out.Kind != grouptest.Unavailable {
			t.Errorf("the task while the carrier is away: %+v, want it to wait", out)
		}
		b.before = nil
		time.Sleep(time.Minute) // the breaker has tried
		if out := b.do(ship); out.Kind != grouptest.Done || !slices.Equal(b.effects, []string{shipped}) {
			t.Errorf("the task: %+v, effects %v", out, b.effects)
		}
		if told := b.told(); !slices.Equal(told, []string{schemas.TypeFulfillmentStarted}) || b.one().Topic != kindTrack {
			t.Errorf("told %v", told)
		}
	})
}

func TestACancellationGoesOnWithoutTheCarrierToo(t *testing.T) {
	for name, first := range map[string]int{"in their order": 0, "the cancellation first": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, provisional)
				b.before = func(string) error { return errAway }
				b.on("orders/paid", order)
				b.want(b.on("orders/cancelled", cancelled()), grouptest.Done, "")
				b.want(b.on("orders/cancelled", cancelled()), grouptest.Skipped, skipDone)
				tasks := b.tasks()
				if len(tasks) != 2 || tasks[0].Key != tasks[1].Key || tasks[0].ID == tasks[1].ID {
					t.Fatalf("tasks %+v", tasks)
				}
				b.before = nil
				time.Sleep(time.Minute)
				b.do(tasks[first])
				out := b.do(tasks[1-first])
				if live := b.status.Status == schemas.ShipmentStatusAccepted; live || !b.closed {
					t.Errorf("the shipment is %q, closed %v", b.status.Status, b.closed)
				}
				if first == 1 && (out.Kind != grouptest.Skipped || out.Reason != skipClosed) {
					t.Errorf("creation after the cancellation: %+v", out)
				}
			})
		})
	}
}

// What the carrier answers is its word, whatever the breaker says; and without the setting nothing goes on.
func TestOnlyAnOutageIsGoneOnWithout(t *testing.T) {
	b := setup(t, func(c *Config) { c.Call.Breaker.FailuresInRow = 1 })
	b.before = func(string) error { return errAway }
	b.want(b.on("orders/paid", order), grouptest.Unavailable, "")
	if _, own := newService(t, b.house).Gate.(*outgoing.Client); !own {
		t.Error("hold has no gate: events would be handled while the breaker is open")
	}
	if _, own := newService(t, b.house, provisional).Gate.(*outgoing.Client); own {
		t.Error("provisional has a gate that closes: no event would be handled while the breaker is open")
	}
}

func TestATaskOfAnotherProgramIsADeadLetter(t *testing.T) {
	b := setup(t)
	for _, body := range []string{`{"v":2,"order_id":"1"}`, `{`, `{"v":1,"order_id":"1"}`} {
		e := event("fulfillment/"+"else", body)
		e.KafkaTopic = TasksTopic
		if out := b.do(e); out.Kind != grouptest.Permanent {
			t.Errorf("%s: %+v, want a dead letter", body, out)
		}
	}
}
