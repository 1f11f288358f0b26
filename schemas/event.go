package schemas

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Names of the Kafka record headers that carry an event's metadata: the CloudEvents 1.0 Kafka protocol binding in binary
// mode (attribute names prefixed with "ce_", the media type in "content-type"), the extensions of ours, and W3C trace
// context. Consumers in any language may rely on them. What they hold is said for webhooks; events of orders (OrderEvent) have
// com.millrace.order.<type> for a type, an id made of their cause's, and no ce_shopifytopic.
const (
	HeaderSpecVersion       = "ce_specversion"       // always "1.0"
	HeaderID                = "ce_id"                // webhook id: the deduplication key
	HeaderType              = "ce_type"              // com.shopify.<topic with dots>, e.g. com.shopify.orders.create
	HeaderSource            = "ce_source"            // /shopify/<shop domain>
	HeaderSubject           = "ce_subject"           // <kind>/<id>, e.g. order/820982911946154508
	HeaderTime              = "ce_time"              // RFC 3339 UTC: triggered-at, else the time of receipt
	HeaderContentType       = "content-type"         // media type of the value, as Shopify sent it
	HeaderShopifyTopic      = "ce_shopifytopic"      // the Shopify topic as sent, e.g. orders/create
	HeaderShopifyEventID    = "ce_shopifyeventid"    // shared by all deliveries of one merchant action: correlation only
	HeaderShopifyAPIVersion = "ce_shopifyapiversion" // version that serialised the body, e.g. 2026-10
	HeaderReceivedTime      = "ce_receivedtime"      // RFC 3339 UTC: when ingest had the whole body
	HeaderPartitionKey      = "ce_partitionkey"      // equals the record key
	HeaderOrigin            = "ce_origin"            // who made the event, where it was not a webhook: reconcile
	HeaderTraceParent       = "traceparent"          // W3C trace context, when the request had one
)

// Headers that a record set aside in shopify.quarantine carries beside its own. The receiver sets the reason alone; a
// consumer that could not use a record also says where the record was.
const (
	HeaderQuarantineReason    = "millrace_quarantine_reason"    // one sentence
	HeaderQuarantineTopic     = "millrace_quarantine_topic"     // Kafka topic the record was read from
	HeaderQuarantinePartition = "millrace_quarantine_partition" // decimal
	HeaderQuarantineOffset    = "millrace_quarantine_offset"    // decimal
)

// OriginReconcile is the origin of an event that `millrace reconcile` made from what a store's Admin API says. Its id is
// reconcile:<Shopify topic>:<gid>:<time of the version>.
const OriginReconcile = "reconcile"

// SpecVersion is the CloudEvents version of every event.
const SpecVersion = "1.0"

const (
	typePrefix   = "com.shopify."
	sourcePrefix = "/shopify/"
	// timeLayout keeps nanoseconds, since triggered-at has them, and a fixed width, so that the text sorts like the time.
	timeLayout = "2006-01-02T15:04:05.000000000Z"
)

// ErrNotAnEvent is returned (wrapped, with the header concerned) by ParseHeaders when the headers are not those of an
// event: a required one is missing or unreadable, or the CloudEvents version is another.
var ErrNotAnEvent = errors.New("not an event")

// Event is the metadata of one webhook delivery, or of one event of an order. The body is the Kafka record's value, byte for byte, and is
// not part of it.
type Event struct {
	ID                string    // webhook id, or a hash of shop, topic and body where Shopify sent none; never empty
	Shop              string    // <name>.myshopify.com, lower case
	Topic             string    // Shopify topic, e.g. orders/create; of an event of an order OrderEventTopic, e.g. order/PaymentProcessed
	Subject           string    // entity, <kind>/<id>, or "shop"
	Time              time.Time // triggered-at, else received
	Received          time.Time
	ContentType       string
	ShopifyEventID    string // may be empty
	ShopifyAPIVersion string // may be empty
	PartitionKey      string // the record key, <shop>|<entity>
	Origin            string // empty: it came as a webhook
	TraceParent       string // may be empty
}

// Type returns the CloudEvents type of a topic: orders/create gives com.shopify.orders.create, order/OrderCreated
// com.millrace.order.OrderCreated.
func Type(topic string) string {
	if name, ok := OrderEventType(topic); ok {
		return orderEventTypePrefix + name
	}
	return typePrefix + strings.ReplaceAll(topic, "/", ".")
}

// Source returns the CloudEvents source of a shop.
func Source(shop string) string { return sourcePrefix + shop }

// header is the shape of a Kafka client's record header; franz-go's kgo.RecordHeader has it as its underlying type.
type header = struct {
	Key   string
	Value []byte
}

