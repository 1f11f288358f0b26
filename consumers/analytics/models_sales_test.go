package analytics

import (
	"strconv"
	"testing"
	"time"

	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
)

// sale is an order as its bodies show it. The zero value of a field is what most orders have.
type sale struct {
	id             int
	created        string // "2026-03-01 10:00"
	total, current string // current is total where it is empty
	currency       string // USD where it is empty
	test           bool
	cancelled      string
	refunds        []fields
	more           fields
}

// as returns the event by which the order became what it now is.
func (s sale) as(topic, updated string) delivery {
	body := fields{
		"id": s.id, "created_at": stamp(on(s.created)), "updated_at": stamp(on(updated)), "total_price": s.total, "current_total_price": s.current,
		"currency": s.currency, "test": s.test, "cancelled_at": nil, "refunds": s.refunds, "line_items": []fields{}, "fulfillments": []fields{},
	}
	if s.current == "" {
		body["current_total_price"] = s.total
	}
	if s.currency == "" {
		body["currency"] = "USD"
	}
	if s.cancelled != "" {
		body["cancelled_at"] = stamp(on(s.cancelled))
	}
	if s.refunds == nil {
		body["refunds"] = []fields{}
	}
	for k, v := range s.more {
		body[k] = v
	}
	return delivery{topic, "order/" + itoa(s.id), on(updated), body}
}

func itoa(n int) string { return strconv.Itoa(n) }

// refund is a refund of an order as the order and refunds/create show it.
func refund(id int, created string, transactions ...fields) fields {
	return fields{"id": id, "created_at": stamp(on(created)), "processed_at": stamp(on(created)), "refund_line_items": []fields{}, "transactions": transactions}
}

// paidBack is the transaction of a refund.
func paidBack(amount string, change ...fields) fields {
	t := fields{"kind": "refund", "status": "success", "amount": amount, "currency": "USD", "test": false}
	for _, c := range change {
		for k, v := range c {
			t[k] = v
		}
	}
	return t
}

// own is the refund as an event of its own.
func own(order int, r fields) delivery {
	r2 := fields{"order_id": order}
	for k, v := range r {
		r2[k] = v
	}
	at, err := time.Parse(time.RFC3339, r["created_at"].(string))
	if err != nil {
		panic(err)
	}
	return delivery{"refunds/create", "order/" + itoa(order), at, r2}
}

type salesCase struct {
	name   string
	events []delivery
	want   string // rows of sales_by_day
}

