package orderstate

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

// bench is the fold with the state of one order.
type bench struct {
	grouptest.Unit

	t       *testing.T
	handler group.Handler
	reg     *prometheus.Registry
}

func setup(t *testing.T) *bench {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	s, err := Service(DefaultConfig(), reg)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, handler: s.Handler, reg: reg, Unit: grouptest.Unit{Topics: s.Emits}}
}

// on handles an event of the order.
func (b *bench) on(e schemas.OrderEvent) grouptest.Outcome {
	b.t.Helper()
	r, err := orderevent.Record(&e)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.Handle(b.t.Context(), b.handler, event(b.t, r))
}

func TestTheFirstThatComesBeforeItsOrderMakesTheOrderAwaited(t *testing.T) {
	b := setup(t)
	b.on(tell(2, "r1", &schemas.OrderRefunded{OrderRefund: schemas.OrderRefund{RefundID: "1"}}))
	b.on(tell(3, "r2", &schemas.OrderRefunded{OrderRefund: schemas.OrderRefund{RefundID: "2"}}))
	if len(b.Emitted) != 1 {
		t.Fatalf("%d records, want one note that the order is awaited", len(b.Emitted))
	}
	note, err := orderevent.Decode(event(t, b.Emitted[0]))
	if err != nil || note.Type() != schemas.TypeOrderAwaited || note.ID != "r1/orderstate/OrderAwaited" {
		t.Fatalf("%+v, %v", note, err)
	}
	before := string(b.StateValue)
	if out := b.on(note); out.Kind != grouptest.NotReady || out.After < minNotReady || out.After > maxNotReady {
		t.Errorf("while the order has not come: %+v", out)
	}
	b.on(tell(1, "o", &schemas.OrderCreated{}))
	if out := b.on(note); out.Kind != grouptest.Skipped || out.Reason != skipCame {
		t.Errorf("when it has come: %+v", out)
	}
	b.on(tell(4, "r3", &schemas.OrderRefunded{OrderRefund: schemas.OrderRefund{RefundID: "3"}}))
	if s, err := Read(b.StateValue); err != nil || len(s.Refunds) != 3 || len(b.Emitted) != 1 || before == "" {
		t.Errorf("%d refunds, %d notes, %v", len(s.Refunds), len(b.Emitted), err)
	}
}

func TestEventsAreCountedByWhatTheyDid(t *testing.T) {
	b := setup(t)
	o := tell(1, "o", &schemas.OrderCreated{OrderVersion: version(1, "paid")})
	b.on(o)
	kept := string(b.StateValue)
	if out := b.on(o); out.Kind != grouptest.Skipped || out.Reason != skipRepeated || string(b.StateValue) != kept {
		t.Errorf("a repeat: %+v", out)
	}
	b.on(tell(0, "old", &schemas.OrderUpdated{OrderVersion: version(0, "pending")}))
	for verdict, want := range map[Verdict]float64{Applied: 1, Repeated: 1, Older: 1, Waits: 0, Noted: 0} {
		var m dto.Metric
		if err := b.handler.(*folder).events[verdict].Write(&m); err != nil {
			t.Fatal(err)
		}
		if got := m.GetCounter().GetValue(); got != want {
			t.Errorf("%s counted %v times, want %v", verdict, got, want)
		}
	}
}

// A service and a saga may both tell of one effect: the state is known, and the timeline has both.
func TestWhatIsKeptIsTheFoldAlsoWhenAnEffectIsToldTwice(t *testing.T) {
	b := setup(t)
	one := tell(1, "a", &schemas.InventoryReserved{Effect: schemas.Effect{Effect: "reserve:1"}})
	other := tell(2, "b", &schemas.InventoryReserved{Effect: schemas.Effect{Effect: "reserve:1"}})
	events := []schemas.OrderEvent{tell(0, "o", &schemas.OrderCreated{OrderVersion: version(0, "paid")}), one, other, one}
	for _, e := range events {
		b.on(e)
	}
	if want, _ := play(t, events...); string(b.StateValue) != string(want.Text()) {
		t.Errorf("kept   %s\nfolded %s", b.StateValue, want.Text())
	}
}

func TestWhatANewerProgramWroteIsGivenUpAndNotPassedOver(t *testing.T) {
	b := setup(t)
	r, err := orderevent.Record(&schemas.OrderEvent{ID: "x", Shop: "acme.myshopify.com", OrderID: "1", At: at(1), Data: &schemas.OrderDeleted{}})
	if err != nil {
		t.Fatal(err)
	}
	e := event(t, r)
	e.Topic = schemas.OrderEventTopic("OrderTeleported")
	e.Body = []byte(`{"v":1,"type":"OrderTeleported","order_id":"1","at":"2026-03-30T14:30:00Z","by":"x","cause":"c","data":{}}`)
	if out := b.Handle(t.Context(), b.handler, e); out.Kind != grouptest.Permanent || !errors.Is(out.Err, schemas.ErrNewerOrderEvent) {
		t.Errorf("a type of the future: %+v", out)
	}
	b.StateValue = []byte(`{"v":2}`)
	if out := b.on(tell(1, "d", &schemas.OrderDeleted{})); out.Kind != grouptest.Permanent || string(b.StateValue) != `{"v":2}` {
		t.Errorf("a state of the future: %+v, and then %s", out, b.StateValue)
	}
}
