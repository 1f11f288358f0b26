package schemas

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// OrderEventsTopic is the event store: everything that happened to orders, as facts that are never changed. Its key is that of the
// order's webhooks, <shop>|order/<id>, and it has as many partitions as the domains' topics, so all of one order is in one partition,
// in the order in which it was written. It is never compacted, and its retention is a setting of its own.
//
// Its records are events like any other: a webhook's headers, but for the type and the missing ce_shopifytopic. The value is JSON, see
// OrderEventFields.
const OrderEventsTopic = "millrace.order_events"

const (
	orderEventTypePrefix  = "com.millrace.order." // of ce_type
	orderEventTopicPrefix = "order/"              // of Event.Topic; Shopify has no topic of this form, see isOrderEventName
	orderSubjectPrefix    = "order/"
)

// OrderEvent is one event of an order: a fact, in the words of this program and not of Shopify.
type OrderEvent struct {
	ID      string    // ce_id: made of what caused it, so a repeat has the same
	Shop    string    // <name>.myshopify.com
	OrderID string    // as in the key: order/<OrderID>
	At      time.Time // when it happened
	Known   time.Time // when millrace came to know: of what a webhook brought its receipt, of anything else At
	By      string    // who did it: the name of a service, ByShop or ByOperator
	Cause   string    // ce_id of the event that led to it
	Reason  string    // why, for people; may be empty
	Trace   string    // W3C trace context, may be empty
	Data    OrderEventData
}

// Values of OrderEvent.By beside the names of services.
const (
	ByShop     = "shop"     // a webhook told it
	ByOperator = "operator" // a person wanted it, with a command
)

// OrderEventData is what an event says: a pointer to one of the types that OrderEventTypes lists.
type OrderEventData interface {
	eventType() string
}

// discriminated is data of which one cause may bring several: the text tells them apart.
type discriminated interface {
	discriminator() string
}

// Errors of reading and making events of orders.
var (
	// ErrNotOrderEvent: the record is none, or it is broken.
	ErrNotOrderEvent = errors.New("not an event of an order")
	// ErrNewerOrderEvent: a newer program wrote it, with a type or a version that this one does not know. It must be kept until
	// this program is updated.
	ErrNewerOrderEvent = errors.New("event of an order from a newer program")
	// ErrNoOrder: what caused it is not about an order.
	ErrNoOrder = errors.New("not about an order")
)

// maxCauseBytes bounds the part of an id that repeats the cause's: the chain of a long saga would grow with each step.
const maxCauseBytes = 96

// NewOrderEvent makes the event that by tells of the order that cause is about. Its id is <cause>/<by>/<type>, with one more part where
// one cause may bring several of a type; handled again, the same cause gives the same id. Where cause is a webhook that is only
// translated, by is ByShop and at is the webhook's time.
//
// The error wraps ErrNoOrder.
func NewOrderEvent(cause *Event, by string, at time.Time, data OrderEventData) (OrderEvent, error) {
	order, ok := strings.CutPrefix(cause.Subject, orderSubjectPrefix)
	if !ok || order == "" {
		return OrderEvent{}, fmt.Errorf("%w: %s of %q", ErrNoOrder, data.eventType(), cause.Subject)
	}
	id := cause.ID
	if len(id) > maxCauseBytes {
		sum := sha256.Sum256([]byte(id))
		id = hex.EncodeToString(sum[:16])
	}
	id += "/" + by + "/" + data.eventType()
	if d, ok := data.(discriminated); ok {
		if text := d.discriminator(); text != "" {
			id += "/" + text
		}
	}
	e := OrderEvent{ID: id, Shop: cause.Shop, OrderID: order, At: at.UTC(), By: by, Cause: cause.ID, Trace: cause.TraceParent, Data: data}
	e.Known = e.At
	if by == ByShop {
		e.Known = cause.Received
	}
	return e, nil
}

// Type is the name of the event's type, e.g. OrderCreated.
func (e *OrderEvent) Type() string { return e.Data.eventType() }

// Key is the record's key.
func (e *OrderEvent) Key() string { return e.Shop + "|" + orderSubjectPrefix + e.OrderID }

