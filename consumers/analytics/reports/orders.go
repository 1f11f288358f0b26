package reports

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// mostOrderEvents bounds what is read of one order: a state must not be made of a part of its events.
const mostOrderEvents = 20_000

// OrderEvent is one row of the copy of the event store.
type OrderEvent struct {
	Place
	ID       string
	Shop     string
	OrderID  string
	Type     string
	At       time.Time
	Received time.Time
	Value    string
}

// OrderEvents calls f with each event of one order, in the order of the store. The copy is some seconds behind it. An order of which
// nothing is copied has none. The table is sorted by shop and order, so this reads a few thousand rows however many there are.
func (r *Reports) OrderEvents(ctx context.Context, shop, orderID string, f func(*OrderEvent) error) error {
	n := 0
	return r.each(ctx, `SELECT id, shop, order_id, type, at, received_time, value, _topic, _partition, _offset FROM %.order_events
			WHERE shop = {shop:String} AND order_id = {order:String} ORDER BY _partition, _offset LIMIT {most:UInt32}`,
		[]any{bound("shop", shop), bound("order", orderID), bound("most", mostOrderEvents+1)}, func(rows driver.Rows) error {
			var e OrderEvent
			if err := rows.Scan(&e.ID, &e.Shop, &e.OrderID, &e.Type, &e.At, &e.Received, &e.Value, &e.Topic, &e.Partition, &e.Offset); err != nil {
				return err
			}
			if n++; n > mostOrderEvents {
				return fmt.Errorf("%w: the order has more than %d events", ErrTooMuch, mostOrderEvents)
			}
			return f(&e)
		})
}
