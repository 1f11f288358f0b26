package truth

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/schemas"
)

// desk enters webhooks into a book, as producer and reader at once.
type desk struct {
	t      *testing.T
	book   *Book
	n      int
	offset int64
	now    time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return &desk{t: t, book: NewBook(), now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
}

func (d *desk) event(topic, subject string) *schemas.Event {
	d.n++
	d.now = d.now.Add(time.Millisecond)
	return &schemas.Event{
		ID: fmt.Sprintf("00000001-0000-4000-8000-%012x", d.n), Shop: "a.myshopify.com", Topic: topic, Subject: subject, Time: d.now, Received: d.now,
		PartitionKey: "a.myshopify.com|" + subject,
	}
}

// tell enters a webhook that was committed and seen.
func (d *desk) tell(topic, subject, body string) *schemas.Event {
	d.t.Helper()
	e := d.event(topic, subject)
	if err := d.book.Sent(e, []byte(body), Committed); err != nil {
		d.t.Fatal(err)
	}
	d.see(e, body)
	return e
}

func (d *desk) see(e *schemas.Event, body string) {
	d.t.Helper()
	d.offset += 2
	if err := d.book.Seen(Place{"shopify.orders", 0}, d.offset, e, []byte(body)); err != nil {
		d.t.Fatal(err)
	}
}

// order is a body; more is further fields.
func order(id int, updated, total, current, more string) string {
	return fmt.Sprintf(`{"id":%d,"name":"#%d","currency":"EUR","test":false,"total_price":"%s","current_total_price":"%s","subtotal_price":"%s","total_tax":"0.00",
		"total_discounts":"0.00","financial_status":"paid","fulfillment_status":null,"created_at":"2026-10-05T10:00:30+02:00","updated_at":"2026-10-05T%s+02:00",
		"cancelled_at":null%s}`, id, id, total, current, total, updated, more)
}

// rows asks a check by its name.
func (d *desk) rows(name string) []string {
	d.t.Helper()
	for _, c := range Checks() {
		if c.Name == name {
			rows := c.Rows(d.book)
			slices.Sort(rows)
			return rows
		}
	}
	d.t.Fatalf("no check %q", name)
	return nil
}

func (d *desk) expect(name string, want ...string) {
	d.t.Helper()
	got := d.rows(name)
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], " ", "\t")
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		d.t.Errorf("%s:\n got %q\nwant %q", name, got, want)
	}
}

func (d *desk) audit(want ...string) {
	d.t.Helper()
	got := d.book.Audit()
	if len(got) != len(want) {
		d.t.Fatalf("audit: %q, want %d faults", got, len(want))
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			d.t.Errorf("audit: %q, want %q", got[i], want[i])
		}
	}
}

const october5 = "a.myshopify.com 2026-10-05 EUR "

func TestTheNewestVersionWinsWhateverTheOrder(t *testing.T) {
	d := newDesk(t)
	d.tell("orders/updated", "order/1", order(1, "12:00:00", "30.00", "30.00", ""))
	d.tell("orders/create", "order/1", order(1, "11:00:00", "10.00", "10.00", ""))
	// A tie of updated_at: the later webhook has it.
	d.tell("orders/updated", "order/1", order(1, "12:00:00", "31.50", "31.50", ""))
	d.expect("sales by day", october5+"1 0 31.5000 0.0000 0 0.0000 31.5000 31.5000 0 0 -1")
	if d.audit(); d.book.Records() != 3 || d.book.Events() != 3 {
		t.Errorf("%d records, %d events", d.book.Records(), d.book.Events())
	}
}

func TestARepeatChangesOnlyTheOffset(t *testing.T) {
	d := newDesk(t)
	body := order(1, "12:00:00", "30.00", "30.00", "")
	e := d.tell("orders/create", "order/1", body)
	if err := d.book.Sent(e, []byte(body), Committed); err != nil {
		t.Fatal(err)
	}
	d.see(e, body)
	d.audit()
	d.expect("repeated deliveries", "2 1")
	d.expect("events by minute", fmt.Sprintf("1793534400 orders/create 2 %d 0 0", 2*len(body)))
	if d.book.Records() != 2 || d.book.Events() != 1 {
		t.Errorf("%d records of %d events", d.book.Records(), d.book.Events())
	}
	if got := d.rows("orders"); len(got) != 1 || !strings.HasSuffix(got[0], "\t4") {
		t.Errorf("orders %q", got)
	}
}

