package schemas_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millrace/schemas"
)

// views returns, for the Shopify topics that have one, an empty view of the body.
func views() map[string]func() any {
	byTopic := map[string]func() any{}
	add := func(view func() any, topics string) {
		for topic := range strings.FieldsSeq(topics) {
			byTopic[topic] = view
		}
	}
	add(func() any { return new(schemas.Order) }, "orders/create orders/updated orders/paid orders/cancelled orders/fulfilled orders/partially_fulfilled orders/link_requested orders/delete")
	add(func() any { return new(schemas.OrderEdit) }, "orders/edited")
	add(func() any { return new(schemas.Refund) }, "refunds/create")
	add(func() any { return new(schemas.Transaction) }, "order_transactions/create")
	add(func() any { return new(schemas.Fulfillment) }, "fulfillments/create fulfillments/update")
	add(func() any { return new(schemas.Dispute) }, "disputes/create disputes/update")
	add(func() any { return new(schemas.InventoryLevel) }, "inventory_levels/update inventory_levels/connect inventory_levels/disconnect")
	add(func() any { return new(schemas.InventoryItem) }, "inventory_items/create inventory_items/update inventory_items/delete")
	add(func() any { return new(schemas.Location) }, "locations/create locations/update locations/activate locations/deactivate locations/delete")
	add(func() any { return new(schemas.Product) }, "products/create products/update products/delete")
	add(func() any { return new(schemas.Variant) }, "variants/in_stock variants/out_of_stock")
	add(func() any { return new(schemas.Customer) }, "customers/create customers/update customers/enable customers/disable customers/delete")
	add(func() any { return new(schemas.Checkout) }, "checkouts/create checkouts/update checkouts/delete")
	add(func() any { return new(schemas.Shop) }, "shop/update app/uninstalled")
	add(func() any { return new(schemas.CustomersDataRequest) }, "customers/data_request")
	add(func() any { return new(schemas.CustomersRedact) }, "customers/redact")
	add(func() any { return new(schemas.ShopRedact) }, "shop/redact")
	return byTopic
}

// notInSamples are the fields that no sample body has. Everything else that a view looks for must be in one, so that a
// misspelt name shows.
func notInSamples() []string {
	return []string{
		// The position of a fulfilment or refund has fewer fields than that of an order, and a customer within an order fewer
		// than one by itself.
		"*schemas.Fulfillment.line_items[].current_quantity",
		"*schemas.Order.customer.last_order_id",
		"*schemas.Order.customer.orders_count",
		"*schemas.Order.customer.total_spent",
		"*schemas.Refund.refund_line_items[].line_item.current_quantity",
		// A variant by itself has fewer fields than one within a product.
		"*schemas.Variant.inventory_item_id",
	}
}

// TestEveryViewSaysWhatTheSampleBodySays compares each field of each view, at any depth, with the body that it came from.
func TestEveryViewSaysWhatTheSampleBodySays(t *testing.T) {
	dir := payloads(t)
	c := comparison{found: map[string]bool{}}
	for topic, view := range views() {
		t.Run(topic, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(dir, strings.ReplaceAll(topic, "/", "__"), "*.json"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no sample body (%v)", err)
			}
			for _, file := range files {
				body, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				v := view()
				if err := json.Unmarshal(body, v); err != nil {
					t.Errorf("%s: %v", file, err)
					continue
				}
				out, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				if same := c.compare(t, fmt.Sprintf("%T", v), decode(t, body), decode(t, out)); same == 0 {
					t.Errorf("%s: the view has nothing in common with the body", file)
				}
			}
		})
	}
	var missing []string
	for path, found := range c.found {
		if !found {
			missing = append(missing, path)
		}
	}
	slices.Sort(missing)
	if diff := cmp.Diff(notInSamples(), missing); diff != "" {
		t.Errorf("fields that no sample body has (-expected +found):\n%s", diff)
	}
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// comparison remembers which fields of the views were in any body.
type comparison struct{ found map[string]bool }