// AppendHeaders appends e's headers to dst, in the order of the constants above; optional ones only when set.
// All values share one allocation.
func AppendHeaders[H ~struct {
	Key   string
	Value []byte
}](dst []H, e *Event) []H {
	n := len(SpecVersion) + len(e.ID) + len(orderEventTypePrefix) + 2*len(e.Topic) + len(sourcePrefix) + len(e.Shop) + len(e.Subject) +
		len(e.ContentType) + len(e.ShopifyEventID) + len(e.ShopifyAPIVersion) + len(e.PartitionKey) + len(e.Origin) + len(e.TraceParent) + 2*len(timeLayout)
	buf := make([]byte, 0, n)
	start := 0
	// The capacity of each value is cut at its end: a caller that appends to one must not write into the next.
	end := func(key string) {
		dst = append(dst, H(header{Key: key, Value: buf[start:len(buf):len(buf)]}))
		start = len(buf)
	}
	put := func(key, value string) {
		buf = append(buf, value...)
		end(key)
	}
	optional := func(key, value string) {
		if value != "" {
			put(key, value)
		}
	}
	put(HeaderSpecVersion, SpecVersion)
	put(HeaderID, e.ID)
	name, ours := OrderEventType(e.Topic)
	if ours {
		buf = append(append(buf, orderEventTypePrefix...), name...)
	} else {
		buf = append(buf, typePrefix...)
		for i := range len(e.Topic) {
			c := e.Topic[i]
			if c == '/' {
				c = '.'
			}
			buf = append(buf, c)
		}
	}
	end(HeaderType)
	buf = append(buf, sourcePrefix...)
	put(HeaderSource, e.Shop)
	put(HeaderSubject, e.Subject)
	buf = appendTime(buf, e.Time)
	end(HeaderTime)
	optional(HeaderContentType, e.ContentType)
	if !ours {
		put(HeaderShopifyTopic, e.Topic)
	}
	optional(HeaderShopifyEventID, e.ShopifyEventID)
	optional(HeaderShopifyAPIVersion, e.ShopifyAPIVersion)
	buf = appendTime(buf, e.Received)
	end(HeaderReceivedTime)
	put(HeaderPartitionKey, e.PartitionKey)
	optional(HeaderOrigin, e.Origin)
	optional(HeaderTraceParent, e.TraceParent)
	return dst
}

// ParseHeaders reads what AppendHeaders wrote. Headers it does not know are passed over, so that other programs may add
// theirs; of a repeated header the last counts. All texts share one allocation. Errors wrap ErrNotAnEvent.
func ParseHeaders[H ~struct {
	Key   string
	Value []byte
}](headers []H) (Event, error) {
	n := 0
	for i := range headers {
		n += len(header(headers[i]).Value)
	}
	// Every event of every consumer comes through here, so its dozen texts are cut out of one.
	var all strings.Builder
	all.Grow(n)
	for i := range headers {
		all.Write(header(headers[i]).Value)
	}
	rest := all.String()
	var e Event
	var spec, typ, source, when, received string
	for i := range headers {
		h := header(headers[i])
		var value string
		value, rest = rest[:len(h.Value)], rest[len(h.Value):]
		switch h.Key {
		case HeaderSpecVersion:
			spec = value
		case HeaderID:
			e.ID = value
		case HeaderType:
			typ = value
		case HeaderSource:
			source = value
		case HeaderSubject:
			e.Subject = value
		case HeaderTime:
			when = value
		case HeaderContentType:
			e.ContentType = value
		case HeaderShopifyTopic:
			e.Topic = value
		case HeaderShopifyEventID:
			e.ShopifyEventID = value
		case HeaderShopifyAPIVersion:
			e.ShopifyAPIVersion = value
		case HeaderReceivedTime:
			received = value
		case HeaderPartitionKey:
			e.PartitionKey = value
		case HeaderOrigin:
			e.Origin = value
		case HeaderTraceParent:
			e.TraceParent = value
		}
	}
	var ok bool
	if e.Shop, ok = strings.CutPrefix(source, sourcePrefix); !ok || e.Shop == "" {
		return Event{}, fmt.Errorf("%w: %s is %q, want %s<shop domain>", ErrNotAnEvent, HeaderSource, source, sourcePrefix)
	}
	switch {
	case spec != SpecVersion:
		return Event{}, fmt.Errorf("%w: %s is %q, want %q", ErrNotAnEvent, HeaderSpecVersion, spec, SpecVersion)
	case e.ID == "":
		return Event{}, fmt.Errorf("%w: %s is missing", ErrNotAnEvent, HeaderID)
	}
	var err error
	if e.Topic, err = topicOf(typ, e.Topic); err != nil {
		return Event{}, err
	}
	if e.Time, err = parseTime(HeaderTime, when); err != nil {
		return Event{}, err
	}
	if e.Received, err = parseTime(HeaderReceivedTime, received); err != nil {
		return Event{}, err
	}
	return e, nil
}

// topicOf returns Event.Topic: Shopify's, or of an event of an order, which has none, the one that its type gives.
func topicOf(typ, shopifyTopic string) (string, error) {
	topic, ours := OrderEventTopicOf(typ)
	_, forged := OrderEventType(shopifyTopic)
	switch {
	case ours && shopifyTopic == "":
		return topic, nil
	case shopifyTopic == "":
		return "", fmt.Errorf("%w: %s is missing", ErrNotAnEvent, HeaderShopifyTopic)
	case forged || !isType(typ, shopifyTopic):
		return "", fmt.Errorf("%w: %s %q does not belong to %s %q", ErrNotAnEvent, HeaderType, typ, HeaderShopifyTopic, shopifyTopic)
	default:
		return shopifyTopic, nil
	}
}

// isType tells whether typ is Type(topic), without making that.
func isType(typ, topic string) bool {
	rest, ok := strings.CutPrefix(typ, typePrefix)
	if !ok || len(rest) != len(topic) {
		return false
	}
	for i := range len(rest) {
		if c := topic[i]; c != rest[i] && (c != '/' || rest[i] != '.') {
			return false
		}
	}
	return !strings.Contains(rest, "/")
}

// parseTime reads the value of a time header, "" when there is none.
func parseTime(name, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, fmt.Errorf("%w: %s is missing", ErrNotAnEvent, name)
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %s: %w", ErrNotAnEvent, name, err)
	}
	return t.UTC(), nil
}

// appendTime appends the text of an instant. The years that the text cannot hold are cut off at its ends: triggered-at is
// not signed, and 9999-12-31T23:59:59-05:00 is the year 10000 in UTC, which ParseHeaders would refuse.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	switch {
	case t.Year() > 9999:
		t = time.Date(9999, time.December, 31, 23, 59, 59, 999_999_999, time.UTC)
	case t.Year() < 0:
		t = time.Date(0, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.AppendFormat(dst, timeLayout)
}
