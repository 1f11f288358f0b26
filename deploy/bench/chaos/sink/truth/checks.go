package truth

import (
	"fmt"
	"strconv"
	"strings"
)

// Check is a question to the database and what the answer must be: lines of TabSeparated, in any order. % in SQL stands for the
// database. Decimals have all four places.
type Check struct {
	Name string
	SQL  string
	Rows func(*Book) []string
}

// Checks are all read models, and what is added up from them and from events.
func Checks() []Check {
	all := []Check{{
		"repeated deliveries", `SELECT deliveries, count() FROM %.repeated_deliveries(since = '2000-01-01 00:00:00', until = '2099-01-01 00:00:00') GROUP BY deliveries`, repeats,
	}}
	for _, c := range append(models(), aggregates()...) {
		all = append(all, Check{c.name, c.sql, func(b *Book) []string { return c.rows(b.Models) }})
	}
	return all
}

// modelCheck is a check of which the models know enough.
type modelCheck struct {
	name, sql string
	rows      func(*Models) []string
}

func models() []modelCheck {
	return []modelCheck{
		{"deletions", `SELECT kind, shop, entity_id, toUnixTimestamp64Nano(deleted_at) FROM %.deletions FINAL`, deletions},
		{
			"orders", `SELECT shop, order_id, toUnixTimestamp64Milli(created_at), toUnixTimestamp64Milli(updated_at), toUnixTimestamp64Milli(cancelled_at),
			toUnixTimestamp64Milli(fulfilled_at), customer_id, currency, toUInt8(test), financial_status, fulfillment_status, total_price, current_total_price, refunded,
			written_off, subtotal_price, total_tax, total_discounts, total_shipping, name, cancel_reason, ` + sourceSQL + ` FROM %.orders_current`, orders,
		},
		{
			"order_lines", `SELECT shop, order_id, line_id, product_id, variant_id, sku, title, price, quantity, current_quantity, amount, currency, toUInt8(test)
			FROM %.order_lines_current`, orderLines,
		},
		{
			"refunds", `SELECT shop, refund_id, order_id, toUnixTimestamp64Milli(created_at), toUnixTimestamp64Milli(processed_at), currency, toUInt8(test), amount, units,
			toString(line_ids), toString(line_quantities), ` + sourceSQL + ` FROM %.refunds_current`, refunds,
		},
		{
			"fulfillments", `SELECT shop, fulfillment_id, order_id, toUnixTimestamp64Milli(created_at), toUnixTimestamp64Milli(updated_at), name, status, shipment_status,
			location_id, tracking_number, units, ` + sourceSQL + ` FROM %.fulfillments_current`, fulfilments,
		},
		{
			"inventory_levels", `SELECT shop, inventory_item_id, location_id, available, toUnixTimestamp64Milli(updated_at), ` + sourceSQL + ` FROM %.inventory_levels_current`,
			levels,
		},
		{
			"products", `SELECT shop, product_id, title, handle, vendor, product_type, status, toUnixTimestamp64Milli(created_at), toUnixTimestamp64Milli(updated_at),
			toUnixTimestamp64Milli(published_at), arrayStringConcat(arrayMap((i, s, t, p, n) -> concat(toString(i), ' ', s, ' ', t, ' ', toDecimalString(p, 4), ' ', toString(n)),
			variant_ids, variant_skus, variant_titles, variant_prices, variant_inventory_item_ids), ', '), ` + sourceSQL + ` FROM %.products_current`, products,
		},
		{
			"customers", `SELECT shop, customer_id, state, currency, orders_count, total_spent, toUnixTimestamp64Milli(created_at), toUnixTimestamp64Milli(updated_at), ` +
				sourceSQL + ` FROM %.customers_current`, customers,
		},
		{
			"checkouts", `SELECT shop, token, checkout_id, customer_id, currency, total_price, toUnixTimestamp64Milli(created_at), toUnixTimestamp64Milli(updated_at),
			toUnixTimestamp64Milli(completed_at), ` + sourceSQL + ` FROM %.checkouts_current`, checkouts,
		},
		{
			"first_orders", `SELECT shop, customer_id, order_id, toUnixTimestamp64Milli(created_at), currency FROM %.first_orders_current`, firstOrders,
		},
		{
			"events by minute", `SELECT toUnixTimestamp(minute), shopify_topic, events, bytes, delivery_ms, delivery_max_ms FROM %.events_by_minute`, minutes,
		},
	}
}

// sourceSQL is the record that an entity's newest version came with.
const sourceSQL = `shopify_topic, toUnixTimestamp64Nano(time), _topic, _partition, _offset`

func (k *kept[T]) source() string {
	return tabs(k.topic, k.time, k.place.Topic, k.place.Partition, k.offset)
}

// tabs writes a row as ClickHouse does in TabSeparated.
func tabs(values ...any) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte('\t')
		}
		switch v := v.(type) {
		case string:
			b.WriteString(v)
		case bool:
			if v {
				b.WriteByte('1')
			} else {
				b.WriteByte('0')
			}
		case *string:
			if v != nil {
				b.WriteString(*v)
			}
		case *int64:
			if v != nil {
				b.WriteString(strconv.FormatInt(*v, 10))
			} else {
				b.WriteString(`\N`)
			}
		default:
			fmt.Fprint(&b, v)
		}
	}
	return b.String()
}

func deletions(m *Models) (rows []string) {
	for kind, of := range m.deleted {
		for k, at := range of {
			rows = append(rows, tabs(kind, k.shop, k.id, at))
		}
	}
	return rows
}

func (b *orderBody) customer() uint64 {
	if b.Customer == nil {
		return 0
	}
	return b.Customer.ID
}

