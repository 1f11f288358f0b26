package reports

import (
	"time"

	"github.com/shopspring/decimal"
)

// Throughput is how many events were received per point and Shopify topic.
type Throughput struct {
	Step  int64   `json:"step"`  // seconds per point
	Times []int64 `json:"times"` // beginning of each point, seconds since 1970
	// Series has one entry per topic, the busiest first; beyond the limit the rest is one entry named Others.
	Series []TopicSeries `json:"series"`
	Total  uint64        `json:"total"`
}

// Others is the name under which a series gathers what is beyond its limit.
const Others = "others"

// TopicSeries is one topic's part of Throughput.
type TopicSeries struct {
	Topic  string   `json:"topic"`
	Total  uint64   `json:"total"`
	Counts []uint64 `json:"counts"` // per point
}

// Totals are the figures of one range. Amounts are per currency and never added across currencies.
type Totals struct {
	Events             uint64           `json:"events"`        // received
	Orders             uint64           `json:"orders"`        // created, without test orders
	Cancellations      uint64           `json:"cancellations"` // of those orders, the ones cancelled since
	Refunds            uint64           `json:"refunds"`       // made in the range, whatever order they are of
	NewCustomers       uint64           `json:"new_customers"` // whose first order is in the range
	ReturningCustomers uint64           `json:"returning_customers"`
	Currencies         []CurrencyTotals `json:"currencies"` // most orders first
	AsOf               *time.Time       `json:"as_of"`      // of long ranges over all shops: when orders and amounts were added up; null: now
}

// CurrencyTotals are the amounts of one currency.
type CurrencyTotals struct {
	Currency string          `json:"currency"`
	Orders   uint64          `json:"orders"`
	Gross    decimal.Decimal `json:"gross"`
	Net      decimal.Decimal `json:"net"`
	Average  decimal.Decimal `json:"average"` // gross per order, half to even at the fourth decimal; 0 without orders
	Refunded decimal.Decimal `json:"refunded"`
}

// Sales are orders and revenue per point.
type Sales struct {
	Step   int64         `json:"step"`
	Times  []int64       `json:"times"`
	Series []SalesSeries `json:"series"`
	AsOf   *time.Time    `json:"as_of"` // as that of Totals
}

// SalesSeries is one currency's part of Sales, or that of one shop and currency.
type SalesSeries struct {
	Shop     string            `json:"shop,omitempty"` // empty where the series is of all shops asked for
	Currency string            `json:"currency"`
	Total    uint64            `json:"total"`  // orders
	Orders   []uint64          `json:"orders"` // per point, as the following
	Gross    []decimal.Decimal `json:"gross"`
	Net      []decimal.Decimal `json:"net"`
}

// Product is one product's sales in a range, in one currency.
type Product struct {
	Shop      string          `json:"shop"`
	ProductID uint64          `json:"product_id,string"` // 0 for lines without a product
	Title     string          `json:"title"`
	SKU       string          `json:"sku"` // one of them, where the product has several
	Currency  string          `json:"currency"`
	Orders    uint64          `json:"orders"`
	Units     int64           `json:"units"`
	Revenue   decimal.Decimal `json:"revenue"`
}

// Delays are how long events took, in seconds, of those received in the range.
type Delays struct {
	Step    int64      `json:"step"`
	Times   []int64    `json:"times"`
	Receive DelayStage `json:"receive"` // from Shopify's triggered-at to the receipt
	Insert  DelayStage `json:"insert"`  // from the receipt to the row in ClickHouse
}

// DelayStage is one stage of Delays. A point without events is null.
type DelayStage struct {
	All Quantiles  `json:"all"` // of the whole range
	P50 []*float64 `json:"p50"`
	P95 []*float64 `json:"p95"`
	P99 []*float64 `json:"p99"`
}

// Quantiles of a range; null without events.
type Quantiles struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}

// Shop is one entry of the picker.
type Shop struct {
	Shop   string `json:"shop"`
	Events uint64 `json:"events"` // stored, at all times
}

