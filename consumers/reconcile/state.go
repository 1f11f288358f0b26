package reconcile

import (
	"context"
	"time"

	"millrace/schemas"
)

// State tells what is here already. What it does not know counts as missing, so it may be behind: at worst an event is made of which
// the webhook is here.
type State interface {
	// Orders returns what has come about the given orders of a shop. One of which nothing has come may be left out.
	Orders(ctx context.Context, shop string, ids []schemas.ID) (map[schemas.ID]Known, error)
	// Levels returns the inventory levels of the given items at all locations.
	Levels(ctx context.Context, shop string, items []schemas.ID) (map[LevelKey]KnownLevel, error)
}

// Known is what has come about an order.
type Known struct {
	Topics map[string]bool // orders/… that have come
	// The newest version that an orders/… event told.
	Updated           time.Time
	FinancialStatus   string
	FulfillmentStatus string
	Cancelled         bool
	Fulfillments      map[schemas.ID]KnownPart
	Refunds           map[schemas.ID]bool // those of which refunds/create has come
	Made              map[string]bool     // ids of events that a reconciliation made
}

// KnownPart is what has come about a fulfilment.
type KnownPart struct {
	Created bool      // whether fulfillments/create has
	Updated time.Time // the newest version that a fulfillments/… event told
}

// LevelKey names an inventory level.
type LevelKey struct{ Item, Location schemas.ID }

// KnownLevel is an inventory level as it is known.
type KnownLevel struct {
	Available *int64
	Updated   time.Time
}