// refunded is what went back to the buyer, of all refunds that the order shows.
func (b *orderBody) refunded() (sum money) {
	for i := range b.Refunds {
		sum += b.Refunds[i].paid()
	}
	return sum
}

// writtenOff is what was taken off the order, by an edit or a cancellation, without money going back.
func (b *orderBody) writtenOff() money { return max(0, b.Total-b.CurrentTotal-b.refunded()) }

// fulfilled is when the first parcel left, 0 for never.
func (b *orderBody) fulfilled() (first moment) {
	for _, f := range b.Fulfilments {
		if f.Status == "success" && (first == 0 || f.Created < first) {
			first = f.Created
		}
	}
	return first
}

// standing returns the orders that were not deleted.
func (m *Models) standing(use func(key, *kept[orderBody])) {
	for k, o := range m.orders {
		if !m.gone("order", k) {
			use(k, o)
		}
	}
}

// ofOrder tells whether the order that something belongs to still stands.
func (m *Models) ofOrder(k key, order uint64) bool { return !m.gone("order", key{k.shop, id(order)}) }

func orders(m *Models) (rows []string) {
	m.standing(func(k key, o *kept[orderBody]) {
		b := &o.is
		rows = append(rows, tabs(k.shop, k.id, b.Created, b.Updated, b.Cancelled, b.fulfilled(), b.customer(), b.Currency, b.Test, b.Financial, b.Fulfilment,
			b.Total, b.CurrentTotal, b.refunded(), b.writtenOff(), b.Subtotal, b.Tax, b.Discounts, b.Shipping.Shop.Amount, b.Name, b.CancelReason, o.source()))
	})
	return rows
}

func orderLines(m *Models) (rows []string) {
	m.standing(func(k key, o *kept[orderBody]) {
		for i := range o.is.Lines {
			l := &o.is.Lines[i]
			rows = append(rows, tabs(k.shop, k.id, l.ID, l.Product, l.Variant, l.SKU, l.Title, l.Price, l.Quantity, l.left(), l.amount(), o.is.Currency, o.is.Test))
		}
	})
	return rows
}

func refunds(m *Models) (rows []string) {
	for k, r := range m.refunds {
		if !m.ofOrder(k, r.is.Order) {
			continue
		}
		units, lines, quantities := int64(0), []string{}, []string{}
		for _, l := range r.is.Lines {
			units += l.Quantity
			lines, quantities = append(lines, id(l.Line)), append(quantities, strconv.FormatInt(l.Quantity, 10))
		}
		rows = append(rows, tabs(k.shop, k.id, r.is.Order, r.is.Created, r.is.Processed, r.is.currency, r.is.test, r.is.paid(), units,
			"["+strings.Join(lines, ",")+"]", "["+strings.Join(quantities, ",")+"]", r.source()))
	}
	return rows
}

func fulfilments(m *Models) (rows []string) {
	for k, f := range m.fulfilments {
		if !m.ofOrder(k, f.is.Order) {
			continue
		}
		units := int64(0)
		for _, l := range f.is.Lines {
			units += l.Quantity
		}
		rows = append(rows, tabs(k.shop, k.id, f.is.Order, f.is.Created, f.is.Updated, f.is.Name, f.is.Status, f.is.Shipment, f.is.Location, f.is.Tracking, units, f.source()))
	}
	return rows
}

func levels(m *Models) (rows []string) {
	for k, l := range m.levels {
		rows = append(rows, tabs(k.shop, l.is.Item, l.is.Location, l.is.Available, l.is.Updated, l.source()))
	}
	return rows
}

func products(m *Models) (rows []string) {
	for k, p := range m.products {
		if m.gone("product", k) {
			continue
		}
		var variants []string
		for _, v := range p.is.Variants {
			variants = append(variants, strings.ReplaceAll(tabs(v.ID, v.SKU, v.Title, v.Price, v.Item), "\t", " "))
		}
		rows = append(rows, tabs(k.shop, k.id, p.is.Title, p.is.Handle, p.is.Vendor, p.is.Type, p.is.Status, p.is.Created, p.is.Updated, p.is.Published,
			strings.Join(variants, ", "), p.source()))
	}
	return rows
}

func customers(m *Models) (rows []string) {
	for k, c := range m.customers {
		if !m.gone("customer", k) {
			rows = append(rows, tabs(k.shop, k.id, c.is.State, c.is.Currency, c.is.Orders, c.is.Spent, c.is.Created, c.is.Updated, c.source()))
		}
	}
	return rows
}

func checkouts(m *Models) (rows []string) {
	for k, c := range m.checkouts {
		if m.gone("checkout", key{k.shop, id(c.is.ID)}) {
			continue
		}
		customer := uint64(0)
		if c.is.Customer != nil {
			customer = c.is.Customer.ID
		}
		rows = append(rows, tabs(k.shop, k.id, c.is.ID, customer, c.is.Currency, c.is.Total, c.is.Created, c.is.Updated, c.is.Completed, c.source()))
	}
	return rows
}

func firstOrders(m *Models) (rows []string) {
	for k, f := range m.firsts {
		if m.ofOrder(k, f.order) {
			rows = append(rows, tabs(k.shop, k.id, f.order, f.created, f.currency))
		}
	}
	return rows
}

// repeats counts the events that came more than once, by how often they came.
func repeats(b *Book) (rows []string) {
	often := map[uint16]int{}
	for i := range b.told {
		if n := b.told[i].seen; n > 1 {
			often[n]++
		}
	}
	for n, events := range often {
		rows = append(rows, tabs(n, events))
	}
	return rows
}

func minutes(m *Models) (rows []string) {
	for row, n := range m.minutes {
		rows = append(rows, tabs(row, n.events, n.bytes, n.delay, n.longest))
	}
	return rows
}
