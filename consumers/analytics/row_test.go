package analytics

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

func TestExtractReadsWhatItCanAndCountsTheRest(t *testing.T) {
	zero := func(change func(x *extracts)) extracts {
		x := extracts{totalPrice: "0", currentTotal: "0", subtotal: "0", totalTax: "0", totalDiscounts: "0"}
		change(&x)
		return x
	}
	none := func(*extracts) {}
	for name, tc := range map[string]struct {
		body     string
		want     extracts
		problems problems
	}{
		"money is kept as the text that was sent": {
			`{"total_price":"404.95","current_total_price":"-0.5","subtotal_price":23600,"total_tax":"0.0001","total_discounts":10.10}`,
			zero(func(x *extracts) {
				x.totalPrice, x.currentTotal, x.subtotal, x.totalTax, x.totalDiscounts = "404.95", "-0.5", "23600", "0.0001", "10.10"
			}),
			problems{},
		},
		"a fifth decimal is rounded half to even and counted": {
			`{"total_price":"1.00005","subtotal_price":"1.00015","total_tax":0.123456789}`,
			zero(func(x *extracts) { x.totalPrice, x.subtotal, x.totalTax = "1", "1.0002", "0.1235" }),
			problems{problemMoney: 3},
		},
		"money that does not fit is left at zero": {
			`{"total_price":"100000000000000","subtotal_price":"99999999999999.99995","total_tax":"","total_discounts":"12,50","current_total_price":true}`,
			zero(none),
			problems{problemMoney: 5},
		},
		"an exponent is refused before anyone computes it": {
			`{"total_price":1e999999999,"subtotal_price":"1e3"}`, zero(none), problems{problemMoney: 2},
		},
		"the largest amount fits": {
			`{"total_price":"99999999999999.9999","subtotal_price":"-99999999999999.9999"}`,
			zero(func(x *extracts) { x.totalPrice, x.subtotal = "99999999999999.9999", "-99999999999999.9999" }),
			problems{},
		},
		"times are instants with their offset applied": {
			`{"updated_at":"2021-12-31T19:00:00-05:00","created_at":"2024-09-17T08:15:13.280Z"}`,
			zero(func(x *extracts) {
				x.updatedAt = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)
				x.createdAt = time.Date(2024, 9, 17, 8, 15, 13, 280e6, time.UTC)
			}),
			problems{},
		},
		"times beyond the column's range are clamped and counted": {
			`{"updated_at":"9999-12-31T23:59:59Z","created_at":"0001-01-01T00:00:00Z"}`,
			zero(func(x *extracts) {
				x.updatedAt = time.Date(2262, 4, 11, 23, 47, 16, 0, time.UTC)
				x.createdAt = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
			}),
			problems{problemRange: 2},
		},
		"times that are none are counted": {
			`{"updated_at":"yesterday","created_at":1700000000,"cancelled_at":{}}`, zero(none), problems{problemTime: 3},
		},
		"ids above 2^53 stay exact": {
			`{"customer":{"id":9007199254740993}}`, zero(func(x *extracts) { x.customerID = 9007199254740993 }), problems{},
		},
		"an id as text is an id": {
			`{"customer":{"id":"18446744073709551615"}}`, zero(func(x *extracts) { x.customerID = 18446744073709551615 }), problems{},
		},
		"a customer without an id is legal": {`{"customer":{"email":"a@b.c"}}`, zero(none), problems{}},
		"a customer's id that is no number of 64 bits": {
			`{"customer":{"id":1.5}}`, zero(none), problems{problemCustomer: 1},
		},
		"null is the same as missing": {
			`{"total_price":null,"updated_at":null,"customer":null,"test":null,"currency":null}`, zero(none), problems{},
		},
		"wrong types lose nothing but themselves": {
			`{"currency":{"a":1},"test":"true","name":["x"],"customer":7,"financial_status":"paid"}`,
			zero(func(x *extracts) { x.financialStatus = "paid" }),
			problems{problemText: 2, problemBool: 1, problemCustomer: 1},
		},
		"a status that is too long for a dictionary": {
			`{"fulfillment_status":"` + strings.Repeat("x", 65) + `"}`, zero(none), problems{problemText: 1},
		},
		"of a repeated key the first counts": {
			`{"currency":"USD","currency":"EUR"}`, zero(func(x *extracts) { x.currency = "USD" }), problems{},
		},
		"fields of nested objects are not the event's": {
			`{"shipping":{"total_price":"9","currency":"EUR"},"line_items":[{"name":"x"}],"name":"#1","test":true}`,
			zero(func(x *extracts) { x.name, x.test = "#1", true }),
			problems{},
		},
		"an array":        {`[{"currency":"USD"}]`, zero(none), problems{problemBody: 1}},
		"no body":         {``, zero(none), problems{problemBody: 1}},
		"a number":        {`17`, zero(none), problems{problemBody: 1}},
		"a body cut off":  {`{"currency":"USD","total_price":"1`, zero(func(x *extracts) { x.currency = "USD" }), problems{}},
		"NUL and UTF-8":   {"{\"name\":\"a\x00\xff\"}", zero(func(x *extracts) { x.name = "a\x00\xff" }), problems{}},
		"an escaped name": {`{"name":"\u0041\n"}`, zero(func(x *extracts) { x.name = "A\n" }), problems{}},
	} {
		t.Run(name, func(t *testing.T) {
			var got extracts
			var p problems
			extract("carts/update", tc.body, &got, &p)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(extracts{})); diff != "" {
				t.Errorf("extracts (-want, +got):\n%s", diff)
			}
			if p != tc.problems {
				t.Errorf("problems = %v, want %v", p, tc.problems)
			}
		})
	}
}

