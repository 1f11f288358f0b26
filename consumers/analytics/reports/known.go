package reports

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// KnownOrder is what has come about an order: by event, not by what the models made of it.
type KnownOrder struct {
	Topics map[string]bool // orders/… that have come
	// The newest version that an orders/… event told.
	Updated           time.Time
	FinancialStatus   string
	FulfillmentStatus string
	Cancelled         bool
	Fulfillments      map[uint64]KnownPart
	Refunds           map[uint64]bool // of which refunds/create has come
	Made              map[string]bool // ids of events that begin with prefix
}

// KnownPart is what has come about a fulfilment.
type KnownPart struct {
	Created bool      // whether fulfillments/create has
	Updated time.Time // the newest version that fulfillments/… told
}

// MaxKnown is how many orders or items may be asked for at once.
const MaxKnown = 1000

// KnownOrders returns what has come about the orders of a shop; one of which nothing has come is not in it. Of the ids of events those
// that begin with prefix are in Made. The table is sorted by what is asked for, so this reads a few thousand rows per stretch of ids.
func (r *Reports) KnownOrders(ctx context.Context, shop string, orders []uint64, prefix string) (map[uint64]KnownOrder, error) {
	if len(orders) == 0 {
		return map[uint64]KnownOrder{}, nil
	}
	if len(orders) > MaxKnown {
		return nil, fmt.Errorf("%w: at most %d orders at once", ErrBadRequest, MaxKnown)
	}
	ids := make([]string, len(orders))
	for i, id := range orders {
		ids[i] = strconv.FormatUint(id, 10)
	}
	known, newest := make(map[uint64]KnownOrder, len(orders)), make(map[uint64]int64, len(orders))
	// A body without updated_at (the id alone, in the place of one that is too large) says that the event came, and nothing else.
	err := r.each(ctx, `SELECT order_id, shopify_topic,
				if(shopify_topic IN ('fulfillments/create', 'fulfillments/update', 'refunds/create'), JSONExtractUInt(body, 'id'), 0) AS part,
				max(updated_at), argMax(financial_status, (updated_at, time)), argMax(fulfillment_status, (updated_at, time)),
				argMax(cancelled_at > toDateTime64(0, 3, 'UTC'), (updated_at, time)), argMax(toUnixTimestamp64Nano(time), (updated_at, time)),
				groupUniqArrayIf(id, startsWith(id, {prefix:String}))
			FROM %.events
			WHERE shop = {shop:String} AND entity_kind = 'order' AND entity_id IN {ids:Array(String)} AND order_id != 0
				AND (startsWith(shopify_topic, 'orders/') OR shopify_topic IN ('fulfillments/create', 'fulfillments/update', 'refunds/create'))
			GROUP BY order_id, shopify_topic, part
			ORDER BY order_id, shopify_topic, part LIMIT 100000`,
		[]any{bound("shop", shop), bound("ids", ids), bound("prefix", prefix)}, func(rows driver.Rows) error {
			var n newestRow
			if err := rows.Scan(&n.order, &n.topic, &n.part, &n.updated, &n.financial, &n.fulfillment, &n.cancelled, &n.at, &n.made); err != nil {
				return err
			}
			n.into(known, newest)
			return nil
		})
	return known, err
}

// newestRow is what has come under one topic about an order or a part of it.
type newestRow struct {
	order, part            uint64
	topic                  string
	updated                time.Time
	financial, fulfillment string
	cancelled              uint8
	at                     int64 // triggered-at, which tells two versions of one second apart
	made                   []string
}

// into adds the row to its order; newest has the triggered-at of each order's newest version so far.
func (n *newestRow) into(known map[uint64]KnownOrder, newest map[uint64]int64) {
	k, ok := known[n.order]
	if !ok {
		k = KnownOrder{Topics: map[string]bool{}, Fulfillments: map[uint64]KnownPart{}, Refunds: map[uint64]bool{}, Made: map[string]bool{}}
	}
	switch n.topic {
	case "refunds/create":
		k.Refunds[n.part] = true
	case "fulfillments/create", "fulfillments/update":
		part := k.Fulfillments[n.part]
		part.Created = part.Created || n.topic == "fulfillments/create"
		if n.updated.After(part.Updated) {
			part.Updated = n.updated
		}
		k.Fulfillments[n.part] = part
	default:
		k.Topics[n.topic] = true
		if n.updated.After(k.Updated) || (n.updated.Equal(k.Updated) && n.at > newest[n.order]) {
			k.Updated, k.FinancialStatus, k.FulfillmentStatus, k.Cancelled = n.updated, n.financial, n.fulfillment, n.cancelled != 0
			newest[n.order] = n.at
		}
	}
	for _, id := range n.made {
		k.Made[id] = true
	}
	known[n.order] = k
}

// LevelKey names an inventory level.
type LevelKey struct{ Item, Location uint64 }

// KnownLevel is an inventory level.
type KnownLevel struct {
	Available *int64
	Updated   time.Time
}

// KnownLevels returns the inventory levels of items of a shop, at all locations.
func (r *Reports) KnownLevels(ctx context.Context, shop string, items []uint64) (map[LevelKey]KnownLevel, error) {
	if len(items) > MaxKnown {
		return nil, fmt.Errorf("%w: at most %d items at once", ErrBadRequest, MaxKnown)
	}
	known := make(map[LevelKey]KnownLevel, len(items))
	err := r.each(ctx, `SELECT inventory_item_id, location_id, available, updated_at FROM %.inventory_levels_current
			WHERE shop = {shop:String} AND inventory_item_id IN {items:Array(UInt64)} ORDER BY inventory_item_id, location_id LIMIT 100000`,
		[]any{bound("shop", shop), bound("items", items)}, func(rows driver.Rows) error {
			var key LevelKey
			var level KnownLevel
			if err := rows.Scan(&key.Item, &key.Location, &level.Available, &level.Updated); err != nil {
				return err
			}
			known[key] = level
			return nil
		})
	return known, err
}
