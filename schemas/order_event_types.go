package schemas

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// OrderEventSpec is one type of event in the event store.
type OrderEventSpec struct {
	Name    string
	Version uint32 // of its data, as this program writes it
	By      string // who tells: the shop, a service, a saga
	Content string // what it says, for documentation
	New     func() OrderEventData

	upcasts []upcast // the one at i brings version i+1 to i+2
}

// upcast turns the data of one version into that of the next. It works on the JSON, so that it stays as it is when the Go types move on.
type upcast func(json.RawMessage) (json.RawMessage, error)

// OrderEventTypes returns every type of event, in the order of the documentation. The table in README.md is made from it.
func OrderEventTypes() []OrderEventSpec {
	return slices.Concat(shopEventTypes(), serviceEventTypes(), sagaEventTypes())
}

func shopEventTypes() []OrderEventSpec {
	const by = ByShop
	return []OrderEventSpec{
		orderEvent(by, "a new order, as a whole", func() OrderEventData { return new(OrderCreated) }),
		orderEvent(by, "a newer version of the order", func() OrderEventData { return new(OrderUpdated) }),
		orderEvent(by, "the shop has all of the money; with the order", func() OrderEventData { return new(PaymentReceived) }),
		orderEvent(by, "the shop has cancelled it; with the order", func() OrderEventData { return new(OrderCancelled) }),
		orderEvent(by, "some goods were sent; with the order", func() OrderEventData { return new(OrderPartlyFulfilled) }),
		orderEvent(by, "all goods were sent; with the order", func() OrderEventData { return new(OrderFulfilled) }),
		orderEvent(by, "positions were added or taken out", func() OrderEventData { return new(OrderEdited) }),
		orderEvent(by, "the shop has removed it, for good", func() OrderEventData { return new(OrderDeleted) }),
		orderEvent(by, "money, goods or both went back", func() OrderEventData { return new(OrderRefunded) }),
		orderEvent(by, "money moved at the shop's gateway, or failed to", func() OrderEventData { return new(TransactionRecorded) }),
		orderEvent(by, "a fulfilment of the shop was made or has changed", func() OrderEventData { return new(FulfillmentRecorded) }, trackingAsList),
		orderEvent(by, "any other webhook about the order", func() OrderEventData { return new(ShopEventRecorded) }),
	}
}

func serviceEventTypes() []OrderEventSpec {
	const by = "services"
	return []OrderEventSpec{
		orderEvent(by, "stock is kept for it", func() OrderEventData { return new(InventoryReserved) }),
		orderEvent(by, "stock is no longer kept; no lines: all of it", func() OrderEventData { return new(InventoryReleased) }),
		orderEvent(by, "a carrier has taken a shipment on", func() OrderEventData { return new(FulfillmentStarted) }),
		orderEvent(by, "a shipment has another status or other parcels", func() OrderEventData { return new(TrackingUpdated) }),
		orderEvent(by, "a shipment was called back", func() OrderEventData { return new(ShipmentCancelled) }),
		orderEvent(by, "the ERP has this version of `order/<id>` or `customer/<id>`", func() OrderEventData { return new(ERPSynced) }),
		orderEvent(by, "a mail to the customer has left", func() OrderEventData { return new(ConfirmationSent) }),
		orderEvent(by, "a service could not do its part and the order goes on: not final", func() OrderEventData { return new(ServiceProvisional) }),
		orderEvent(by, "what was provisional is no longer", func() OrderEventData { return new(ServiceSettled) }),
		orderEvent("orderstate", "something came before the order itself", func() OrderEventData { return new(OrderAwaited) }),
	}
}

func sagaEventTypes() []OrderEventSpec {
	const by = "saga"
	return []OrderEventSpec{
		orderEvent(by, "a run begins", func() OrderEventData { return new(SagaStarted) }),
		orderEvent(by, "a step, or its compensation, is next", func() OrderEventData { return new(StepRequested) }),
		orderEvent(by, "it is done", func() OrderEventData { return new(StepCompleted) }),
		orderEvent(by, "it could not be done", func() OrderEventData { return new(StepFailed) }),
		orderEvent(by, "the payment gateway has taken the money", func() OrderEventData { return new(PaymentProcessed) }),
		orderEvent(by, "the payment gateway has given money back", func() OrderEventData { return new(PaymentRefunded) }),
		orderEvent(by, "from here on what was done is undone", func() OrderEventData { return new(SagaCompensating) }),
		orderEvent(by, "every step is done", func() OrderEventData { return new(SagaCompleted) }),
		orderEvent(by, "all that was done is undone", func() OrderEventData { return new(SagaCompensated) }),
		orderEvent(by, "a compensation failed for good: a person has to look", func() OrderEventData { return new(SagaParked) }),
		orderEvent(by, "a person has ended it", func() OrderEventData { return new(SagaAborted) }),
		orderEvent(by, "the customer is to be told", func() OrderEventData { return new(ConfirmationRequested) }),
		orderEvent("a person", "what waits or is parked is to be tried now", func() OrderEventData { return new(SagaRetryRequested) }),
		orderEvent("a person", "the run is to end", func() OrderEventData { return new(SagaAbortRequested) }),
	}
}

// orderEvent is a type whose data has had as many versions as there are upcasts, and one.
func orderEvent(by, content string, data func() OrderEventData, upcasts ...upcast) OrderEventSpec {
	spec := OrderEventSpec{Name: data().eventType(), Version: 1, By: by, Content: content, New: data, upcasts: upcasts}
	for range upcasts {
		spec.Version++
	}
	return spec
}

// orderEventIndex finds types by name. It is read-only once it is made.
//
//nolint:gochecknoglobals // immutable lookup table, as index
var orderEventIndex = sync.OnceValue(func() map[string]OrderEventSpec {
	byName := map[string]OrderEventSpec{}
	for _, t := range OrderEventTypes() {
		byName[t.Name] = t
	}
	return byName
})

// trackingAsList brings FulfillmentRecorded from version 1, which knew one parcel, to 2, which has a list of them.
func trackingAsList(data json.RawMessage) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	parcel := map[string]json.RawMessage{}
	for name, value := range fields {
		if short, ok := strings.CutPrefix(name, "tracking_"); ok {
			parcel[short] = value
			delete(fields, name)
		}
	}
	if len(parcel) > 0 {
		list, err := json.Marshal([]any{parcel})
		if err != nil {
			return nil, err
		}
		fields["tracking"] = list
	}
	return json.Marshal(fields)
}