func TestABodyThatLostAFieldThatAModelNeedsIsCounted(t *testing.T) {
	const both = `{"created_at":"2026-03-01T10:00:00Z","updated_at":"2026-03-01T10:00:00Z"}`
	for _, tc := range []struct {
		topic, body string
		want        int
	}{
		{"orders/updated", both, 0},
		{"orders/updated", `{"id":1}`, 2},
		{"orders/create", `{"created_at":null,"updated_at":"2026-03-01T10:00:00Z"}`, 1},
		{"orders/delete", `{"id":1}`, 0},
		{"refunds/create", `{"created_at":"2026-03-01T10:00:00Z"}`, 0},
		{"refunds/create", `{}`, 1},
		{"products/update", `{"created_at":"2026-03-01T10:00:00Z"}`, 1},
		{"inventory_levels/disconnect", `{}`, 0},
		{"carts/update", `{}`, 0},
		{"orders/updated", `[]`, 0}, // the body itself is what is wrong
	} {
		var x extracts
		var p problems
		extract(tc.topic, tc.body, &x, &p)
		if p[problemMissing] != tc.want {
			t.Errorf("%s %s: %d fields missing, want %d", tc.topic, tc.body, p[problemMissing], tc.want)
		}
	}
}

func TestARowHasTheRecordsCoordinatesAttributesAndBody(t *testing.T) {
	e := schemas.Event{
		ID: "w1", Shop: "acme.myshopify.com", Topic: "orders/create", Subject: "order/820982911946154508",
		Time: time.Date(2026, 3, 30, 14, 30, 0, 123456789, time.UTC), Received: time.Date(2026, 3, 30, 14, 30, 1, 5, time.UTC),
		ContentType: "application/json", ShopifyEventID: "e1", ShopifyAPIVersion: "2026-10", PartitionKey: "acme.myshopify.com|order/820982911946154508", TraceParent: "00-ab",
	}
	body := "{\"id\":820982911946154508,\n \"total_price\":\"1.50\"}"
	b := newBlock(1)
	err := b.add(&kgo.Record{Topic: "shopify.orders", Partition: 7, Offset: 1 << 40, Value: []byte(body), Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &e)})
	if err != nil {
		t.Fatalf("add() error: %v", err)
	}
	got := map[string]string{}
	for _, c := range b.columns() {
		got[c.name] = fmt.Sprint(c.values)
	}
	want := map[string]string{
		"id": "[w1]", "type": "[com.shopify.orders.create]", "shop": "[acme.myshopify.com]", "shopify_topic": "[orders/create]",
		"subject": "[order/820982911946154508]", "entity_kind": "[order]", "entity_id": "[820982911946154508]", "order_id": "[820982911946154508]",
		"time": "[2026-03-30 14:30:00.123456789 +0000 UTC]", "received_time": "[2026-03-30 14:30:01.000000005 +0000 UTC]",
		"content_type": "[application/json]", "event_id": "[e1]", "api_version": "[2026-10]", "trace_parent": "[00-ab]",
		"partition_key": "[acme.myshopify.com|order/820982911946154508]", "body": "[" + body + "]",
		"total_price": "[1.50]", "_topic": "[shopify.orders]", "_partition": "[7]", "_offset": "[1099511627776]",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s = %s, want %s", name, got[name], value)
		}
	}
}