// compare reports where a view says something else than the body, and returns how many values it found to be the same.
func (c comparison) compare(t *testing.T, path string, body, view any) (same int) {
	t.Helper()
	switch view := view.(type) {
	case map[string]any:
		object, _ := body.(map[string]any)
		for name, v := range view {
			value, ok := object[name]
			c.found[path+"."+name] = c.found[path+"."+name] || ok
			same += c.compare(t, path+"."+name, value, v)
		}
	case []any:
		list, _ := body.([]any)
		if len(list) != len(view) {
			t.Errorf("%s: %d elements in the body, %d in the view", path, len(list), len(view))
			return same
		}
		for i, v := range view {
			same += c.compare(t, path+"[]", list[i], v)
		}
	default:
		want, got := scalar(body), scalar(view)
		switch {
		case want == "" && (got == "0" || got == "false" || got == ""): // missing, null
		case want == got || sameInstant(want, got) || strings.HasPrefix(want, "gid://") && strings.HasSuffix(want, "/"+got):
			same++
		case body != nil && isContainer(body) && got == "": // an empty list or object
		default:
			t.Errorf("%s: %q in the body, %q in the view", path, want, got)
		}
	}
	return same
}

func isContainer(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func scalar(v any) string {
	if v == nil || isContainer(v) {
		return ""
	}
	return fmt.Sprint(v)
}

func sameInstant(a, b string) bool {
	ta, errA := time.Parse(time.RFC3339Nano, a)
	tb, errB := time.Parse(time.RFC3339Nano, b)
	return errA == nil && errB == nil && ta.Equal(tb)
}

func TestEveryTopicWithASampleBodyIsInTheCatalogue(t *testing.T) {
	entries, err := os.ReadDir(payloads(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := strings.ReplaceAll(e.Name(), "__", "/"); e.IsDir() {
			if _, known := schemas.Lookup(name); !known {
				t.Errorf("%s is not in the catalogue", name)
			}
		}
	}
}

func TestAnOrderIsReadExactly(t *testing.T) {
	const body = `{"id":820982911946154508,"name":"#9999","created_at":"2021-12-31T19:00:00-05:00","updated_at":"2022-01-01T00:00:01Z",
		"total_price":"359.97","total_tax":null,"currency":"USD","customer":{"id":115310627314723954,"email":null},
		"line_items":[{"id":487817672276298554,"price":"89.99","quantity":2,"properties":[{"name":"engraving","value":"A|B"}]},
			{"id":1,"properties":{"gift":"yes"}},{"id":2,"properties":{}},{"id":3,"properties":null}],
		"refunds":[],"billing_address":null,"a_field_of_next_year":{"x":1}}`
	var o schemas.Order
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{
		"id": o.ID.String(), "customer": o.Customer.ID.String(), "item": o.LineItems[0].ID.String(), "total": o.TotalPrice.String(), "tax": o.TotalTax.String(),
		"engraving": o.LineItems[0].Properties[0].Value, "gift": o.LineItems[1].Properties[0].Value,
	}
	want := map[string]string{
		"id": "820982911946154508", "customer": "115310627314723954", "item": "487817672276298554", "total": "359.97", "tax": "",
		"engraving": "A|B", "gift": "yes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if !o.UpdatedAt.After(o.CreatedAt.Time) || o.BillingAddress != nil {
		t.Errorf("updated %s, created %s, billing address %v", o.UpdatedAt, o.CreatedAt, o.BillingAddress)
	}
}

func TestAnInventoryLevelTellsZeroFromUnknown(t *testing.T) {
	for body, want := range map[string]string{`{"available":0}`: "0", `{"available":-3}`: "-3", `{"available":null}`: "unknown", `{}`: "unknown"} {
		var l schemas.InventoryLevel
		if err := json.Unmarshal([]byte(body), &l); err != nil {
			t.Fatal(err)
		}
		got := "unknown"
		if l.Available != nil {
			got = fmt.Sprint(*l.Available)
		}
		if got != want {
			t.Errorf("%s: available is %s, want %s", body, got, want)
		}
	}
}

func TestEveryViewTakesABodyWithNothingButNulls(t *testing.T) {
	for topic, view := range views() {
		out, err := json.Marshal(view())
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]any{}
		if err := json.Unmarshal(out, &fields); err != nil {
			t.Fatal(err)
		}
		for name := range maps.Keys(fields) {
			fields[name] = nil
		}
		nulls, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{string(nulls), `{}`, `{"id":1}`} {
			if err := json.Unmarshal([]byte(body), view()); err != nil {
				t.Errorf("%s: %s: %v", topic, body, err)
			}
		}
	}
}
