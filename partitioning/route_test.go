package partitioning_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millrace/partitioning"
)

const shop = "acme.myshopify.com"

func TestTopicAndBodyDecideTheEntity(t *testing.T) {
	tests := map[string]struct{ topic, body, kafka, subject string }{
		"an order by its id":                       {"orders/create", `{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/1"}`, "orders", "order/820982911946154508"},
		"an order by its gid":                      {"orders/updated", `{"admin_graphql_api_id":"gid://shopify/Order/820982911946154508"}`, "orders", "order/820982911946154508"},
		"an order cut down to its id":              {"orders/delete", `{"id":820982911946154508}`, "orders", "order/820982911946154508"},
		"an edit by the order, not by itself":      {"orders/edited", `{"order_edit":{"id":7,"order_id":820982911946154508}}`, "orders", "order/820982911946154508"},
		"a risk by the order's gid":                {"orders/risk_assessment_changed", `{"order_id":null,"admin_graphql_api_order_id":"gid://shopify/Order/5"}`, "orders", "order/5"},
		"a refund by the order":                    {"refunds/create", `{"id":1,"order_id":5}`, "orders", "order/5"},
		"a refund without an order by itself":      {"refunds/create", `{"id":1,"order_id":null}`, "orders", "refund/1"},
		"a transaction by the order":               {"order_transactions/create", `{"id":1,"order_id":5,"parent_id":9}`, "orders", "order/5"},
		"a fulfilment by the order":                {"fulfillments/update", `{"id":1,"order_id":5}`, "orders", "order/5"},
		"a return request by the order":            {"returns/request", `{"id":1,"order":{"id":5}}`, "orders", "order/5"},
		"a return update by the return":            {"returns/update", `{"admin_graphql_api_id":"gid://shopify/Return/1"}`, "orders", "return/1"},
		"a fulfilment order by its gid":            {"fulfillment_orders/cancelled", `{"fulfillment_order":{"id":"gid://shopify/FulfillmentOrder/1"},"replacement_fulfillment_order":{"id":"gid://shopify/FulfillmentOrder/2"}}`, "orders", "fulfillment_order/1"},
		"a moved fulfilment order by the original": {"fulfillment_orders/moved", `{"moved_fulfillment_order":{"id":"gid://shopify/FulfillmentOrder/2"},"original_fulfillment_order":{"id":"gid://shopify/FulfillmentOrder/1"}}`, "orders", "fulfillment_order/1"},
		"a merge by its numeric intent":            {"fulfillment_orders/merged", `{"merge_intents":[{"fulfillment_order_id":3},{"fulfillment_order_id":4}]}`, "orders", "fulfillment_order/3"},
		"an open draft by itself":                  {"draft_orders/update", `{"id":8,"order_id":null}`, "orders", "draft_order/8"},
		"a completed draft by itself as before":    {"draft_orders/update", `{"id":8,"order_id":5}`, "orders", "draft_order/8"},
		"a contract by itself":                     {"subscription_contracts/create", `{"id":6,"origin_order_id":5}`, "orders", "subscription_contract/6"},
		"a billing cycle by its contract":          {"subscription_billing_cycles/skip", `{"subscription_contract_id":6}`, "orders", "subscription_contract/6"},
		"a level by the item":                      {"inventory_levels/disconnect", `{"inventory_item_id":271878346596884015,"location_id":24}`, "inventory", "inventory_item/271878346596884015"},
		"a level without an item by nothing":       {"inventory_levels/update", `{"admin_graphql_api_id":"gid://shopify/InventoryLevel/24?inventory_item_id=7"}`, "inventory", "shop"},
		"an item by itself":                        {"inventory_items/delete", `{"id":7}`, "inventory", "inventory_item/7"},
		"a variant by the product":                 {"variants/in_stock", `{"id":7,"product_id":9}`, "products", "product/9"},
		"a listing by the product":                 {"product_listings/add", `{"product_listing":{"product_id":9}}`, "products", "product/9"},
		"a merge of customers by the one kept":     {"customers/merge", `{"admin_graphql_api_customer_deleted_id":"gid://shopify/Customer/2","admin_graphql_api_customer_kept_id":"gid://shopify/Customer/1"}`, "customers", "customer/1"},
		"a summary by the customer":                {"customers/purchasing_summary", `{"customerId":"gid://shopify/Customer/1","lastOrderId":"gid://shopify/Order/1"}`, "customers", "customer/1"},
		"tags by the customer":                     {"customer.tags_added", `{"customerId":"gid://shopify/Customer/1"}`, "customers", "customer/1"},
		"a segment's member by the customer":       {"customer.joined_segment", `{"shop_id":"gid://shopify/Shop/1","customer_id":"gid://shopify/Customer/2"}`, "customers", "customer/2"},
		"a checkout by its token":                  {"checkouts/create", `{"id":981820079255243537,"token":"Z2NwLXVzLWVhc3Qx"}`, "checkouts", "checkout/Z2NwLXVzLWVhc3Qx"},
		"a deleted checkout by its id":             {"checkouts/delete", `{"id":981820079255243537,"cart_token":"x"}`, "checkouts", "checkout/981820079255243537"},
		"a cart by its token":                      {"carts/update", `{"id":"eeafa272cebfd4b22385bc4b645e762c","token":"eeafa272cebfd4b22385bc4b645e762c"}`, "checkouts", "cart/eeafa272cebfd4b22385bc4b645e762c"},
		"a redaction by the customer":              {"customers/redact", `{"shop_id":1,"customer":{"id":191167},"orders_to_redact":[1]}`, "shop", "customer/191167"},
		"a redaction of an address by the shop":    {"customers/redact", `{"shop_id":1,"customer":{"email":"a@b.c"}}`, "shop", "shop"},
		"an uninstalled app by the shop":           {"app/uninstalled", `{"id":548380009}`, "shop", "shop"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := partitioning.For(shop, tt.topic, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			want := partitioning.Route{Topic: "shopify." + tt.kafka, Subject: tt.subject, Key: shop + "|" + tt.subject, Known: true}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("route (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnUnknownTopicStaysWithItsEntity(t *testing.T) {
	tests := map[string]struct{ topic, body, kafka, subject string }{
		"new topic of the order":          {"orders/archived", `{"id":5}`, "orders", "order/5"},
		"new topic of a part of it":       {"orders/noted", `{"id":1,"order_id":5}`, "orders", "order/5"},
		"new topic of a stock item":       {"inventory_levels/reserved", `{"inventory_item_id":7,"order_id":5}`, "inventory", "inventory_item/7"},
		"new topic with a dot":            {"customer.email_changed", `{"customerId":"gid://shopify/Customer/3"}`, "customers", "customer/3"},
		"new group with an order":         {"gift_wraps/create", `{"id":1,"order_id":5}`, "shop", "order/5"},
		"new group by itself":             {"gift_wraps/create", `{"id":1}`, "shop", "gift_wrap/1"},
		"new group without an id":         {"gift_wraps/create", `{"note":"x"}`, "shop", "shop"},
		"a name that cannot be in a key":  {"x|y\n/create", `{"id":1}`, "shop", "shop"},
		"a name in the form of a request": {"ORDERS_CREATE", `{"id":1}`, "shop", "shop"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := partitioning.For(shop, tt.topic, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			want := partitioning.Route{Topic: "shopify." + tt.kafka, Subject: tt.subject, Key: shop + "|" + tt.subject, Known: false}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("route (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOneThingHasOneKeyInEveryForm(t *testing.T) {
	long := strings.Repeat("7", 129)
	tests := map[string]string{ // value of "id": subject
		`820982911946154508`:                                 "order/820982911946154508",
		`"820982911946154508"`:                               "order/820982911946154508",
		`"gid://shopify/Order/820982911946154508"`:           "order/820982911946154508",
		`"gid://shopify/Order/820982911946154508?x=y&z=1/2"`: "order/820982911946154508",
		`"gid:\/\/shopify\/Order\/820982911946154508"`:       "order/820982911946154508",
		`"\u0038\u0032"`:                                     "order/82",
		`9223372036854775808`:                                "order/9223372036854775808",
		`340282366920938463463374607431768211456`:            "order/340282366920938463463374607431768211456",
		`"exampleCartId"`:                                    "order/exampleCartId",
		`"gid://shopify/Cart/Z2NwLXVz?key=1f"`:               "order/Z2NwLXVz",
		`"Z2NwLXVz?key=1f"`:                                  "order/Z2NwLXVz",
		`"a|b/c d%\u0000\u001f\u007fé"`:                      "order/a%7Cb%2Fc%20d%25%00%1F%7F%C3%A9",
		`"gid://shopify/Thing/a/b"`:                          "order/a%2Fb",
		`"007"`:                                              "order/007",
		`"` + strings.Repeat("x", 128) + `"`:                 "order/" + strings.Repeat("x", 128),
		`"` + long + `"`:                                     "order/sha256-cf54bdd2d3242655a3add02b022161bdb283c29fcc8b0957e57838f116e8a009",
		long:                                                 "order/sha256-cf54bdd2d3242655a3add02b022161bdb283c29fcc8b0957e57838f116e8a009",
		`"gid://shopify/Order/` + long + `"`:                 "order/sha256-cf54bdd2d3242655a3add02b022161bdb283c29fcc8b0957e57838f116e8a009",
	}
	for value, want := range tests {
		got, err := partitioning.For(shop, "orders/create", []byte(`{"id":`+value+`}`))
		if err != nil || got.Subject != want {
			t.Errorf("%s gives %q and error %v, want %q", value, got.Subject, err, want)
		}
	}
}

func TestWhatIsNoIDIsPassedOver(t *testing.T) {
	for _, value := range []string{
		`null`, `true`, `false`, `0`, `-1`, `1.5`, `1e3`, `1E3`, `1.0`, `-0`, `{}`, `{"id":1}`, `[]`, `[1]`, `""`, `"0"`, `"000"`, `"-1"`, `"?x=1"`,
		`"gid://"`, `"gid://shopify"`, `"gid://shopify/Order"`, `"gid://shopify/Order/"`, `"gid://shopify/Order/0"`, `"gid://shopify/Order/?x=1"`,
	} {
		body := []byte(`{"id":` + value + `,"admin_graphql_api_id":"gid://shopify/Order/42"}`)
		if got, err := partitioning.For(shop, "orders/create", body); err != nil || got.Subject != "order/42" {
			t.Errorf("id %s: subject %q and error %v, want the next path's order/42", value, got.Subject, err)
		}
		body = []byte(`{"id":` + value + `}`)
		if got, err := partitioning.For(shop, "orders/create", body); err != nil || got.Subject != "shop" {
			t.Errorf("id %s alone: subject %q and error %v, want shop", value, got.Subject, err)
		}
	}
}

func TestOddButValidBodiesAreRouted(t *testing.T) {
	tests := map[string]struct{ body, subject string }{
		"repeated keys: the first counts":        {`{"id":1,"id":2}`, "order/1"},
		"repeated keys: an unusable first too":   {`{"id":null,"id":2}`, "shop"},
		"an escaped key":                         {`{"\u0069d":1}`, "order/1"},
		"a key in other case":                    {`{"ID":1}`, "shop"},
		"an id deeper than it should be":         {`{"order":{"id":1}}`, "shop"},
		"an id within a string":                  {`{"note":"\"id\":1"}`, "shop"},
		"space around everything":                {" \r\n\t{ \"id\" :\t1 } \n", "order/1"},
		"an empty object":                        {`{}`, "shop"},
		"an array":                               {`[{"id":1}]`, "shop"},
		"a string that looks like an object":     {`"{\"id\":1}"`, "shop"},
		"a number":                               {`1`, "shop"},
		"null":                                   {`null`, "shop"},
		"bytes that are not UTF-8 in a string":   {"{\"note\":\"\xff\xfe\",\"id\":1}", "order/1"},
		"an escaped NUL":                         {`{"note":"\u0000","id":1}`, "order/1"},
		"an id of bytes that are not UTF-8":      {"{\"id\":\"a\xff\"}", "order/a%FF"},
		"as deep as is allowed":                  {`{"id":1,"x":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + `}`, "order/1"},
		"as deep as is allowed, and wide":        {`{"y":[],"id":1,"x":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + `}`, "order/1"},
		"wide, with many brackets":               {`{"id":1,"x":[` + strings.Repeat("[],", 5000) + `[]]}`, "order/1"},
		"many brackets within a string":          {`{"id":1,"x":"` + strings.Repeat(`[\"`, 5000) + `"}`, "order/1"},
		"a string that ends in a backslash pair": {`{"id":1,"x":"` + strings.Repeat("[", 2000) + `\\","y":[]}`, "order/1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := partitioning.For(shop, "orders/create", []byte(tt.body))
			if err != nil || got.Subject != tt.subject {
				t.Errorf("subject %q and error %v, want %q", got.Subject, err, tt.subject)
			}
		})
	}
}

func TestUnparsableBodiesAreRefused(t *testing.T) {
	tests := map[string]string{
		"empty":                       "",
		"space alone":                 " \n",
		"cut off":                     `{"id":1`,
		"cut off in a string":         `{"id":"1`,
		"two values":                  `{"id":1}{"id":2}`,
		"a comma too many":            `{"id":1,}`,
		"single quotes":               `{'id':1}`,
		"not a number":                `{"id":NaN}`,
		"a leading zero":              `{"id":01}`,
		"a NUL":                       "{\"id\":1}\x00",
		"a bare NUL in a string":      "{\"id\":\"\x00\"}",
		"a bare line end in a string": "{\"id\":\"a\nb\"}",
		"a byte order mark":           "\xef\xbb\xbf{\"id\":1}",
		"form data":                   "id=1&x=2",
		"HTML":                        "<html></html>",
		"one level too deep":          `{"id":1,"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
		"100 000 arrays":              strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"100 000 objects":             strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
		"10 MiB of open brackets":     strings.Repeat("[", 10<<20),
		"deep after a broken string":  `"\` + strings.Repeat("[", 2000),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := partitioning.For(shop, "orders/create", []byte(body))
			if !errors.Is(err, partitioning.ErrUnparsable) || got != (partitioning.Route{}) {
				t.Errorf("route %+v and error %v, want ErrUnparsable and no route", got, err)
			}
		})
	}
}

func TestARouteDoesNotHoldOnToTheBody(t *testing.T) {
	body := []byte(`{"id":"token-1234567890"}`)
	got, err := partitioning.For(shop, "carts/create", body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if want := shop + "|cart/token-1234567890"; got.Key != want || got.Subject != want[len(shop)+1:] {
		t.Errorf("after the body's buffer was reused the route is %+v", got)
	}
}

func TestQuarantineIsKeyedByTheDelivery(t *testing.T) {
	tests := map[string]string{
		"b54557e4-bdd9-4b37-8a5f-bf7d70bcd043": "delivery/b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
		"a|b\n":                                "delivery/a%7Cb%0A",
		"":                                     "shop",
	}
	for id, subject := range tests {
		want := partitioning.Route{Topic: "shopify.quarantine", Subject: subject, Key: shop + "|" + subject}
		if diff := cmp.Diff(want, partitioning.Quarantine(shop, id)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", id, diff)
		}
	}
}