func TestARecordThatCannotBeARowIsRejectedWithItsReasonAndLeavesTheBlockAsItWas(t *testing.T) {
	good := schemas.Event{ID: "1", Shop: "a.myshopify.com", Topic: "orders/create", Subject: "order/1", Time: time.Now(), Received: time.Now()}
	change := func(f func(e *schemas.Event)) []kgo.RecordHeader {
		e := good
		f(&e)
		return schemas.AppendHeaders([]kgo.RecordHeader(nil), &e)
	}
	long := strings.Repeat("x", maxAttributeBytes+1)
	for name, tc := range map[string]struct {
		headers []kgo.RecordHeader
		want    reject
	}{
		"no headers":                 {nil, rejectNotAnEvent},
		"no id":                      {change(func(e *schemas.Event) { e.ID = "" }), rejectNotAnEvent},
		"a huge topic":               {change(func(e *schemas.Event) { e.Topic = long }), rejectHeaders},
		"a huge shop":                {change(func(e *schemas.Event) { e.Shop = long }), rejectHeaders},
		"a huge kind":                {change(func(e *schemas.Event) { e.Subject = long + "/1" }), rejectHeaders},
		"received in the far future": {change(func(e *schemas.Event) { e.Received = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }), rejectReceived},
		"received in the far past":   {change(func(e *schemas.Event) { e.Received = time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC) }), rejectReceived},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBlock(1)
			err := b.add(&kgo.Record{Topic: ordersTopic, Headers: tc.headers, Value: []byte(`{}`)})
			var bad *rowError
			if !errors.As(err, &bad) || bad.reason != tc.want {
				t.Errorf("add() error = %v, want reason %s", err, tc.want)
			}
			wantSameLength(t, b, 0)
		})
	}
}

// wantSameLength fails when a column has another number of rows than the block should have: such a block would be
// refused, or worse, shift values between rows.
func wantSameLength(t *testing.T, b *block, rows int) {
	t.Helper()
	for _, c := range b.columns() {
		n := 0
		switch v := c.values.(type) {
		case []string:
			n = len(v)
		case []time.Time:
			n = len(v)
		case []uint64:
			n = len(v)
		case []uint32:
			n = len(v)
		case []bool:
			n = len(v)
		default:
			t.Fatalf("column %s has values of type %T", c.name, c.values)
		}
		if n != rows {
			t.Errorf("column %s has %d rows, want %d", c.name, n, rows)
		}
	}
}

// samplesDir holds real sample bodies; they are not part of the repository.
const samplesDir = "../../../shared/payloads"

