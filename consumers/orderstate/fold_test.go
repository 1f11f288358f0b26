package orderstate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millrace/schemas"
)

// at is a moment of the tests' day.
func at(second int) time.Time { return time.Date(2026, 3, 30, 14, 30, second, 0, time.UTC) }

func amount(t *testing.T, text string) schemas.Money {
	t.Helper()
	m, err := schemas.ParseMoney(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// tell is an event that happened at a second of the day.
func tell(second int, id string, data schemas.OrderEventData) schemas.OrderEvent {
	return schemas.OrderEvent{ID: id, Shop: "acme.myshopify.com", OrderID: "1", At: at(second), Known: at(second), By: "x", Data: data}
}

func version(second int, status string) schemas.OrderVersion {
	return schemas.OrderVersion{UpdatedAt: at(second), FinancialStatus: status}
}

func play(t *testing.T, events ...schemas.OrderEvent) (s State, verdicts []Verdict) {
	t.Helper()
	for i := range events {
		var v Verdict
		s, v = Fold(s, &events[i])
		verdicts = append(verdicts, v)
	}
	return s, verdicts
}

func wantVerdicts(t *testing.T, got []Verdict, want ...Verdict) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("verdicts %q, want %q", got, want)
	}
}

func TestTheNewerVersionCountsWhateverComesLast(t *testing.T) {
	s, v := play(t,
		tell(2, "b", &schemas.OrderUpdated{OrderVersion: version(2, "paid")}),
		tell(1, "a", &schemas.OrderCreated{OrderVersion: version(1, "pending")}),
		tell(2, "b", &schemas.OrderUpdated{OrderVersion: version(2, "paid")}),
		tell(3, "c", &schemas.OrderUpdated{OrderVersion: version(2, "refunded")}), // the same second: what was sent later
	)
	wantVerdicts(t, v, Applied, Older, Repeated, Applied)
	if s.Order.FinancialStatus != "refunded" || len(s.Timeline) != 3 || s.Timeline[0].Type != "OrderCreated" {
		t.Errorf("status %q, timeline %+v", s.Order.FinancialStatus, s.Timeline)
	}
}

func TestWhatComesBeforeItsOrderTakesEffectWhenItComes(t *testing.T) {
	refund := &schemas.OrderRefunded{OrderRefund: schemas.OrderRefund{RefundID: "9", Amount: amount(t, "5.00")}}
	s, v := play(t,
		tell(3, "r", refund),
		tell(2, "p", &schemas.PaymentProcessed{Effect: schemas.Effect{Effect: "charge:1"}, Amount: amount(t, "12.50")}),
	)
	wantVerdicts(t, v, Waits, Waits)
	if !s.Waiting() {
		t.Error("a refund without its order does not wait")
	}
	last := tell(1, "o", &schemas.OrderCreated{OrderVersion: version(1, "paid")})
	s, last1 := Fold(s, &last)
	if last1 != Applied || s.Waiting() || len(s.Refunds) != 1 || len(s.Payments) != 1 {
		t.Errorf("after the order: %s, waiting %v, %s", last1, s.Waiting(), s.Text())
	}
	// A service is faster than the translation as often as not: that is no reason to wait for anything.
	s, _ = play(t, tell(1, "i", &schemas.InventoryReserved{Effect: schemas.Effect{Effect: "reserve:1"}}))
	if s.Waiting() {
		t.Error("a reservation without its order waits")
	}
}

func TestDeletedAndCancelledStay(t *testing.T) {
	cancelled := version(2, "voided")
	cancelled.CancelledAt, cancelled.CancelReason = at(2), "fraud"
	s, v := play(t,
		tell(9, "d", &schemas.OrderDeleted{}),
		tell(2, "c", &schemas.OrderCancelled{OrderVersion: cancelled}),
		tell(3, "u", &schemas.OrderUpdated{OrderVersion: version(3, "paid")}), // a body without the cancellation
		tell(10, "d2", &schemas.OrderDeleted{}),
	)
	wantVerdicts(t, v, Applied, Applied, Applied, Older)
	if s.Deleted == nil || !s.Deleted.At.Equal(at(9)) || s.Cancelled == nil || s.Cancelled.Reason != "fraud" || s.Waiting() {
		t.Errorf("%s", s.Text())
	}
}