// Event returns the metadata of the event's record, for AppendHeaders.
func (e *OrderEvent) Event() Event {
	return Event{
		ID: e.ID, Shop: e.Shop, Topic: OrderEventTopic(e.Type()), Subject: orderSubjectPrefix + e.OrderID, Time: e.At, Received: e.Known,
		ContentType: "application/json", PartitionKey: e.Key(), TraceParent: e.Trace,
	}
}

// OrderEventTopic returns what Event.Topic is for a type of event: OrderCreated gives order/OrderCreated.
func OrderEventTopic(eventType string) string { return orderEventTopicPrefix + eventType }

// OrderEventType is the inverse of OrderEventTopic; ok is false for any other topic.
func OrderEventType(topic string) (eventType string, ok bool) {
	name, ok := strings.CutPrefix(topic, orderEventTopicPrefix)
	if !ok || !isOrderEventName(name) {
		return "", false
	}
	return name, true
}

// OrderEventTopicOf returns the topic that a CloudEvents type stands for, for whoever looks at headers one by one; ok is false for the type of
// a webhook, which has its topic in a header of its own.
func OrderEventTopicOf(ceType string) (topic string, ok bool) {
	name, ok := strings.CutPrefix(ceType, orderEventTypePrefix)
	if !ok || !isOrderEventName(name) {
		return "", false
	}
	return OrderEventTopic(name), true
}

