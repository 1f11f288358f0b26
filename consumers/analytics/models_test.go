package analytics

import (
	"fmt"
	"strings"
	"testing"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas/ddl"

	"github.com/google/go-cmp/cmp"
)

func TestTheModels(t *testing.T) {
	e := enginetest.Start(t)
	open := func(t *testing.T) *database.DB {
		t.Helper()
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		return db
	}
	t.Run("show lines, units, customers and fulfilment times", func(t *testing.T) { testOrderParts(t, open(t)) })
	t.Run("show what is not an order", func(t *testing.T) { testOtherEntities(t, open(t)) })
	t.Run("are not stopped by any body", func(t *testing.T) { testHostileBodies(t, open(t)) })
	t.Run("come to the same whatever the order of arrival", func(t *testing.T) { checkAnyOrder(t, open(t)) })
	t.Run("are filled by the migration and by running a feed again", func(t *testing.T) { testFeedsAgain(t, open(t)) })
	t.Run("let conditions through to the tables", func(t *testing.T) { testConditionsReachTheTables(t, open(t)) })
	t.Run("show the pipeline's health from projections", func(t *testing.T) { testHealth(t, open(t)) })
}

func line(id int, sku, price string, quantity, current int, change ...fields) fields {
	l := fields{"id": id, "product_id": id * 10, "variant_id": id * 100, "sku": sku, "title": "T" + sku, "price": price, "quantity": quantity, "current_quantity": current}
	for _, c := range change {
		for k, v := range c {
			l[k] = v
		}
	}
	return l
}

