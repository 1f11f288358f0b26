package sim

import (
	"time"

	"millrace/cmd/storesim/ledger"
)

// Event is one webhook: what one subscription is told about one action.
type Event struct {
	Seq         int64 // in the order of making, from 1
	EntitySeq   int64 // the same within the entity
	WebhookID   string
	EventID     string // shared by the events of one action
	Shop        string
	Topic       string
	Entity      string // <kind>/<id>
	TriggeredAt time.Time
	Body        []byte
	Order       *ledger.Order // on orders/*, else nil
	Late        bool          // delivered behind a later event of the entity
	Copies      int           // deliveries: 1, or 2 for a duplicate
	Forgotten   bool          // never sent

	entity  *entity
	shipped int // deliveries handed out
	settled int // deliveries whose fate is known
	account ledger.Entry
}

// entity is what events are about and what they are ordered by. It lives as long as the order, customer or product it
// belongs to, so that counting positions costs no table of everything ever sold.
type entity struct {
	shop    *shop
	subject string
	events  int64 // made; the generator's
	stamps  int64 // deliveries; the generator's
	line    []*parcel
	timer   *time.Timer // of the retry that the head of line waits for
}

// parcel is one delivery of an event.
type parcel struct {
	event    *Event
	delivery ledger.Delivery
	copied   bool // a second delivery
	storable int  // attempts after which the receiver may hold the event
}