// isOrderEventName tells names of types of events from the second half of a Shopify topic: they begin with a capital letter. The receiver
// writes topics in lower case, so no delivery can pass for an event of ours.
func isOrderEventName(s string) bool {
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// orderEventHead is the JSON object of a record's value, without its data.
type orderEventHead struct {
	V       uint32    `json:"v"`
	Type    string    `json:"type"`
	OrderID string    `json:"order_id"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Cause   string    `json:"cause"`
	Reason  string    `json:"reason,omitempty"`
}

// orderEventObject is the whole object: its data as text, or in a pointer to the type that they are known to have.
type orderEventObject[T any] struct {
	orderEventHead
	Data T `json:"data"`
}

// OrderEventFields returns the fields of the JSON object, in their order. The table in README.md is made from it.
func OrderEventFields() []HeaderSpec {
	return []HeaderSpec{
		{"v", true, "version of `data` for this type; a reader brings older ones up to date"},
		{"type", true, "what happened: `PaymentProcessed`"},
		{"order_id", true, "id of the order, text"},
		{"at", true, "when it happened; RFC 3339, UTC"},
		{"by", true, "who did it: the name of a service, `shop` for what a webhook told, or `operator` for what a person wanted"},
		{"cause", true, "`ce_id` of the event that led to it"},
		{"reason", false, "why, one sentence for people"},
		{"data", true, "what the type says, below; ids and amounts are text, empty fields are left out"},
	}
}

// EncodeOrderEvent returns the value of the event's record. Its only error is that of data that is not in the catalogue, which is a
// mistake in the program.
func EncodeOrderEvent(e *OrderEvent) ([]byte, error) {
	t, ok := orderEventIndex()[e.Type()]
	if !ok {
		return nil, fmt.Errorf("%w: there is no type %s", ErrNotOrderEvent, e.Type())
	}
	head := orderEventHead{V: t.Version, Type: t.Name, OrderID: e.OrderID, At: e.At, By: e.By, Cause: e.Cause, Reason: e.Reason}
	return marshal(orderEventObject[any]{head, e.Data})
}

// marshal writes JSON with < > & as they are: reasons and tracking addresses are read by people.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// DecodeOrderEvent reads a record of OrderEventsTopic, whose metadata is e, with data of older versions brought up to date. Fields that it
// does not know are passed over. The errors wrap ErrNotOrderEvent or ErrNewerOrderEvent.
func DecodeOrderEvent(e *Event, value []byte) (OrderEvent, error) {
	name, _ := OrderEventType(e.Topic)
	if t, ok := orderEventIndex()[name]; ok && isOfVersion(value, t.Version) {
		// As this program writes it, so one pass over the text will do.
		data := t.New()
		w := orderEventObject[any]{Data: data}
		out, err := parseOrderEvent(e, value, &w, &w.orderEventHead)
		if err != nil || w.Data == nil || w.V != t.Version {
			return OrderEvent{}, cmp.Or(err, fmt.Errorf("%w: data of %s are missing", ErrNotOrderEvent, name))
		}
		out.Data = data
		return out, nil
	}
	var w orderEventObject[json.RawMessage]
	out, err := parseOrderEvent(e, value, &w, &w.orderEventHead)
	if err != nil {
		return OrderEvent{}, err
	}
	if out.Data, err = decodeOrderEventData(w.Type, w.V, w.Data); err != nil {
		return OrderEvent{}, err
	}
	return out, nil
}

// isOfVersion tells, from how it begins, that a value is of a version and has data. Other programs may order the fields as they like.
func isOfVersion(value []byte, version uint32) bool {
	rest, ok := bytes.CutPrefix(value, []byte(`{"v":`))
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	v, err := strconv.ParseUint(string(rest[:n]), 10, 32)
	return ok && err == nil && uint32(v) == version && bytes.Contains(rest, []byte(`"data":{`))
}

// ParseOrderEvent reads what an event says of itself, without its data, and the version of these: of any type and version, also of a newer
// program's. The error wraps ErrNotOrderEvent.
func ParseOrderEvent(e *Event, value []byte) (out OrderEvent, version uint32, err error) {
	var w orderEventHead
	out, err = parseOrderEvent(e, value, &w, &w)
	return out, w.V, err
}

// parseOrderEvent reads a value into object, of which head is a part.
func parseOrderEvent(e *Event, value []byte, object any, head *orderEventHead) (OrderEvent, error) {
	name, ok := OrderEventType(e.Topic)
	if !ok {
		return OrderEvent{}, fmt.Errorf("%w: its topic is %q", ErrNotOrderEvent, e.Topic)
	}
	if err := json.Unmarshal(value, object); err != nil {
		return OrderEvent{}, fmt.Errorf("%w: %w", ErrNotOrderEvent, err)
	}
	switch {
	case head.Type != name:
		return OrderEvent{}, fmt.Errorf("%w: its type is %q in the headers and %q in the value", ErrNotOrderEvent, name, head.Type)
	case e.Subject != orderSubjectPrefix+head.OrderID || head.OrderID == "":
		return OrderEvent{}, fmt.Errorf("%w: its subject is %q and its order %q", ErrNotOrderEvent, e.Subject, head.OrderID)
	case head.At.IsZero():
		return OrderEvent{}, fmt.Errorf("%w: at is missing", ErrNotOrderEvent)
	}
	return OrderEvent{
		ID: e.ID, Shop: e.Shop, OrderID: head.OrderID, At: head.At.UTC(), Known: e.Received, By: head.By, Cause: head.Cause, Reason: head.Reason, Trace: e.TraceParent,
	}, nil
}

func decodeOrderEventData(name string, version uint32, raw json.RawMessage) (OrderEventData, error) {
	t, ok := orderEventIndex()[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: type %s", ErrNewerOrderEvent, name)
	case version > t.Version:
		return nil, fmt.Errorf("%w: version %d of %s, this program knows %d", ErrNewerOrderEvent, version, name, t.Version)
	case version < 1:
		return nil, fmt.Errorf("%w: version %d of %s", ErrNotOrderEvent, version, name)
	}
	for v := version; v < t.Version; v++ {
		var err error
		if raw, err = t.upcasts[v-1](raw); err != nil {
			return nil, fmt.Errorf("%w: bring %s from version %d to %d: %w", ErrNotOrderEvent, name, v, v+1, err)
		}
	}
	data := t.New()
	if len(raw) == 0 {
		return nil, fmt.Errorf("%w: data of %s is missing", ErrNotOrderEvent, name)
	}
	if err := json.Unmarshal(raw, data); err != nil {
		return nil, fmt.Errorf("%w: data of %s: %w", ErrNotOrderEvent, name, err)
	}
	return data, nil
}
