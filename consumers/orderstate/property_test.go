package orderstate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/schemas"
)

// TestAnyOrderOfArrivalWithAnyRepeatsGivesTheSameState makes up the events of an order, of few kinds, times and names so that they meet
// often, and folds them in the order in which they happened, and in any other, with repeats, and with a snapshot read back somewhere in between.
func TestAnyOrderOfArrivalWithAnyRepeatsGivesTheSameState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(rapid.SampledFrom(schemas.OrderEventTypes()), 1, 5).Draw(t, "kinds")
		event := rapid.Custom(func(t *rapid.T) schemas.OrderEvent { return anyEvent(t, rapid.SampledFrom(kinds).Draw(t, "kind").Name) })
		events := rapid.SliceOfN(event, 1, 30).Draw(t, "events")
		for i := range events {
			events[i].ID = fmt.Sprintf("e%d", i)
		}
		want := foldAll(events, -1)
		arrival := slices.Concat(events, rapid.SliceOfN(rapid.SampledFrom(events), 0, 20).Draw(t, "repeats"))
		arrival = rapid.Permutation(arrival).Draw(t, "arrival")
		snapshot := rapid.IntRange(0, len(arrival)).Draw(t, "snapshot")
		if got := foldAll(arrival, snapshot); string(got) != string(want) {
			t.Fatalf("the state depends on the order of arrival:\n%s\n%s", want, got)
		}
	})
}

func foldAll(events []schemas.OrderEvent, snapshot int) []byte {
	s := State{V: stateVersion}
	for i := range events {
		if i == snapshot {
			var err error
			if s, err = Read(s.Text()); err != nil {
				panic(err)
			}
		}
		s, _ = Fold(s, &events[i])
	}
	return s.Text()
}