func TestAPartialRefundIsBookedOnItsDayAndNotWrittenOff(t *testing.T) {
	d := newDesk(t)
	refund := `{"id":7,"order_id":1,"created_at":"2026-10-06T09:00:00+02:00","processed_at":"2026-10-06T09:00:00+02:00",
		"refund_line_items":[{"line_item_id":11,"quantity":2}],
		"transactions":[{"kind":"refund","status":"failure","amount":"12.00","currency":"EUR"},{"kind":"refund","status":"success","amount":"12.00","currency":"EUR"},
		{"kind":"sale","status":"success","amount":"99.00","currency":"EUR"}]}`
	d.tell("orders/create", "order/1", order(1, "11:00:00", "50.00", "50.00", ""))
	d.tell("refunds/create", "order/1", refund)
	// 50 were ordered, 12 went back, 3 more were taken off by an edit.
	d.tell("orders/updated", "order/1", order(1, "13:00:00", "50.00", "35.00", `,"refunds":[`+refund+`]`))
	d.expect("sales by day",
		october5+"1 0 50.0000 3.0000 0 0.0000 47.0000 50.0000 0 0 -1",
		`a.myshopify.com 2026-10-06 EUR 0 0 0.0000 0.0000 1 12.0000 -12.0000 \N 0 0 -1`)
	if got := d.rows("refunds"); len(got) != 1 || !strings.Contains(got[0], "\tEUR\t0\t12.0000\t2\t[11]\t[2]\t") {
		t.Errorf("refunds %q", got)
	}
}

func TestTestOrdersAndDeletedOnesAreNotBooked(t *testing.T) {
	d := newDesk(t)
	d.tell("orders/create", "order/1", strings.Replace(order(1, "11:00:00", "50.00", "50.00", ""), `"test":false`, `"test":true`, 1))
	d.tell("orders/delete", "order/2", `{"id":2}`)
	d.tell("orders/updated", "order/2", order(2, "11:00:00", "60.00", "60.00", ""))
	d.expect("sales by day")
	d.expect("sales by minute")
	if got := d.rows("orders"); len(got) != 1 {
		t.Errorf("orders %q", got)
	}
	if got := d.rows("deletions"); len(got) != 1 || !strings.HasPrefix(got[0], "order\ta.myshopify.com\t2\t") {
		t.Errorf("deletions %q", got)
	}
}

func TestLinesOfTheNewestVersionAndTheUnitsThatAreLeft(t *testing.T) {
	d := newDesk(t)
	line := func(id, quantity, current int) string {
		return fmt.Sprintf(`{"id":%d,"sku":"S","title":"T","price":"2.50","quantity":%d,"current_quantity":%d,"discount_allocations":[{"amount":"0.75"}]}`, id, quantity, current)
	}
	d.tell("orders/updated", "order/1", order(1, "12:00:00", "5.00", "5.00", `,"line_items":[`+line(1, 2, 1)+`]`))
	d.tell("orders/create", "order/1", order(1, "11:00:00", "9.00", "9.00", `,"line_items":[`+line(1, 2, 2)+`,`+line(2, 4, 4)+`]`))
	d.expect("order_lines", "a.myshopify.com 1 1 0 0 S T 2.5000 2 1 4.2500 EUR 0")
	d.expect("units by day", "a.myshopify.com 2026-10-05 S 2 1")
}

func TestTheFirstOrderMakesACustomerNew(t *testing.T) {
	d := newDesk(t)
	buyer := `,"customer":{"id":5}`
	d.tell("orders/create", "order/2", strings.ReplaceAll(order(2, "11:00:00", "1.00", "1.00", buyer), "2026-10-05", "2026-10-07"))
	d.tell("orders/create", "order/1", order(1, "11:00:00", "1.00", "1.00", buyer))
	d.expect("customers by day", "a.myshopify.com 2026-10-05 1 1 0", "a.myshopify.com 2026-10-07 1 0 1")
}