// Place names one stored event: its record in Kafka.
type Place struct {
	Topic     string `json:"topic"`
	Partition uint32 `json:"partition"`
	Offset    uint64 `json:"offset,string"`
}

// Event is one stored event without its body. Ids are text, since they do not fit the numbers of JavaScript.
type Event struct {
	Place
	ID           string    `json:"id"` // webhook id
	Shop         string    `json:"shop"`
	ShopifyTopic string    `json:"shopify_topic"`
	EntityKind   string    `json:"entity_kind"`
	EntityID     string    `json:"entity_id"`
	OrderID      uint64    `json:"order_id,string"` // 0 for none
	Name         string    `json:"name"`            // of the order, like #1001
	Triggered    time.Time `json:"triggered"`
	Received     time.Time `json:"received"`
	Inserted     time.Time `json:"inserted"`
	BodyBytes    uint64    `json:"body_bytes"`
}

// EventQuery chooses events; all that is set must hold.
type EventQuery struct {
	Range  Range  // the step is not used; zero for all times
	Shop   string // exact
	Topic  string // Shopify topic, exact
	Search string // webhook id, order id, gid or order name like #1001, each exact
	// Before is the Next of the page before; empty for the newest.
	Before string
	Limit  int // 1 to MaxLimit; 0 for 50
}

// EventPage is the newest events first.
type EventPage struct {
	Events []Event `json:"events"`
	Next   string  `json:"next"` // Before of the next page; empty on the last
}

// EventDetail is one event with its headers and its body.
type EventDetail struct {
	Event
	Type         string `json:"type"`
	ContentType  string `json:"content_type"`
	EventID      string `json:"event_id"`
	APIVersion   string `json:"api_version"`
	PartitionKey string `json:"partition_key"`
	TraceParent  string `json:"trace_parent"`
	Body         string `json:"body"`      // cut at MaxBody bytes
	Truncated    bool   `json:"truncated"` // whether it was
}

// MaxBody is how much of a body is shown.
const MaxBody = 256 << 10

// Entity names whose story is asked for.
type Entity struct {
	Shop string `json:"shop"`
	Kind string `json:"kind"` // order, customer, product …
	ID   string `json:"id"`
}

// Story is everything that is known of one entity, in the order in which it happened.
type Story struct {
	Entity
	Order  *OrderState  `json:"order"` // of an order: how it stands now; null for others, and when no body told
	Events []StoryEvent `json:"events"`
	More   bool         `json:"more"` // there are more events than the limit; shown are the oldest
}

// OrderState is how an order stands.
type OrderState struct {
	Name              string          `json:"name"`
	CustomerID        uint64          `json:"customer_id,string"`
	Currency          string          `json:"currency"`
	Total             decimal.Decimal `json:"total"`         // at first
	CurrentTotal      decimal.Decimal `json:"current_total"` // after edits and refunds
	FinancialStatus   string          `json:"financial_status"`
	FulfillmentStatus string          `json:"fulfillment_status"`
	Test              bool            `json:"test"`
	Created           time.Time       `json:"created"`
	Updated           time.Time       `json:"updated"`
	Cancelled         *time.Time      `json:"cancelled"`
}

// StoryEvent is one event of a story and what the services did with it.
type StoryEvent struct {
	Event
	// Amount is the order's total as this event tells it, with its currency; null where it tells none.
	Amount            *decimal.Decimal `json:"amount"`
	Currency          string           `json:"currency"`
	FinancialStatus   string           `json:"financial_status"`
	FulfillmentStatus string           `json:"fulfillment_status"`
	// Repeat tells that an event with the same webhook id came before: a second delivery.
	Repeat   bool       `json:"repeat"`
	Activity []Activity `json:"activity"`
}

// Activity is one outcome of an event in a service.
type Activity struct {
	Service  string    `json:"service"`
	Outcome  string    `json:"outcome"` // one of schemas.Outcomes
	Class    string    `json:"class"`   // why: of a failure its class, of a skip its reason
	Attempt  uint32    `json:"attempt"`
	Error    string    `json:"error"`
	Note     string    `json:"note"` // what the service says that it did
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Due      time.Time `json:"due"` // of what waits: when the next try is due
}