func TestOneEffectIsOneHoweverManyTellOfIt(t *testing.T) {
	reserve := schemas.Effect{Effect: "reserve:acme.myshopify.com:1"}
	s, v := play(t,
		tell(2, "by the saga", &schemas.InventoryReserved{Effect: reserve}),
		tell(1, "by the service", &schemas.InventoryReserved{Effect: reserve}),
		tell(3, "again", &schemas.InventoryReserved{Effect: reserve}),
		tell(4, "released", &schemas.InventoryReleased{Effect: schemas.Effect{Effect: "release:acme.myshopify.com:1:cancelled"}}),
	)
	wantVerdicts(t, v, Waits, Waits, Repeated, Waits)
	if len(s.Stock) != 2 || !s.Stock[1].Stamp.At.Equal(at(1)) {
		t.Errorf("stock %+v, want the reservation as it was told of first, and its release", s.Stock)
	}
}

func TestPartsKeepTheirOwnVersions(t *testing.T) {
	sent := func(id, status string, second int) schemas.OrderFulfillment {
		return schemas.OrderFulfillment{FulfillmentID: id, Status: status, UpdatedAt: at(second)}
	}
	o := version(9, "paid")
	o.Fulfillments = []schemas.OrderFulfillment{sent("f", "success", 5)}
	o.Refunds = []schemas.OrderRefund{{RefundID: "r", CreatedAt: at(4), Amount: amount(t, "1.00")}}
	s, v := play(t,
		tell(6, "a", &schemas.FulfillmentRecorded{OrderFulfillment: sent("f", "cancelled", 6)}),
		tell(9, "b", &schemas.OrderUpdated{OrderVersion: o}), // newer than all, but what it has of the fulfilment is older
		tell(4, "c", &schemas.OrderRefunded{OrderRefund: schemas.OrderRefund{RefundID: "r", CreatedAt: at(4)}}),
		tell(7, "d", &schemas.ERPSynced{Document: "order/1", Version: at(9), DocumentID: "new"}),
		tell(8, "e", &schemas.ERPSynced{Document: "order/1", Version: at(5), DocumentID: "old"}),
	)
	wantVerdicts(t, v, Waits, Applied, Older, Applied, Older)
	if s.Fulfillments[0].Status != "cancelled" || s.Refunds[0].Amount.String() != "1.00" || s.Documents[0].DocumentID != "new" {
		t.Errorf("%s", s.Text())
	}
	if s.Order.Refunds != nil || s.Order.Fulfillments != nil {
		t.Errorf("the order has its parts twice: %s", s.Text())
	}
}

func TestAShipmentNeverGoesBack(t *testing.T) {
	status := func(second int, status string, parcels ...schemas.Tracking) schemas.OrderEvent {
		return tell(second, status, &schemas.TrackingUpdated{ShipmentID: "s", Status: status, Tracking: parcels})
	}
	s, _ := play(t,
		status(3, "delivered", schemas.Tracking{Number: "new"}),
		tell(1, "start", &schemas.FulfillmentStarted{ShipmentID: "s", Lines: []schemas.StockLine{{VariantID: "7", Quantity: 1}}, Tracking: []schemas.Tracking{{Number: "old"}}}),
		status(2, "shipped"),
		tell(4, "never began", &schemas.ShipmentCancelled{}),
	)
	if k := s.Shipments[0]; len(s.Shipments) != 1 || k.Status != "delivered" || k.Tracking[0].Number != "new" || len(k.Lines) != 1 {
		t.Errorf("shipments %+v", s.Shipments)
	}
	one, _ := play(t, status(1, "lost"), status(2, "found"))
	other, _ := play(t, status(2, "found"), status(1, "lost"))
	if diff := cmp.Diff(string(one.Text()), string(other.Text())); diff != "" {
		t.Errorf("statuses of another program depend on the order of arrival:\n%s", diff)
	}
}

