package effects

import "time"

// Kind is what a line tells.
type Kind string

// The kinds of lines. Those before Nothing are effects.
const (
	Reserved          Kind = "reserved"
	Released          Kind = "released"
	Charged           Kind = "charged"
	Refunded          Kind = "refunded"
	Shipped           Kind = "shipment"
	ShipmentCancelled Kind = "shipment_cancelled"
	Documented        Kind = "document"
	Forwarded         Kind = "forwarded"
	MailKind          Kind = "mail"
	Nothing           Kind = "nothing" // answered as done under a key of its own, and there was nothing to do
	Repeat            Kind = "repeat"
	Refused           Kind = "refused"
)

// Anomalies: effects that a correct client does not cause. They are done all the same, as the world would.
const (
	DoubleReservation = "double_reservation" // a second reservation of one order, under another key
	OverRelease       = "over_release"       // more was to be released than was held; only what was held is
	DoubleCharge      = "double_charge"      // a second charge of one order, under another key
	OverRefund        = "over_refund"        // more was to be refunded than was left; only what was left is
	DoubleShipment    = "double_shipment"    // a second shipment of one order, under another key
	RepeatedVersion   = "repeated_version"   // a version of a document that was there, under another key
	DuplicateMail     = "duplicate_mail"     // a mail of an event that had its mail
	WithoutEvent      = "without_event"      // a mail without X-Millrace-Event
)

// Entry is one effect.
type Entry struct {
	Kind    Kind      `json:"kind"`
	Seq     int64     `json:"seq"`
	Backend string    `json:"backend"`
	Time    time.Time `json:"time"`
	Key     string    `json:"key"` // idempotency key; of mail, X-Millrace-Event
	Shop    string    `json:"shop,omitempty"`
	Order   string    `json:"order,omitempty"`
	Subject string    `json:"subject,omitempty"` // of what is not about orders alone: order/1, customer/2
	// Repeats counts the requests under the same key after the effect; in the file it is 0, repeats have lines of their own.
	Repeats     int64    `json:"repeats"`
	Reservation string   `json:"reservation_id,omitempty"`
	Charge      string   `json:"charge_id,omitempty"`
	Shipment    string   `json:"shipment_id,omitempty"`
	Document    string   `json:"document_id,omitempty"`
	Version     string   `json:"version,omitempty"`  // of a document, as it was given
	Reason      string   `json:"reason,omitempty"`   // of what takes back, as it was given
	Lines       []Line   `json:"lines,omitempty"`    // what was reserved or shipped, or what was really released
	Amount      string   `json:"amount,omitempty"`   // charged, or really refunded
	Currency    string   `json:"currency,omitempty"` // of the amount
	Closed      bool     `json:"closed,omitempty"`   // it closed the order: what is asked for later is refused
	Path        string   `json:"path,omitempty"`     // that an event was sent to
	Bytes       int      `json:"bytes,omitempty"`    // of that event
	Mail        *Mail    `json:"mail,omitempty"`
	Anomalies   []string `json:"anomalies,omitempty"`
}

// Line is a quantity of one variant.
type Line struct {
	VariantID string `json:"variant_id,omitempty"`
	SKU       string `json:"sku,omitempty"`
	Quantity  int64  `json:"quantity"`
}

// Mail is what is kept of an accepted message.
type Mail struct {
	From      string   `json:"from"` // of the envelope, as are the recipients
	To        []string `json:"to"`
	Subject   string   `json:"subject"`
	MessageID string   `json:"message_id"`
	Event     string   `json:"event,omitempty"` // X-Millrace-Event
	Bytes     int      `json:"bytes"`
}

// Refusal is a permanent answer to a key: asking again does not help while the world stays as it is.
type Refusal struct {
	Kind    Kind      `json:"kind"`
	Backend string    `json:"backend"`
	Key     string    `json:"key"`
	Shop    string    `json:"shop,omitempty"`
	Order   string    `json:"order,omitempty"`
	Subject string    `json:"subject,omitempty"`
	Reason  string    `json:"reason"`
	Status  int       `json:"status"`
	Time    time.Time `json:"time"` // of the first
	Times   int64     `json:"times"`
}

