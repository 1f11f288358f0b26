package shopify

import (
	"encoding/json"
	"testing"

	"github.com/shopspring/decimal"

	"millrace/schemas"
)

func TestAmountsHaveTheirCurrencysDecimals(t *testing.T) {
	for _, tc := range []struct{ amount, currency, want string }{
		{"90.0", "USD", "90.00"}, {"12.5", "EUR", "12.50"}, {"23600.0", "JPY", "23600"}, {"4.2", "KWD", "4.200"}, {"0.0", "XXX", "0.00"}, {"1.005", "USD", "1.005"}, {"-3.0", "USD", "-3.00"},
	} {
		if got := (moneyNode{decimal.RequireFromString(tc.amount), tc.currency}).text(); got != tc.want {
			t.Errorf("%s %s is %s, want %s", tc.amount, tc.currency, got, tc.want)
		}
	}
}

func TestStatesAreThoseOfWebhooks(t *testing.T) {
	for display, want := range map[string]string{"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial", "UNFULFILLED": "", "ON_HOLD": "", "RESTOCKED": "restocked"} {
		if got := delivery(display); got != want {
			t.Errorf("%s is %q, want %q", display, got, want)
		}
	}
	for name, want := range map[string]int64{"#1001": 1001, "EN-1001": 1001, "shop2-77-A": 77} {
		if got := orderNumber(name); got == nil || *got != want {
			t.Errorf("order number of %s is %v, want %d", name, got, want)
		}
	}
}

// TestABodyIsReadAsAWebhook reads what is written through the view that services have.
func TestABodyIsReadAsAWebhook(t *testing.T) {
	var n orderNode
	text := `{"id":"gid://shopify/Order/820982911946154508","name":"#1001","createdAt":"2026-11-26T10:00:00Z","updatedAt":"2026-11-26T10:05:00Z","processedAt":"2026-11-26T10:00:00Z",
		"cancelledAt":null,"closedAt":null,"cancelReason":null,"currencyCode":"USD","presentmentCurrencyCode":"EUR","displayFinancialStatus":"PARTIALLY_REFUNDED","displayFulfillmentStatus":"UNFULFILLED",
		"tags":["a","b"],"totalPriceSet":{"shopMoney":{"amount":"25.0","currencyCode":"USD"},"presentmentMoney":{"amount":"23.1","currencyCode":"EUR"}},"totalTaxSet":null,
		"customer":{"id":"gid://shopify/Customer/7","state":"ENABLED","defaultEmailAddress":{"emailAddress":"a@b.example"}},
		"lineItems":{"nodes":[{"id":"gid://shopify/LineItem/1","quantity":2,"currentQuantity":2,"unfulfilledQuantity":2,"variant":{"id":"gid://shopify/ProductVariant/11"},"product":null,
			"originalUnitPriceSet":{"shopMoney":{"amount":"12.5","currencyCode":"USD"}}}]}}`
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	o := &Order{body: n.body()}
	r := refundNode{ID: 9, Order: reference{n.ID}, Lines: connection[refundLineNode]{Nodes: []refundLineNode{{Quantity: 1, RestockType: "RETURN", Restocked: true, Line: reference{1}}}}}
	o.body.Refunds = append(o.body.Refunds, r.body(map[schemas.ID]lineBody{1: o.body.LineItems[0]}))
	body, err := o.Body()
	if err != nil {
		t.Fatal(err)
	}
	var got schemas.Order
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("the body %s: %v", body, err)
	}
	if got.ID != 820982911946154508 || got.TotalPrice.String() != "25.00" || got.TotalTax.String() != "0.00" || got.TotalLineItemsPrice.String() != "25.00" || got.OrderNumber != 1001 ||
		got.FinancialStatus != "partially_refunded" || got.FulfillmentStatus != "" || got.Tags != "a, b" || got.Customer.Email != "a@b.example" || !got.CancelledAt.IsZero() {
		t.Errorf("read as %+v", got)
	}
	if l := got.LineItems; len(l) != 1 || l[0].VariantID != 11 || l[0].ProductID != 0 || l[0].Price.String() != "12.50" {
		t.Errorf("lines %+v", l)
	}
	if r := got.Refunds; len(r) != 1 || r[0].OrderID != got.ID || !r[0].Restock || r[0].LineItems[0].RestockType != "return" || r[0].LineItems[0].LineItem.VariantID != 11 {
		t.Errorf("refunds %+v", r)
	}
}
