package partitioning_test

import (
	"fmt"
	"strings"
	"testing"

	"millrace/partitioning"
)

// orderBody returns an order of about size bytes in the shape of Shopify's: id first, many short strings.
func orderBody(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508","created_at":"2021-12-31T19:00:00-05:00","currency":"USD","total_price":"359.97","line_items":[`)
	for i := 0; b.Len() < size-200; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"title":"Aviator sunglasses","sku":"SKU2006-%03d","quantity":1,"price":"89.99","price_set":{"shop_money":{"amount":"89.99","currency_code":"USD"},"presentment_money":{"amount":"89.99","currency_code":"USD"}},"taxable":true,"vendor":null,"properties":[],"tax_lines":[]}`, 487817672276298554+i, i)
	}
	b.WriteString(`],"updated_at":"2021-12-31T19:00:00-05:00"}`)
	return []byte(b.String())
}

func BenchmarkFor(b *testing.B) {
	for _, size := range []int{2 << 10, 10 << 10} {
		for _, topic := range []string{"orders/create", "new_things/made"} {
			b.Run(fmt.Sprintf("%s/%dKB", strings.ReplaceAll(topic, "/", "_"), size>>10), func(b *testing.B) {
				body := orderBody(size)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := partitioning.For("acme.myshopify.com", topic, body); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkForDeepScan is the slow path: more brackets than MaxDepth, so that the depth has to be measured.
func BenchmarkForDeepScan(b *testing.B) {
	body := []byte(`{"id":1,"x":[` + strings.Repeat(`{"a":"b"},`, 10_000) + `{}]}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := partitioning.For("acme.myshopify.com", "orders/create", body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPartition(b *testing.B) {
	key := []byte("acme.myshopify.com|order/820982911946154508")
	b.ReportAllocs()
	for b.Loop() {
		partitioning.Partition(key, 24)
	}
}

func TestRoutingAnOrderAllocatesLittle(t *testing.T) {
	body := orderBody(10 << 10)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := partitioning.For("acme.myshopify.com", "orders/create", body); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("For allocates %v times, want at most 2: the key and gjson's context", n)
	}
}