// The sheets were computed by hand. Columns: day (UTC), currency, orders, cancelled orders, gross, written off, refunds,
// refunded, net.
func salesCases() []salesCase {
	const create, updated, paid, cancelled = "orders/create", "orders/updated", "orders/paid", "orders/cancelled"
	return []salesCase{
		{"two orders, paid or not, are gross on their day", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", more: fields{"financial_status": "paid"}}.as(paid, "2026-03-01 10:00"),
			sale{id: 2, created: "2026-03-01 11:00", total: "49.95", more: fields{"financial_status": "pending"}}.as(create, "2026-03-01 11:00"),
		}, `
			2026-03-01 USD  2 0  149.95 0  0 0  149.95   | 100.00 + 49.95`},

		{"the day is the day in UTC", []delivery{
			sale{id: 1, created: "2026-03-02 01:30", total: "10.00"}.as(create, "2026-03-02 01:30"), // 20:30 of the day before for the shop
		}, `
			2026-03-02 USD  1 0  10 0  0 0  10`},

		{"shipping, taxes, tips and sold gift cards are in the total and so in gross", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "87.30", more: fields{
				"total_tax": "7.30", "total_tip_received": "5.00", "total_shipping_price_set": fields{"shop_money": fields{"amount": "10.00", "currency_code": "USD"}},
				"line_items": []fields{
					{"id": 1, "price": "40.00", "quantity": 1, "current_quantity": 1},
					{"id": 2, "price": "25.00", "quantity": 1, "current_quantity": 1, "gift_card": true},
				},
			}}.as(create, "2026-03-01 10:00"),
		}, `
			2026-03-01 USD  1 0  87.3 0  0 0  87.3       | 40 + 25 + 10 shipping + 5 tip + 7.30 tax`},

		{"an edit that adds an item raises the total of its day", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			sale{id: 1, created: "2026-03-01 10:00", total: "130.00"}.as(updated, "2026-03-04 10:00"),
		}, `
			2026-03-01 USD  1 0  130 0  0 0  130`},

		{"an edit that takes out an unpaid item is written off on its day", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "60.00"}.as(updated, "2026-03-04 10:00"),
		}, `
			2026-03-01 USD  1 0  100 40  0 0  60         | 100 - 40`},

		{"two partial refunds are booked on their own days, once each, however often they are shown", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			own(1, refund(11, "2026-03-02 09:00", paidBack("30.00"))),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "70.00", refunds: []fields{refund(11, "2026-03-02 09:00", paidBack("30.00"))}}.as(updated, "2026-03-02 09:00"),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "50.01", refunds: []fields{
				refund(11, "2026-03-02 09:00", paidBack("30.00")), refund(12, "2026-03-05 09:00", paidBack("15.00"), paidBack("4.99")),
			}}.as(updated, "2026-03-05 09:00"),
		}, `
			2026-03-01 USD  1 0  100 0  0 0      100
			2026-03-02 USD  0 0  0   0  1 30     -30
			2026-03-05 USD  0 0  0   0  1 19.99  -19.99  | 15.00 + 4.99; all days: 50.01`},

		{"only refunds/create has arrived so far", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			own(1, refund(11, "2026-03-02 09:00", paidBack("30.00"))),
		}, `
			2026-03-01 USD  1 0  100 0  0 0   100
			2026-03-02 USD  0 0  0   0  1 30  -30`},

		{"money that is still on its way back, or did not go, is not refunded yet", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "70.00", refunds: []fields{
				refund(11, "2026-03-02 09:00", paidBack("30.00", fields{"status": "pending"}), paidBack("30.00", fields{"status": "failure"}), fields{"kind": "void", "status": "success", "amount": "30.00"}),
			}}.as(updated, "2026-03-02 09:00"),
		}, `
			2026-03-01 USD  1 0  100 30  0 0  70         | the goods are back, the money is not
			2026-03-02 USD  0 0  0   0   1 0  0`},

		{"and is, once it has arrived", []delivery{
			own(1, refund(11, "2026-03-02 09:00", paidBack("30.00", fields{"status": "pending"}))),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "70.00", refunds: []fields{refund(11, "2026-03-02 09:00", paidBack("30.00"))}}.as(updated, "2026-03-03 09:00"),
		}, `
			2026-03-01 USD  1 0  100 0  0 0   100
			2026-03-02 USD  0 0  0   0  1 30  -30`},

		{"a refund of goodwill takes no goods back and lowers net all the same", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "100.00", refunds: []fields{refund(11, "2026-03-02 09:00", paidBack("10.00"))}}.as(updated, "2026-03-02 09:00"),
		}, `
			2026-03-01 USD  1 0  100 0  0 0   100
			2026-03-02 USD  0 0  0   0  1 10  -10`},

		{"cancelled, then refunded", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(paid, "2026-03-01 10:00"),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", cancelled: "2026-03-03 10:00", more: fields{"cancel_reason": "customer"}}.as(cancelled, "2026-03-03 10:00"),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "0.00", cancelled: "2026-03-03 10:00", refunds: []fields{refund(11, "2026-03-04 10:00", paidBack("100.00"))}}.as(updated, "2026-03-04 10:00"),
		}, `
			2026-03-01 USD  1 1  100 0  0 0    100       | the cancellation counts on the order's day
			2026-03-04 USD  0 0  0   0  1 100  -100`},

		{"cancelled before anything was paid: written off", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "0.00", cancelled: "2026-03-03 10:00"}.as(cancelled, "2026-03-03 10:00"),
		}, `
			2026-03-01 USD  1 1  100 100  0 0  0`},

		{"currencies are not added up, and zero-decimal ones have no cents", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			sale{id: 2, created: "2026-03-01 10:00", total: "23600", currency: "JPY"}.as(create, "2026-03-01 10:00"),
			sale{id: 3, created: "2026-03-01 10:00", total: "0.1234", currency: "BHD"}.as(create, "2026-03-01 10:00"),
		}, `
			2026-03-01 BHD  1 0  0.1234 0  0 0  0.1234
			2026-03-01 JPY  1 0  23600  0  0 0  23600
			2026-03-01 USD  1 0  100    0  0 0  100`},

		{"paid in another currency: the refund counts by its amount in dollars", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "110.00", current: "77.00", more: fields{"presentment_currency": "EUR"}, refunds: []fields{
				refund(11, "2026-03-02 09:00", paidBack("30.00", fields{"currency": "EUR", "amount_set": fields{"shop_money": fields{"amount": "33.00", "currency_code": "USD"}}})),
			}}.as(updated, "2026-03-02 09:00"),
		}, `
			2026-03-01 USD  1 0  110 0  0 0   110
			2026-03-02 USD  0 0  0   0  1 33  -33        | 30.00 EUR are 33.00 USD`},

		{"paid in another currency, and no body says what that is in dollars: written off", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "110.00", current: "77.00", more: fields{"presentment_currency": "EUR"}, refunds: []fields{
				refund(11, "2026-03-02 09:00", paidBack("30.00", fields{"currency": "EUR"})),
			}}.as(updated, "2026-03-02 09:00"),
		}, `
			2026-03-01 USD  1 0  110 33  0 0  77
			2026-03-02 USD  0 0  0   0   1 0  0`},

		{"test orders and their refunds are not sales", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", test: true}.as(create, "2026-03-01 10:00"),
			own(1, refund(11, "2026-03-02 09:00", paidBack("30.00", fields{"test": true}))),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "70.00", test: true, refunds: []fields{refund(11, "2026-03-02 09:00", paidBack("30.00"))}}.as(updated, "2026-03-02 09:00"),
		}, ``},

		{"delivered again and out of order: the newest counts", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "80.00", refunds: []fields{refund(11, "2026-03-02 09:00", paidBack("20.00"))}}.as(updated, "2026-03-02 09:01"),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			sale{id: 1, created: "2026-03-01 10:00", total: "999.00"}.as(paid, "2026-03-01 10:05"),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", current: "80.00", refunds: []fields{refund(11, "2026-03-02 09:00", paidBack("20.00"))}}.as(updated, "2026-03-02 09:01"),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			own(1, refund(11, "2026-03-02 09:00", paidBack("20.00", fields{"status": "pending"}))),
		}, `
			2026-03-01 USD  1 0  100 0  0 0   100
			2026-03-02 USD  0 0  0   0  1 20  -20`},

		{"deleted, with its refund, whatever comes before and after", []delivery{
			{"orders/delete", "order/1", on("2026-03-03 09:00"), fields{"id": 1}},
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			own(1, refund(11, "2026-03-02 09:00", paidBack("20.00"))),
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(updated, "2026-03-09 09:00"),
			sale{id: 2, created: "2026-03-01 10:00", total: "1.00"}.as(updated, "2026-03-09 09:00"),
		}, `
			2026-03-01 USD  1 0  1 0  0 0  1`},

		{"bodies of versions without current_total_price write nothing off", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00", more: fields{"current_total_price": nil}, refunds: []fields{refund(11, "2026-03-02 09:00", paidBack("20.00"))}}.as(updated, "2026-03-02 09:00"),
		}, `
			2026-03-01 USD  1 0  100 0  0 0   100
			2026-03-02 USD  0 0  0   0  1 20  -20`},

		{"a body that says nothing of the order changes nothing", []delivery{
			sale{id: 1, created: "2026-03-01 10:00", total: "100.00"}.as(create, "2026-03-01 10:00"),
			{"orders/updated", "order/1", on("2026-03-09 10:00"), fields{"id": 1}},
			{"orders/edited", "order/1", on("2026-03-09 10:00"), fields{"order_edit": fields{"order_id": 1}}},
		}, `
			2026-03-01 USD  1 0  100 0  0 0  100`},
	}
}