func anyEvent(t *rapid.T, kind string) schemas.OrderEvent {
	at := func(label string) time.Time {
		return time.Date(2026, 3, 30, 14, 30, rapid.IntRange(0, 5).Draw(t, label), 0, time.UTC)
	}
	word := func(label string, words ...string) string { return rapid.SampledFrom(words).Draw(t, label) }
	id := func() string { return word("id", "1", "2", "3") }
	money := func() schemas.Money {
		m, err := schemas.ParseMoney(word("amount", "1.00", "2.50", "100"))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	refund := func() schemas.OrderRefund {
		return schemas.OrderRefund{RefundID: id(), CreatedAt: at("created"), Amount: money()}
	}
	fulfillment := func() schemas.OrderFulfillment {
		return schemas.OrderFulfillment{FulfillmentID: id(), Status: word("status", "success", "cancelled"), UpdatedAt: at("updated"), Tracking: []schemas.Tracking{{Number: id()}}}
	}
	version := func() schemas.OrderVersion {
		v := schemas.OrderVersion{UpdatedAt: at("updated"), FinancialStatus: word("paid", "paid", "pending"), TotalPrice: money()}
		if rapid.Bool().Draw(t, "cancelled") {
			v.CancelledAt = at("cancelled at")
		}
		if rapid.Bool().Draw(t, "parts") {
			v.Refunds, v.Fulfillments = []schemas.OrderRefund{refund()}, []schemas.OrderFulfillment{fulfillment()}
		}
		return v
	}
	effect := func() schemas.Effect { return schemas.Effect{Effect: id()} }
	saga := func() schemas.SagaRef {
		return schemas.SagaRef{Saga: word("saga", "order", "return"), Seq: rapid.Int64Range(1, 4).Draw(t, "seq")}
	}
	step := func() schemas.SagaStep {
		return schemas.SagaStep{SagaRef: saga(), Step: word("step", "reserve", "charge"), Compensation: rapid.Bool().Draw(t, "compensation")}
	}
	lines := func() []schemas.StockLine { return []schemas.StockLine{{VariantID: id(), Quantity: 1}} }
	parcels := func() []schemas.Tracking { return []schemas.Tracking{{Number: id()}} }
	var data schemas.OrderEventData
	switch kind {
	case schemas.TypeOrderCreated:
		data = &schemas.OrderCreated{OrderVersion: version()}
	case schemas.TypeOrderCancelled:
		data = &schemas.OrderCancelled{OrderVersion: version()}
	case schemas.TypeOrderEdited:
		data = &schemas.OrderEdited{EditID: id(), CommittedAt: at("edited")}
	case schemas.TypeOrderDeleted:
		data = &schemas.OrderDeleted{}
	case schemas.TypeOrderRefunded:
		data = &schemas.OrderRefunded{OrderRefund: refund()}
	case schemas.TypeTransactionRecorded:
		data = &schemas.TransactionRecorded{TransactionID: id(), Status: word("status", "success", "failure")}
	case schemas.TypeFulfillmentRecorded:
		data = &schemas.FulfillmentRecorded{OrderFulfillment: fulfillment()}
	case schemas.TypeShopEventRecorded:
		data = &schemas.ShopEventRecorded{Topic: "disputes/create"}
	case schemas.TypeInventoryReserved:
		data = &schemas.InventoryReserved{Effect: effect(), Lines: lines()}
	case schemas.TypeInventoryReleased:
		data = &schemas.InventoryReleased{Effect: effect(), Lines: lines()}
	case schemas.TypeFulfillmentStarted:
		data = &schemas.FulfillmentStarted{Effect: effect(), ShipmentID: id(), Lines: lines(), Tracking: parcels()}
	case schemas.TypeTrackingUpdated:
		data = &schemas.TrackingUpdated{ShipmentID: id(), Status: word("status", "shipped", "delivered", "lost", "found"), Tracking: parcels()}
	case schemas.TypeShipmentCancelled:
		data = &schemas.ShipmentCancelled{Effect: effect(), ShipmentID: id()}
	case schemas.TypeERPSynced:
		data = &schemas.ERPSynced{Effect: effect(), Document: "order/1", Version: at("version"), DocumentID: id()}
	case schemas.TypeConfirmationSent:
		data = &schemas.ConfirmationSent{Effect: effect(), Kind: id()}
	case schemas.TypeServiceProvisional:
		data = &schemas.ServiceProvisional{Service: word("service", "erp", "payment"), State: id()}
	case schemas.TypeServiceSettled:
		data = &schemas.ServiceSettled{Service: word("service", "erp", "payment")}
	case schemas.TypeOrderAwaited:
		data = &schemas.OrderAwaited{For: schemas.TypeOrderRefunded}
	case schemas.TypePaymentProcessed:
		data = &schemas.PaymentProcessed{Effect: effect(), ChargeID: id(), Amount: money()}
	case schemas.TypePaymentRefunded:
		data = &schemas.PaymentRefunded{Effect: effect(), Amount: money()}
	case schemas.TypeSagaStarted:
		data = &schemas.SagaStarted{SagaRef: saga(), Steps: []string{id()}}
	case schemas.TypeStepRequested:
		data = &schemas.StepRequested{SagaStep: step()}
	case schemas.TypeStepCompleted:
		data = &schemas.StepCompleted{SagaStep: step()}
	case schemas.TypeStepFailed:
		data = &schemas.StepFailed{SagaStep: step(), Class: id()}
	case schemas.TypeSagaCompensating:
		data = &schemas.SagaCompensating{SagaRef: saga()}
	case schemas.TypeSagaParked, schemas.TypeSagaAborted, schemas.TypeSagaCompleted, schemas.TypeSagaCompensated:
		data = &schemas.SagaParked{SagaRef: saga()}
	default:
		data = &schemas.OrderUpdated{OrderVersion: version()}
	}
	return schemas.OrderEvent{Shop: "acme.myshopify.com", OrderID: "1", At: at("at"), By: word("by", "shop", "saga"), Data: data}
}

// TestALifeAsLongAsItLikesIsBounded folds far more events than a state remembers, shuffled and each twice.
func TestALifeAsLongAsItLikesIsBounded(t *testing.T) {
	var events []schemas.OrderEvent
	for i := range 1000 {
		events = append(events, schemas.OrderEvent{
			ID: fmt.Sprint(i), Shop: "acme.myshopify.com", OrderID: "1", By: "shop", At: time.Unix(int64(i/3), 0).UTC(),
			Data: &schemas.OrderUpdated{OrderVersion: schemas.OrderVersion{UpdatedAt: time.Unix(int64(i/7), 0).UTC()}},
		})
	}
	want := foldAll(events, -1)
	twice := slices.Concat(events, events)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
	if got := foldAll(twice, 700); string(got) != string(want) {
		t.Errorf("shuffled:\n%s\nin order:\n%s", got, want)
	}
	if len(want) > 4000 {
		t.Errorf("the state has %d bytes", len(want))
	}
}
