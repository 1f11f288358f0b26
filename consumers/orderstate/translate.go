package orderstate

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"millrace/consumers/group"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

const skipNoOrder = "not_about_an_order"

// translator turns the webhooks about orders into events of the event store.
type translator struct {
	contact bool
}

// Handle writes the event that a webhook is.
func (h *translator) Handle(_ context.Context, e *group.Event, u group.UnitOfWork) error {
	if !strings.HasPrefix(e.Subject, "order/") {
		return group.Skip(skipNoOrder)
	}
	data, reason, err := h.translate(e)
	if err != nil {
		return group.Permanent(err)
	}
	fact, err := schemas.NewOrderEvent(&e.Event, schemas.ByShop, e.Time, data)
	if errors.Is(err, schemas.ErrNoOrder) {
		return group.Skip(skipNoOrder)
	}
	if err != nil {
		return group.Permanent(err)
	}
	fact.Reason = reason
	r, err := orderevent.Record(&fact)
	if err != nil {
		return err
	}
	return u.Emit(r)
}

// translate reads a webhook.
func (h *translator) translate(e *group.Event) (data schemas.OrderEventData, reason string, err error) {
	switch e.Topic {
	case "orders/create", "orders/updated", "orders/link_requested", "orders/paid", "orders/cancelled", "orders/partially_fulfilled", "orders/fulfilled":
		return h.order(e)
	case "orders/delete":
		return &schemas.OrderDeleted{}, "", nil
	case "orders/edited":
		b, err := decode[editBody](e.Body)
		if err != nil {
			return nil, "", err
		}
		return b.edited(), "", known(b.Edit.ID)
	case "refunds/create":
		b, err := decode[refundBody](e.Body)
		if err != nil {
			return nil, "", err
		}
		return &schemas.OrderRefunded{OrderRefund: b.refund("")}, "", known(b.ID)
	case "order_transactions/create":
		b, err := decode[transactionBody](e.Body)
		if err != nil {
			return nil, "", err
		}
		return b.recorded(), "", known(b.ID)
	case "fulfillments/create", "fulfillments/update":
		b, err := decode[fulfillmentBody](e.Body)
		if err != nil {
			return nil, "", err
		}
		return &schemas.FulfillmentRecorded{OrderFulfillment: b.fulfillment()}, "", known(b.ID)
	default:
		return other(e), "", nil
	}
}

func known(id schemas.ID) error {
	if id == 0 {
		return errNoID
	}
	return nil
}

// order reads a webhook that has the order as a whole.
func (h *translator) order(e *group.Event) (data schemas.OrderEventData, reason string, err error) {
	b, err := decode[orderBody](e.Body)
	if err != nil {
		return nil, "", err
	}
	v := b.version(h.contact)
	switch e.Topic {
	case "orders/create":
		return &schemas.OrderCreated{OrderVersion: v}, "", known(b.ID)
	case "orders/paid":
		return &schemas.PaymentReceived{OrderVersion: v}, "", known(b.ID)
	case "orders/cancelled":
		return &schemas.OrderCancelled{OrderVersion: v}, b.CancelReason, known(b.ID)
	case "orders/partially_fulfilled":
		return &schemas.OrderPartlyFulfilled{OrderVersion: v}, "", known(b.ID)
	case "orders/fulfilled":
		return &schemas.OrderFulfilled{OrderVersion: v}, "", known(b.ID)
	case "orders/link_requested":
		reason = "the customer asked for a link to the order"
	}
	return &schemas.OrderUpdated{OrderVersion: v}, reason, known(b.ID)
}

// other is a webhook about an order of a kind that this program has no words for. Whatever it holds, it is noted.
func other(e *group.Event) *schemas.ShopEventRecorded {
	data := &schemas.ShopEventRecorded{Topic: e.Topic}
	if b, err := decode[otherBody](e.Body); err == nil {
		data.ResourceID, data.Status = short(b.ID), short(b.Status)
		if data.Status == "" {
			data.Status = short(b.Risk)
		}
	}
	return data
}

// short is the text of a JSON string or number of a sensible length, else nothing.
func short(raw json.RawMessage) string {
	const most = 64
	if len(raw) == 0 || len(raw) > most || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' {
		return string(raw)
	}
	return ""
}
