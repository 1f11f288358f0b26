package orderstate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

func webhook(topic, body string) *group.Event {
	e := &group.Event{Key: "acme.myshopify.com|order/1", Body: []byte(body)}
	e.ID, e.Shop, e.Topic, e.Subject, e.Time, e.Received = "w-"+topic, "acme.myshopify.com", topic, "order/1", at(30), at(31)
	return e
}

// translated returns the one event that a webhook becomes.
func translated(t *testing.T, h group.Handler, e *group.Event) schemas.OrderEvent {
	t.Helper()
	u := &grouptest.Unit{Topics: Emits()}
	if out := u.Handle(t.Context(), h, e); out.Kind != grouptest.Done || len(u.Emitted) != 1 {
		t.Fatalf("%s: %+v, %d records", e.Topic, out, len(u.Emitted))
	}
	fact, err := orderevent.Decode(event(t, u.Emitted[0]))
	if err != nil {
		t.Fatalf("%s: %v", e.Topic, err)
	}
	return fact
}

// event is an emitted record as a handler gets it.
func event(t *testing.T, r group.Record) *group.Event {
	t.Helper()
	meta, err := schemas.ParseHeaders(r.Headers)
	if err != nil {
		t.Fatal(err)
	}
	return &group.Event{Event: meta, Key: r.Key, Body: r.Value}
}

const fullOrder = `{"id":1,"name":"#1001","email":"jon@example.com","created_at":"2026-03-30T10:30:01-04:00","updated_at":"2026-03-30T10:30:05-04:00",
	"cancelled_at":"2026-03-30T10:30:04-04:00","cancel_reason":"fraud","financial_status":"partially_refunded","fulfillment_status":null,"currency":"EUR",
	"total_price":"30.00","current_total_price":"25.00","total_outstanding":"0.00","customer":{"id":5,"email":"jon@example.com"},"customer_locale":"de",
	"shipping_address":{"city":"Kiel","country_code":"DE"},
	"line_items":[{"id":11,"variant_id":111,"product_id":null,"sku":"A","title":"Mug","quantity":3,"current_quantity":2,"price":"10.00","requires_shipping":true},
		{"id":12,"quantity":1,"title":"Engraving","price":"0.00"}],
	"refunds":[{"id":9,"created_at":"2026-03-30T10:30:03-04:00","refund_line_items":[{"line_item_id":11,"quantity":1,"restock_type":"return"}],
		"transactions":[{"kind":"refund","status":"success","amount":"4.00","currency":"EUR"},
			{"kind":"refund","status":"success","amount":"1.10","currency":"USD","amount_set":{"shop_money":{"amount":"1.00"}}},
			{"kind":"refund","status":"success","amount":"7.00","currency":"USD"},
			{"kind":"refund","status":"failure","amount":"9.00","currency":"EUR"},
			{"kind":"void","status":"success","amount":"9.00","currency":"EUR"}]}],
	"fulfillments":[{"id":7,"name":"#1001.1","status":"success","created_at":"2026-03-30T14:30:02Z","updated_at":"2026-03-30T14:30:03Z","tracking_company":"UPS",
		"tracking_numbers":["1Z1","1Z2"],"tracking_urls":["https://ups.example/1Z1"],"line_items":[{"id":11,"quantity":2}]}]}`