func TestAFulfilmentTakesTheTimeOfTheFirstParcel(t *testing.T) {
	d := newDesk(t)
	parcel := func(id int, status, at string) string {
		return fmt.Sprintf(`{"id":%d,"order_id":1,"status":"%s","created_at":"2026-10-05T%s+02:00","updated_at":"2026-10-05T%s+02:00","line_items":[{"quantity":3}]}`, id, status, at, at)
	}
	d.tell("orders/fulfilled", "order/1", order(1, "12:00:00", "1.00", "1.00", `,"fulfillments":[`+parcel(1, "cancelled", "10:01:00")+`,`+parcel(2, "success", "10:02:00")+`]`))
	d.expect("sales by day", october5+"1 0 1.0000 0.0000 0 0.0000 1.0000 1.0000 1 90 90")
	if got := d.rows("fulfillments"); len(got) != 2 {
		t.Errorf("fulfillments %q", got)
	}
}

func TestCheckoutsAreCompletedOrAbandoned(t *testing.T) {
	d := newDesk(t)
	checkout := func(token, updated, completed string) string {
		return `{"id":1` + token[1:] + `,"token":"` + token + `","currency":"EUR","total_price":"7.00","created_at":"2026-10-05T10:00:00Z","updated_at":"` + updated + `","completed_at":` + completed + `}`
	}
	d.tell("checkouts/create", "checkout/t1", checkout("t1", "2026-10-05T10:00:00Z", "null"))
	d.tell("checkouts/create", "checkout/t2", checkout("t2", "2026-10-05T10:00:00Z", "null"))
	d.tell("checkouts/update", "checkout/t2", checkout("t2", "2026-10-05T10:05:00Z", `"2026-10-05T10:05:00Z"`))
	d.tell("checkouts/create", "checkout/t3", checkout("t3", "2026-10-05T10:00:00Z", "null"))
	d.tell("checkouts/delete", "checkout/13", `{"id":13}`)
	d.expect("checkouts by day", october5+"2 1 1 7.0000")
}

func TestAuditFindsWhatProducerAndReaderDisagreeOn(t *testing.T) {
	d := newDesk(t)
	body := order(1, "11:00:00", "1.00", "1.00", "")
	lost := d.event("orders/create", "order/1")
	if err := d.book.Sent(lost, []byte(body), Committed); err != nil {
		t.Fatal(err)
	}
	perhaps := d.event("orders/create", "order/2")
	if err := d.book.Sent(perhaps, []byte(body), Unknown); err != nil {
		t.Fatal(err)
	}
	phantom := d.event("orders/create", "order/3")
	phantom.ID = "ffffffff-0000-4000-8000-000000000001"
	d.see(phantom, body)
	other := d.tell("orders/create", "order/4", body)
	d.see(other, body+" ")
	d.audit("aborted transaction", "is not what was sent", "event 1 was committed in 1 records")
}

func TestMoneyIsExact(t *testing.T) {
	for text, want := range map[string]string{`"0.1"`: "0.1000", `"12345678901.2345"`: "12345678901.2345", `"700"`: "700.0000", `"-1.005"`: "-1.0050", `null`: "0.0000"} {
		var m money
		if err := m.UnmarshalJSON([]byte(text)); err != nil || m.String() != want {
			t.Errorf("%s: %s, %v", text, m, err)
		}
	}
	for _, text := range []string{`"0.00001"`, `"x"`, `1.5`} {
		var m money
		if err := m.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is %s", text, m)
		}
	}
}

func TestCountFromAnOffset(t *testing.T) {
	d := newDesk(t)
	for range 5 {
		d.tell("orders/create", "order/1", order(1, "11:00:00", "1.00", "1.00", ""))
	}
	at := Place{"shopify.orders", 0} // 2, 4, 6, 8, 10
	for offset, want := range map[int64]int{0: 5, 2: 5, 3: 4, 10: 1, 11: 0} {
		if got := d.book.CountFrom(at, offset); got != want {
			t.Errorf("from %d: %d, want %d", offset, got, want)
		}
	}
}