// TestSalesAreWhatAnAccountantWouldWrite books all cases, each in a shop of its own, looks, merges and looks again.
func TestSalesAreWhatAnAccountantWouldWrite(t *testing.T) {
	db := databasetest.Open(t, enginetest.Start(t))
	databasetest.Migrate(t, db)
	var all book
	for _, c := range salesCases() {
		all.add(t, c.name, c.events...)
	}
	insertAll(t, db, all.records)
	look := func(t *testing.T) {
		t.Helper()
		for _, c := range salesCases() {
			wantSheet(t, db, "SELECT concatWithSeparator(' ', toString(day), currency, toString(orders), toString(cancelled_orders), toString(gross), toString(written_off), toString(refunds), toString(refunded), toString(net)) "+
				"FROM %.sales_by_day WHERE shop = '"+c.name+"' ORDER BY day, currency", c.want)
		}
		// The same from the minutes, by currency: whoever adds up other spans gets the same sums.
		wantSheet(t, db, `SELECT concatWithSeparator(' ', currency, toString(sum(orders)), toString(sum(gross)), toString(sum(net))) FROM %.sales_by_minute
			WHERE shop = 'currencies are not added up, and zero-decimal ones have no cents' GROUP BY currency ORDER BY currency`, `
			BHD 1 0.1234 0.1234
			JPY 1 23600  23600
			USD 1 100    100`)
		wantSheet(t, db, `SELECT concatWithSeparator(' ', toString(day), ifNull(toString(average_order_value), 'none')) FROM %.sales_by_day WHERE shop = 'two orders, paid or not, are gross on their day' ORDER BY day`,
			`2026-03-01 74.975   | 149.95 / 2`)
		wantSheet(t, db, `SELECT concatWithSeparator(' ', toString(total_tax), toString(total_shipping), toString(total_tips), toString(gift_cards)) FROM %.orders_current WHERE startsWith(shop, 'shipping')`,
			`7.3 10 5 25`)
	}
	look(t)
	merge(t, db)
	t.Run("after a merge", look)
}