func TestAnOrderIsTranslatedAsAWhole(t *testing.T) {
	want := schemas.OrderVersion{
		UpdatedAt: at(5), Name: "#1001", CreatedAt: at(1), CancelledAt: at(4), CancelReason: "fraud", FinancialStatus: "partially_refunded",
		Currency: "EUR", TotalPrice: amount(t, "30.00"), CurrentTotalPrice: amount(t, "25.00"), TotalOutstanding: amount(t, "0.00"), CustomerID: "5",
		Lines: []schemas.OrderLine{
			{LineID: "11", VariantID: "111", SKU: "A", Title: "Mug", Quantity: 3, CurrentQuantity: 2, Price: amount(t, "10.00"), Ships: true},
			{LineID: "12", Title: "Engraving", Quantity: 1, CurrentQuantity: 1, Price: amount(t, "0.00")},
		},
		Refunds: []schemas.OrderRefund{{RefundID: "9", CreatedAt: at(3), Amount: amount(t, "5.00"), Lines: []schemas.RefundLine{{LineID: "11", Quantity: 1, RestockType: "return"}}}},
		Fulfillments: []schemas.OrderFulfillment{{
			FulfillmentID: "7", Name: "#1001.1", Status: "success", CreatedAt: at(2), UpdatedAt: at(3), Lines: []schemas.LineQuantity{{LineID: "11", Quantity: 2}},
			Tracking: []schemas.Tracking{{Company: "UPS", Number: "1Z1", URL: "https://ups.example/1Z1"}, {Company: "UPS", Number: "1Z2"}},
		}},
		Contact: &schemas.OrderContact{Email: "jon@example.com", Locale: "de", Address: &schemas.Address{City: "Kiel", CountryCode: "DE"}},
	}
	got := translated(t, &translator{contact: true}, webhook("orders/cancelled", fullOrder))
	if diff := cmp.Diff(&schemas.OrderCancelled{OrderVersion: want}, got.Data); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	got.Data = nil
	event := schemas.OrderEvent{
		ID: "w-orders/cancelled/shop/OrderCancelled", Shop: "acme.myshopify.com", OrderID: "1", At: at(30), Known: at(31), By: "shop",
		Cause: "w-orders/cancelled", Reason: "fraud",
	}
	if diff := cmp.Diff(event, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	want.Contact = nil
	got = translated(t, &translator{}, webhook("orders/create", fullOrder))
	if diff := cmp.Diff(&schemas.OrderCreated{OrderVersion: want}, got.Data); diff != "" {
		t.Errorf("without contact (-want +got):\n%s", diff)
	}
}

func TestEachWebhookOfAnOrderBecomesItsEvent(t *testing.T) {
	for _, tt := range []struct {
		topic, body string
		want        schemas.OrderEventData
	}{
		{"orders/updated", `{"id":1}`, &schemas.OrderUpdated{}},
		{"orders/link_requested", `{"id":1}`, &schemas.OrderUpdated{}},
		{"orders/paid", `{"id":1}`, &schemas.PaymentReceived{}},
		{"orders/partially_fulfilled", `{"id":1}`, &schemas.OrderPartlyFulfilled{}},
		{"orders/fulfilled", `{"id":1}`, &schemas.OrderFulfilled{}},
		{"orders/delete", `{"id":1}`, &schemas.OrderDeleted{}},
		{
			"orders/edited", `{"order_edit":{"id":3,"order_id":1,"created_at":"2026-03-30T14:30:02Z","line_items":{"additions":[{"id":11,"delta":1}],"removals":[{"id":12,"delta":2}]}}}`,
			&schemas.OrderEdited{EditID: "3", CommittedAt: at(2), Added: []schemas.LineQuantity{{LineID: "11", Quantity: 1}}, Removed: []schemas.LineQuantity{{LineID: "12", Quantity: 2}}},
		},
		{
			"refunds/create", `{"id":9,"order_id":1,"created_at":"2026-03-30T14:30:02Z","transactions":[{"kind":"refund","status":"success","amount":"4.50","currency":"EUR"}]}`,
			&schemas.OrderRefunded{OrderRefund: schemas.OrderRefund{RefundID: "9", CreatedAt: at(2), Amount: amount(t, "4.50")}},
		},
		{
			"order_transactions/create", `{"id":4,"order_id":1,"kind":"sale","status":"success","amount":"9.00","currency":"EUR","gateway":"visa","created_at":"2026-03-30T14:30:02Z"}`,
			&schemas.TransactionRecorded{TransactionID: "4", Kind: "sale", Status: "success", Gateway: "visa", Amount: amount(t, "9.00"), Currency: "EUR", CreatedAt: at(2)},
		},
		{
			"fulfillments/update", `{"id":7,"order_id":1,"status":"success","shipment_status":"in_transit","tracking_number":"1Z","tracking_url":"u","updated_at":"2026-03-30T14:30:02Z"}`,
			&schemas.FulfillmentRecorded{OrderFulfillment: schemas.OrderFulfillment{FulfillmentID: "7", Status: "success", ShipmentStatus: "in_transit", UpdatedAt: at(2), Tracking: []schemas.Tracking{{Number: "1Z", URL: "u"}}}},
		},
		{"disputes/create", `{"id":285332461850802050,"status":"under_review"}`, &schemas.ShopEventRecorded{Topic: "disputes/create", ResourceID: "285332461850802050", Status: "under_review"}},
		{"orders/risk_assessment_changed", `{"risk_level":"medium"}`, &schemas.ShopEventRecorded{Topic: "orders/risk_assessment_changed", Status: "medium"}},
		{"orders/of_the_future", `[1]`, &schemas.ShopEventRecorded{Topic: "orders/of_the_future"}},
		{"fulfillment_events/create", `{"id":{"odd":1},"status":"` + strings.Repeat("x", 99) + `"}`, &schemas.ShopEventRecorded{Topic: "fulfillment_events/create"}},
	} {
		if diff := cmp.Diff(tt.want, translated(t, &translator{}, webhook(tt.topic, tt.body)).Data); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.topic, diff)
		}
	}
}

func TestWhatIsNotAboutAnOrderIsSkippedAndWhatCannotBeReadIsGivenUp(t *testing.T) {
	draft := webhook("draft_orders/create", `{"id":1}`)
	draft.Subject = "draft_order/1"
	u := &grouptest.Unit{}
	if out := u.Handle(t.Context(), &translator{}, draft); out.Kind != grouptest.Skipped || out.Reason != skipNoOrder {
		t.Errorf("a draft: %+v", out)
	}
	for _, tt := range [][2]string{
		{"orders/create", `{"id":1,"total_price":"much"}`},
		{"orders/create", `{"name":"#1"}`},
		{"orders/edited", `{}`},
		{"refunds/create", `{"order_id":1}`},
		{"order_transactions/create", `{"order_id":1}`},
		{"fulfillments/create", `{"order_id":1}`},
		{"refunds/create", `[]`},
	} {
		if out := u.Handle(t.Context(), &translator{}, webhook(tt[0], tt[1])); out.Kind != grouptest.Permanent {
			t.Errorf("%s of %s: %+v", tt[0], tt[1], out)
		}
	}
	if len(u.Emitted) != 0 {
		t.Errorf("%d events", len(u.Emitted))
	}
}

// TestTheSampleBodiesAreTranslated takes every sample of a webhook whose entity is an order.
func TestTheSampleBodiesAreTranslated(t *testing.T) {
	dir := os.Getenv("MILLRACE_PAYLOADS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "payloads")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatalf("the sample bodies are missing: %v", err)
		}
		t.Skipf("the sample bodies are missing: %v", err)
	}
	n := 0
	for _, topic := range schemas.Topics() {
		if topic.Domain != schemas.DomainOrders || topic.Entity[0].Kind != "order" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, strings.ReplaceAll(topic.Name, "/", "__"), "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			body, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var s State
			fact := translated(t, &translator{contact: true}, webhook(topic.Name, string(body)))
			s, _ = Fold(s, &fact)
			if !json.Valid(s.Text()) {
				t.Errorf("%s: state %s", f, s.Text())
			}
			n++
		}
	}
	if n < 20 {
		t.Errorf("only %d samples", n)
	}
}