func testOrderParts(t *testing.T, db *database.DB) {
	t.Helper()
	shipped := func(id int, status, created, updated string) fields {
		return fields{"id": id, "status": status, "created_at": stamp(on(created)), "updated_at": stamp(on(updated)), "name": fmt.Sprint("F", id), "line_items": []fields{{"quantity": 2}, {"quantity": 1}}}
	}
	who := func(id int) fields { return fields{"customer": fields{"id": id}} }
	with := func(id int, lines []fields, f ...fields) fields {
		return fields{"customer": fields{"id": id}, "line_items": lines, "fulfillments": f}
	}
	both := []fields{line(1, "A", "10.00", 3, 3, fields{"discount_allocations": []fields{{"amount": "2.50"}, {"amount": "0.25"}}}), line(2, "B", "5.00", 1, 1)}
	const create, updated = "orders/create", "orders/updated"
	own := shipped(51, "success", "2026-03-02 10:00", "2026-03-03 10:00")
	own["order_id"], own["shipment_status"] = 1, "delivered"
	var b book
	b.add(t, "s",
		// Order 1: line B is gone from the newest body, of A one of three is left. It was sent after a day; a first try failed.
		sale{id: 1, created: "2026-03-01 10:00", total: "35.00", more: with(7, both)}.as(create, "2026-03-01 10:00"),
		sale{id: 1, created: "2026-03-01 10:00", total: "35.00", more: with(7, []fields{line(1, "A", "10.00", 3, 1)},
			shipped(50, "cancelled", "2026-03-01 12:00", "2026-03-01 13:00"), shipped(51, "success", "2026-03-02 10:00", "2026-03-02 10:00"))}.as(updated, "2026-03-04 10:00"),
		delivery{"fulfillments/update", "order/1", on("2026-03-03 10:00"), own},
		sale{id: 2, created: "2026-03-01 12:00", total: "35.00", more: with(7, both)}.as(create, "2026-03-01 12:00"),
		sale{id: 3, created: "2026-03-02 12:00", total: "5.00", more: with(7, both[1:])}.as(create, "2026-03-02 12:00"),
		sale{id: 4, created: "2026-03-02 13:00", total: "5.00", test: true, more: with(9, both)}.as(create, "2026-03-02 13:00"),
		// Customer 8 came with order 6 and not with 5, which arrives first. The first order of 9 is deleted, the second is not a first one.
		sale{id: 5, created: "2026-03-03 10:00", total: "5.00", more: who(8)}.as(create, "2026-03-03 10:00"),
		sale{id: 6, created: "2026-03-02 10:00", total: "5.00", more: who(8)}.as(create, "2026-03-02 10:00"),
		sale{id: 7, created: "2026-03-02 10:00", total: "5.00", more: who(9)}.as(create, "2026-03-02 10:00"),
		sale{id: 8, created: "2026-03-03 10:00", total: "5.00", more: who(9)}.as(create, "2026-03-03 10:00"),
		delivery{"orders/delete", "order/7", on("2026-03-09 10:00"), fields{"id": 7}},
	)
	insertAll(t, db, b.records)
	for range 2 {
		wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(order_id), sku, toString(quantity), toString(current_quantity), toString(price), toString(amount), toString(product_id), toString(variant_id)) FROM %.order_lines_current WHERE NOT test ORDER BY order_id, sku", `
			1 A 3 1 10 30    10 100
			2 A 3 3 10 27.25 10 100  | 30.00 - 2.50 - 0.25
			2 B 1 1 5  5     20 200
			3 B 1 1 5  5     20 200`)
		wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(day), sku, toString(ordered), toString(units)) FROM %.units_by_day ORDER BY day, sku", `
			2026-03-01 A 6 4
			2026-03-01 B 1 1
			2026-03-02 B 1 1`)
		wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(fulfillment_id), toString(order_id), status, ifNull(nullIf(shipment_status, ''), '-'), name, toString(units), toString(toDate(created_at)), toString(toDate(updated_at))) FROM %.fulfillments_current ORDER BY fulfillment_id", `
			50 1 cancelled -         F50 3 2026-03-01 2026-03-01
			51 1 success   delivered F51 3 2026-03-02 2026-03-03   | its own event is newer than what the order's body shows`)
		wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(day), toString(orders), toString(fulfilled_orders), toString(average_fulfil_seconds)) FROM %.sales_by_day WHERE fulfilled_orders > 0", `
			2026-03-01 2 1 86400     | 2026-03-01 10:00 to 2026-03-02 10:00`)
		wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(day), toString(customers), toString(new_customers), toString(returning_customers)) FROM %.customers_by_day ORDER BY day", `
			2026-03-01 1 1 0         | 7, twice on the day
			2026-03-02 2 1 1         | 8 is new, 7 is back; 9 has a test order and a deleted one
			2026-03-03 2 0 2         | 8 and 9`)
		merge(t, db)
	}
}

func testOtherEntities(t *testing.T, db *database.DB) {
	t.Helper()
	checkout := func(token string, id int, updated string, completed any) delivery {
		return delivery{"checkouts/update", "checkout/" + token, on(updated), fields{"id": id, "token": token, "created_at": stamp(on("2026-03-01 10:00")), "updated_at": stamp(on(updated)), "completed_at": completed, "currency": "USD", "total_price": "10.10"}}
	}
	level := func(topic, updated string, item, location int, available any) delivery {
		body := fields{"inventory_item_id": item, "location_id": location}
		if topic != "inventory_levels/disconnect" {
			body["available"], body["updated_at"] = available, stamp(on(updated))
		}
		return delivery{topic, fmt.Sprint("inventory_item/", item), on(updated), body}
	}
	product := func(id int, title, updated string) delivery {
		return delivery{"products/update", fmt.Sprint("product/", id), on(updated), fields{"id": id, "title": title, "status": "active", "updated_at": stamp(on(updated)), "variants": []fields{{"id": 5, "sku": "A", "price": "1.10", "inventory_item_id": 9}}}}
	}
	customer := func(id int, state, updated string) delivery {
		return delivery{"customers/update", fmt.Sprint("customer/", id), on(updated), fields{"id": id, "state": state, "orders_count": 3, "total_spent": "9.99", "updated_at": stamp(on(updated))}}
	}
	var b book
	b.add(t, "s",
		checkout("open", 1, "2026-03-01 11:00", nil),
		checkout("done", 2, "2026-03-01 12:00", stamp(on("2026-03-01 12:00"))), checkout("done", 2, "2026-03-01 11:00", nil),
		checkout("gone", 3, "2026-03-01 11:00", nil), delivery{"checkouts/delete", "checkout/3", on("2026-03-02 10:00"), fields{"id": 3, "cart_token": "x"}},
		checkout("busy", 4, "2999-01-01 11:00", nil), // changed within the hour
		level("inventory_levels/update", "2026-03-02 10:00", 1, 1, -4), level("inventory_levels/update", "2026-03-01 10:00", 1, 1, 5),
		level("inventory_levels/update", "2026-03-01 10:00", 1, 2, nil),
		level("inventory_levels/disconnect", "2026-03-02 10:00", 2, 1, nil), level("inventory_levels/update", "2026-03-01 10:00", 2, 1, 5),
		level("inventory_levels/disconnect", "2026-03-02 10:00", 3, 1, nil), level("inventory_levels/connect", "2026-03-03 10:00", 3, 1, 6),
		level("inventory_levels/update", "2026-03-03 10:00", 4, 1, 6), delivery{"inventory_items/delete", "inventory_item/4", on("2026-03-01 10:00"), fields{"id": 4}},
		product(1, "new", "2026-03-02 10:00"), product(1, "old", "2026-03-01 10:00"), product(2, "gone", "2026-03-01 10:00"),
		delivery{"products/delete", "product/2", on("2026-02-01 10:00"), fields{"id": 2}},
		customer(1, "enabled", "2026-03-02 10:00"), customer(2, "gone", "2026-03-02 10:00"), customer(3, "forgotten", "2026-03-02 10:00"), customer(4, "merged", "2026-03-02 10:00"),
		delivery{"customers/delete", "customer/2", on("2026-03-02 10:00"), fields{"id": 2}},
		delivery{"customers/redact", "customer/3", on("2026-03-02 10:00"), fields{"customer": fields{"id": 3}}},
		delivery{"customers/merge", "customer/1", on("2026-03-02 10:00"), fields{"admin_graphql_api_customer_kept_id": "gid://shopify/Customer/1", "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/4", "status": "completed"}},
		delivery{"customers/merge", "customer/1", on("2026-03-02 10:00"), fields{"admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/1", "status": "failed"}},
	)
	insertAll(t, db, b.records)
	for range 2 {
		wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(day), currency, toString(checkouts), toString(completed), toString(abandoned), toString(abandoned_value)) FROM %.checkouts_by_day", `
			2026-03-01 USD 3 1 1 10.1  | open is abandoned, done completed, busy neither, gone not there`)
		wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(inventory_item_id), toString(location_id), ifNull(toString(available), 'null')) FROM %.inventory_levels_current ORDER BY inventory_item_id, location_id", `
			1 1 -4
			1 2 null
			3 1 6                      | 2 is disconnected, 3 connected again, 4 deleted`)
		wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(product_id), title, status, toString(variant_skus), toString(variant_prices)) FROM %.products_current", `1 new active ['A'] [1.1]`)
		wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(customer_id), state, toString(orders_count), toString(total_spent)) FROM %.customers_current", `1 enabled 3 9.99`)
		merge(t, db)
	}
}

// testHostileBodies: whatever a body holds, the insert succeeds, the event is kept, and what can be read is read.
func testHostileBodies(t *testing.T, db *database.DB) {
	t.Helper()
	const head = `"created_at":"2026-03-01T10:00:00Z","updated_at":"2026-03-01T10:00:00Z","total_price":"10.00","current_total_price":"10.00","currency":"USD"`
	deep := strings.Repeat("[", 2000) + strings.Repeat("]", 2000)
	huge := strings.Repeat("9", 400)
	bodies := []string{
		`{` + head + `,"line_items":"x","refunds":"y","fulfillments":7,"total_tip_received":{},"cancel_reason":[]}`,
		`{` + head + `,"line_items":{"a":1},"refunds":{"a":1},"fulfillments":null}`,
		`{` + head + `,"line_items":[1,null,"a",[],{}],"refunds":[1,null,"a",[],{}],"fulfillments":[1,null,"a",[],{}]}`,
		`{` + head + `,"line_items":[{"id":"abc","price":"1e300","quantity":99999999999,"current_quantity":"x","sku":7,"gift_card":"yes","discount_allocations":[{"amount":"99999999999999"},{"amount":"99999999999999"}]}]}`,
		`{` + head + `,"line_items":[{"id":1,"price":"99999999999999.9999","quantity":2147483647,"gift_card":true},{"id":2,"price":"99999999999999.9999","quantity":2147483647,"gift_card":true}]}`,
		`{` + head + `,"line_items":[{"id":` + huge + `,"price":` + huge + `}]}`,
		`{` + head + `,"line_items":` + deep + `,"refunds":` + deep + `,"fulfillments":` + deep + `}`,
		`{` + head + `,"refunds":[{"id":1,"created_at":"yesterday","transactions":[]},{"id":2,"created_at":"9999-01-01T00:00:00Z"},{"id":3,"created_at":"0001-01-01T00:00:00Z"},{"id":4,"created_at":17}]}`,
		`{` + head + `,"refunds":[{"id":5,"created_at":"2026-03-01T10:00:00Z","refund_line_items":[{"quantity":9999999999999999999,"line_item_id":-1}],"transactions":[{"kind":"refund","status":"success","amount":"99999999999999.9999"},{"kind":"refund","status":"success","amount":"99999999999999.9999"}]}]}`,
		`{` + head + `,"fulfillments":[{"id":1,"created_at":"2026-03-01T10:00:00Z","status":"` + strings.Repeat("s", 100_000) + `","line_items":[{"quantity":"x"}]}]}`,
		`{` + head + `,"line_items":[{"id":1,"sku":"` + "\x00\xff" + `"}]}`,
		`{` + head + `,"line_items":[{"id":1`,
		`{"created_at":"9999-01-01T00:00:00Z","updated_at":"9999-01-01T00:00:00Z"}`, `{"created_at":"1900-01-01T00:00:00Z","updated_at":"1900-01-01T00:00:00Z"}`,
		`[]`, `null`, `17`, `""`, ``, `{`, deep, "\xff\xfe",
	}
	topics := []string{
		"orders/create", "orders/updated", "orders/delete", "orders/edited", "refunds/create", "fulfillments/create", "fulfillments/update", "checkouts/create", "checkouts/update", "checkouts/delete",
		"products/create", "products/delete", "customers/update", "customers/merge", "customers/redact", "inventory_levels/update", "inventory_levels/disconnect", "inventory_items/delete", "no/such_topic",
	}
	var b book
	for i, topic := range topics {
		for j, body := range bodies {
			for _, kind := range []string{"order", "product", ""} {
				b.add(t, "s", delivery{topic, fmt.Sprint(kind, "/", 1000*(i+1)+j), on("2026-03-01 10:00"), body})
			}
		}
	}
	insertAll(t, db, b.records)
	if got := databasetest.Count(t, db, "SELECT count() FROM %.events"); got != len(b.records) {
		t.Errorf("%d events are kept, want %d", got, len(b.records))
	}
	// Twelve bodies begin well, and two topics of three kinds of entity bring them; only those of kind order are orders.
	if got := databasetest.Count(t, db, "SELECT count() FROM %.orders_current WHERE total_price = 10 AND shopify_topic IN ('orders/create', 'orders/updated')"); got != 24 {
		t.Errorf("%d orders were read, want 24", got)
	}
	if got := databasetest.Count(t, db, "SELECT count() FROM %.refunds_current WHERE NOT (refund_id = 5 AND amount = 0)"); got != 0 {
		t.Errorf("%d refunds without a time, or with an amount that no column holds", got)
	}
	for _, view := range []string{"order_lines_current", "fulfillments_current", "checkouts_current", "products_current", "customers_current", "inventory_levels_current", "sales_by_minute", "units_by_day", "customers_by_day", "checkouts_by_day"} {
		databasetest.Exec(t, db, "SELECT * FROM %."+view+" FORMAT Null")
	}
}

// testFeedsAgain: events of before the migration are in the models, a feed's columns are its table's, and to run it again
// changes nothing.
func testFeedsAgain(t *testing.T, db *database.DB) {
	t.Helper()
	models, err := ddl.Models()
	if err != nil {
		t.Fatalf("Models() error: %v", err)
	}
	var b book
	for _, c := range salesCases() {
		b.add(t, c.name, c.events...)
	}
	insertAll(t, db, b.records)
	look := func() []string {
		return lines(t, db, "SELECT concat(shop, toString(day), currency, toString(orders), toString(net)) FROM %.sales_by_day ORDER BY 1")
	}
	want := look()
	for _, m := range models {
		feed := lines(t, db, "SELECT name FROM system.columns WHERE database = '"+db.Database()+"' AND table = '"+m.Feed+"' ORDER BY position")
		table := lines(t, db, "SELECT name FROM system.columns WHERE database = '"+db.Database()+"' AND table = '"+m.Name+"' ORDER BY position")
		if diff := cmp.Diff(table, feed); diff != "" {
			t.Errorf("columns of %s (-table, +feed):\n%s", m.Name, diff)
		}
		some := m.Insert(m.Name, "(SELECT * FROM "+ddl.Source+" WHERE _offset >= 5 AND _offset < 30)")
		databasetest.Exec(t, db, strings.ReplaceAll(some, ddl.DatabaseVariable, "%"))
		if diff := cmp.Diff(want, look()); diff != "" {
			t.Errorf("after a part of %s was run again (-want, +got):\n%s", m.Feed, diff)
		}
	}
	for _, m := range models {
		databasetest.Exec(t, db, "TRUNCATE TABLE %."+m.Name)
	}
	if got := look(); len(got) != 0 {
		t.Errorf("sales without models: %v", got)
	}
	backfill(t, db)
	if diff := cmp.Diff(want, look()); diff != "" {
		t.Errorf("after the migration's backfill (-want, +got):\n%s", diff)
	}
}

// backfill runs the INSERT statements of the migrations.
func backfill(t *testing.T, db *database.DB) {
	t.Helper()
	migrations, err := ddl.Migrations()
	if err != nil {
		t.Fatalf("Migrations() error: %v", err)
	}
	for _, m := range migrations {
		for _, s := range m.Statements {
			if strings.HasPrefix(s, "INSERT") {
				databasetest.Exec(t, db, strings.ReplaceAll(s, ddl.DatabaseVariable, "%"))
			}
		}
	}
}