func TestWhatIsProvisionalIsSoUntilItsServiceHasDoneItsPart(t *testing.T) {
	syncing := tell(1, "p", &schemas.ServiceProvisional{Service: "erp", State: "syncing"})
	synced := tell(2, "s", &schemas.ERPSynced{Document: "order/1", Version: at(0)})
	for name, events := range map[string][]schemas.OrderEvent{
		"in order": {syncing, synced}, "out of order": {synced, syncing},
		"by word": {syncing, tell(2, "s", &schemas.ServiceSettled{Service: "erp"})},
	} {
		if s, _ := play(t, events...); len(s.Provisional()) != 0 {
			t.Errorf("%s: %+v is provisional", name, s.Provisional())
		}
	}
	s, _ := play(t, syncing, tell(2, "i", &schemas.InventoryReserved{}))
	if p := s.Provisional(); len(p) != 1 || p[0].Service != "erp" || p[0].State != "syncing" {
		t.Errorf("provisional %+v, want erp: syncing", p)
	}
}

func TestASagaStandsWhereItsHighestNumberSays(t *testing.T) {
	ref := func(seq int64) schemas.SagaRef { return schemas.SagaRef{Saga: "order", Seq: seq} }
	step := func(seq int64, name string, back bool) schemas.SagaStep {
		return schemas.SagaStep{SagaRef: ref(seq), Step: name, Compensation: back}
	}
	events := []schemas.OrderEvent{
		tell(1, "1", &schemas.SagaStarted{SagaRef: ref(1), Steps: []string{"reserve", "charge"}}),
		tell(1, "2", &schemas.StepRequested{SagaStep: step(2, "reserve", false)}),
		tell(1, "3", &schemas.StepCompleted{SagaStep: step(3, "reserve", false)}),
		tell(1, "4", &schemas.StepFailed{SagaStep: step(4, "charge", false), Class: "permanent", Error: "declined"}),
		tell(1, "5", &schemas.SagaCompensating{SagaRef: ref(5)}),
		tell(1, "6", &schemas.StepCompleted{SagaStep: step(6, "reserve", true)}),
		tell(0, "7", &schemas.SagaCompensated{SagaRef: ref(7)}), // a clock that is behind changes nothing
	}
	s, _ := play(t, events...)
	slices.Reverse(events)
	back, _ := play(t, events...)
	if diff := cmp.Diff(string(s.Text()), string(back.Text())); diff != "" {
		t.Errorf("backwards:\n%s", diff)
	}
	k := s.Sagas[0]
	got := []string{k.Status, strings.Join(k.Plan, ",")}
	for _, st := range k.Steps {
		word := st.Step + " " + st.Status + " " + st.Error
		if st.Compensation {
			word = "undo " + word
		}
		got = append(got, strings.TrimSpace(word))
	}
	want := []string{"compensated", "reserve,charge", "charge failed permanent declined", "reserve done", "undo reserve done"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("saga (-want +got):\n%s", diff)
	}
}

func TestTheCustomersAddressIsNotInTheState(t *testing.T) {
	v := version(1, "paid")
	v.Contact = &schemas.OrderContact{Email: "jon@example.com", Address: &schemas.Address{City: "Shippington"}}
	s, _ := play(t, tell(1, "a", &schemas.OrderCreated{OrderVersion: v}))
	if text := string(s.Text()); strings.Contains(text, "jon@") || strings.Contains(text, "Shippington") {
		t.Errorf("state %s", text)
	}
	if v.Contact == nil {
		t.Error("the event has lost its contact")
	}
}

func TestAStateOfANewerProgramIsRefused(t *testing.T) {
	s, _ := play(t, tell(1, "a", &schemas.OrderDeleted{}))
	back, err := Read(s.Text())
	if err != nil || string(back.Text()) != string(s.Text()) {
		t.Errorf("read back %s, %v", back.Text(), err)
	}
	for _, text := range []string{`{"v":2}`, `{"v":1`} {
		if _, err := Read([]byte(text)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}
