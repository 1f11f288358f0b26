package reports_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/consumers/analytics/database"
)

// noon is when the tests' stories begin.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// stored is one row of events, made by hand; what is left out is what a plain delivery has.
type stored struct {
	shop, topic, id, kind, entity string
	order, customer               uint64
	name, currency, total         string
	current                       string // of the total; the same where it is left out
	status                        string
	test                          bool
	created                       time.Time
	at                            time.Duration // of the receipt, after noon
	wait, insert                  time.Duration // from triggered-at to the receipt, and from there to the row
	partition                     uint32
	offset                        uint64
	body                          string
}

// put writes the rows as the sink's columns are.
func put(t *testing.T, db *database.DB, rows ...stored) {
	t.Helper()
	for i, r := range rows {
		received := noon.Add(r.at)
		if r.kind == "" {
			r.kind, r.entity = "order", fmt.Sprint(r.order)
		}
		if r.id == "" {
			r.id = fmt.Sprintf("webhook-%s-%d", r.shop, r.offset)
		}
		if r.total == "" {
			r.total = "0"
		}
		if r.current == "" {
			r.current = r.total
		}
		if r.created.IsZero() {
			r.created = time.Unix(0, 0)
		}
		updated := time.Unix(0, 0)
		if r.currency != "" {
			updated = received
		}
		n := clickhouse.Named
		err := db.Conn().Exec(t.Context(), `INSERT INTO `+db.Quoted()+`.events (id, type, shop, shopify_topic, subject, entity_kind, entity_id, time, received_time, inserted_at,
				content_type, partition_key, body, order_id, customer_id, name, currency, total_price, current_total_price, financial_status, test, created_at, updated_at, _topic, _partition, _offset)
			SELECT {id:String}, 'com.shopify', {shop:String}, {topic:String}, {subject:String}, {kind:String}, {entity:String},
				fromUnixTimestamp64Nano({time:Int64}, 'UTC'), fromUnixTimestamp64Nano({received:Int64}, 'UTC'), fromUnixTimestamp64Milli({inserted:Int64}, 'UTC'),
				'application/json', {key:String}, {body:String}, {order:UInt64}, {customer:UInt64}, {name:String}, {currency:String},
				toDecimal64({total:String}, 4), toDecimal64({current:String}, 4), {status:String}, {test:Bool},
				fromUnixTimestamp64Milli({created:Int64}, 'UTC'), fromUnixTimestamp64Milli({updated:Int64}, 'UTC'), 'shopify.orders', {partition:UInt32}, {offset:UInt64}`,
			n("id", r.id), n("shop", r.shop), n("topic", r.topic), n("subject", r.kind+"/"+r.entity), n("kind", r.kind), n("entity", r.entity),
			n("time", received.Add(-r.wait).UnixNano()), n("received", received.UnixNano()), n("inserted", received.Add(r.insert).UnixMilli()),
			n("key", r.shop+"|"+r.kind+"/"+r.entity), n("body", r.body), n("order", r.order), n("customer", r.customer), n("name", r.name), n("currency", r.currency),
			n("total", r.total), n("current", r.current), n("status", r.status), n("test", r.test),
			n("created", r.created.UnixMilli()), n("updated", updated.UnixMilli()), n("partition", r.partition), n("offset", r.offset))
		if err != nil {
			t.Fatalf("insert row %d: %v", i, err)
		}
	}
}

// order is an orders/… event; lines is the JSON of its lines, more what follows in the body.
func order(shop, topic string, id uint64, at time.Duration, total, lines, more string) stored {
	return stored{
		shop: shop, topic: topic, order: id, name: fmt.Sprintf("#%d", 1000+id), currency: "EUR", total: total, created: noon.Add(at), at: at,
		wait: time.Second, insert: 500 * time.Millisecond, offset: id * 10,
		body: fmt.Sprintf(`{"id":%d,"current_total_price":%q,"line_items":[%s]%s}`, id, total, lines, more),
	}
}

func (r stored) with(change func(r *stored)) stored {
	change(&r)
	return r
}

func line(product uint64, title, price string, quantity int) string {
	return fmt.Sprintf(`{"id":%d,"product_id":%d,"sku":"SKU-%d","title":%q,"price":%q,"quantity":%d}`, product*100, product, product, title, price, quantity)
}