// sampleBodies returns the sample bodies with their Shopify topics, in the order of their index.
func sampleBodies(t *testing.T) (paths, topics []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(samplesDir, "SOURCES.tsv"))
	if err != nil {
		t.Skip("the sample bodies are not here")
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("read index of samples: %v", err)
	}
	for _, row := range rows[1:] {
		paths, topics = append(paths, filepath.Join(samplesDir, row[0])), append(topics, row[1])
	}
	return paths, topics
}

func TestEverySampleBodyBecomesARowWithoutProblems(t *testing.T) {
	paths, topics := sampleBodies(t)
	for i, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("read sample: %v", err)
		}
		b := newBlock(1)
		if err := b.add(event(0, path, topics[i], "shop", string(body))); err != nil {
			t.Errorf("%s: add() error: %v", path, err)
		}
		wantSameLength(t, b, 1)
		if b.problems != (problems{}) {
			t.Errorf("%s: problems by kind %v", path, b.problems)
		}
		if b.bodies[0] != string(body) {
			t.Errorf("%s: the body changed", path)
		}
		var full struct {
			TotalPrice json.RawMessage `json:"total_price"`
			UpdatedAt  *string         `json:"updated_at"`
		}
		_ = json.Unmarshal(body, &full) // not all samples are objects
		if text := strings.Trim(string(full.TotalPrice), `"`); text != "" && text != "null" && text != b.totalPrices[0] {
			t.Errorf("%s: total_price = %s, want %s", path, b.totalPrices[0], text)
		}
		if full.UpdatedAt != nil && b.updatedAts[0].IsZero() {
			t.Errorf("%s: updated_at %s was not read", path, *full.UpdatedAt)
		}
	}
}

// FuzzRow: whatever the body and the attributes, add does not panic, keeps the columns of equal length, keeps the body byte
// for byte, and gives only amounts that a Decimal(18, 4) column takes and times that DateTime64 holds.
func FuzzRow(f *testing.F) {
	f.Add("orders/create", "order/1", `{"id":1,"total_price":"1.50","updated_at":"2024-01-01T00:00:00Z","customer":{"id":1}}`)
	f.Add("orders/create", "order/", `{"total_price":1e400,"test":1}`)
	f.Add("", "", "")
	f.Add("x", "order/99999999999999999999", `{"a":{"b":[`)
	f.Fuzz(func(t *testing.T, topic, subject, body string) {
		b := newBlock(1)
		rows := 1
		if err := b.add(event(0, "id", topic, subject, body)); err != nil {
			rows = 0
		}
		wantSameLength(t, b, rows)
		if rows == 0 {
			return
		}
		if b.bodies[0] != body {
			t.Error("the body changed")
		}
		for _, amounts := range [][]string{b.totalPrices, b.currentTotals, b.subtotals, b.totalTaxes, b.totalDiscounts} {
			if !plainMoney(amounts[0]) {
				t.Errorf("amount %q does not fit its column", amounts[0])
			}
		}
		for _, moments := range [][]time.Time{b.times, b.createdAts, b.updatedAts, b.cancelledAts} {
			if y := moments[0].Year(); !moments[0].IsZero() && (y < 1900 || y > 2262) {
				t.Errorf("time %s does not fit its column", moments[0])
			}
		}
	})
}

func BenchmarkRow(b *testing.B) {
	for _, size := range []int{1, 6} {
		b.Run(fmt.Sprintf("%dKB", size), func(b *testing.B) {
			items := strings.Repeat(`,{"id":866550311766439000,"sku":"IPOD-342","price":"199.00","quantity":1,"title":"IPod Nano - 8GB"}`, size*7)
			r := event(0, "w", "orders/create", "order/1", `{"id":1,"currency":"USD","updated_at":"2021-12-31T19:00:00-05:00","total_price":"404.95","line_items":[{}`+items+`],"customer":{"id":1}}`)
			b.SetBytes(int64(len(r.Value)))
			b.ReportAllocs()
			rows := newBlock(1024)
			for i := 0; b.Loop(); i++ {
				if i%1024 == 0 {
					rows = newBlock(1024)
				}
				if err := rows.add(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