// Summary is the account in numbers.
type Summary struct {
	Stock   StockSummary   `json:"stock"`
	Payment PaymentSummary `json:"payment"`
	Carrier CarrierSummary `json:"carrier"`
	ERP     ERPSummary     `json:"erp"`
	Hook    HookSummary    `json:"hook"`
	SMTP    MailSummary    `json:"smtp"`
}

// Counts are what all backends have.
type Counts struct {
	Load
	Requests    int64            `json:"requests"`     // of mail: transactions begun
	Repeats     int64            `json:"repeats"`      // requests under the key of an effect that had happened
	Nothing     int64            `json:"nothing"`      // answered as done, and there was nothing to do
	Refused     map[string]int64 `json:"refused"`      // permanent refusals, by reason: requests
	RefusedKeys map[string]int64 `json:"refused_keys"` // and distinct keys
	Faults      map[string]int64 `json:"faults"`       // requests that met a fault, by fault; lost_answer had its effect
	Anomalies   map[string]int64 `json:"anomalies"`    // effects with them, by anomaly
}

// StockSummary is exactly once when Reservations equals Orders and there are no anomalies.
type StockSummary struct {
	Counts
	Reservations  int64 `json:"reservations"`
	Orders        int64 `json:"orders"` // distinct ones with a reservation
	OrdersTwice   int64 `json:"orders_reserved_twice"`
	Releases      int64 `json:"releases"`
	Unknown       int64 `json:"unknown_reservations"` // releases answered 404: their reservation had not come
	UnitsReserved int64 `json:"units_reserved"`
	UnitsReleased int64 `json:"units_released"`
	UnitsHeld     int64 `json:"units_held"`
}

// PaymentSummary is exactly once when Charges equals Orders and there are no anomalies.
type PaymentSummary struct {
	Counts
	Charges        int64            `json:"charges"`
	Orders         int64            `json:"orders"` // distinct ones with a charge
	OrdersTwice    int64            `json:"orders_charged_twice"`
	Refunds        int64            `json:"refunds"`
	OrdersRefunded int64            `json:"orders_refunded"` // distinct ones with a refund, in part or whole
	Unknown        int64            `json:"unknown_charges"` // refunds answered 404: their charge had not come
	Money          map[string]Money `json:"money"`           // per currency
}

// Money is sums in one currency, exact.
type Money struct {
	Charged  string `json:"charged"`
	Refunded string `json:"refunded"`
	Kept     string `json:"kept"` // charged without what was refunded
}

// CarrierSummary is exactly once when Shipments equals Orders and there are no anomalies.
type CarrierSummary struct {
	Counts
	Shipments   int64 `json:"shipments"`
	Orders      int64 `json:"orders"` // distinct ones with a shipment
	OrdersTwice int64 `json:"orders_shipped_twice"`
	Cancelled   int64 `json:"shipments_cancelled"`
	Unknown     int64 `json:"unknown_shipments"` // cancellations answered 404: their shipment had not come
	Units       int64 `json:"units"`             // of all shipments, cancelled ones too
}

// ERPSummary is exactly once when Documents equals Versions.
type ERPSummary struct {
	Counts
	Documents int64 `json:"documents"` // written, new or over an older one
	Versions  int64 `json:"versions"`  // distinct ones among them, of all subjects
	Subjects  int64 `json:"subjects"`  // distinct orders and customers
}

// HookSummary is exactly once by its keys: Forwarded are distinct events, Repeats those that came again.
type HookSummary struct {
	Counts
	Forwarded int64 `json:"forwarded"`
	Bytes     int64 `json:"bytes"`
}

// MailSummary is one mail per event when Accepted equals Events.
type MailSummary struct {
	Counts
	Accepted   int64 `json:"accepted"`
	Events     int64 `json:"events"` // distinct X-Millrace-Event
	Duplicates int64 `json:"duplicates"`
}
