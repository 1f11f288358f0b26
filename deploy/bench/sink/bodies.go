package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning"
	"millrace/schemas"
)

const (
	// leastBodyBytes has room for what an order body always says here.
	leastBodyBytes = 1024
	// shops is how many shops the events belong to.
	shops = 500
	// updatedLayout is how Shopify writes the times in bodies: seconds, in the shop's own offset.
	updatedLayout = "2006-01-02T15:04:05-07:00"
)

// kind makes the events of one Shopify topic.
type kind struct {
	topic, subject string // the subject without its id
	body           func(b []byte, id int, now time.Time, random *rand.Rand) []byte
}

// ordersOnly are order events with bodies of the given size.
func ordersOnly(size int) []kind {
	body := func(b []byte, id int, now time.Time, random *rand.Rand) []byte {
		return orderBody(b, id, size, now, random)
	}
	return []kind{{"orders/create", "order", body}, {"orders/updated", "order", body}, {"orders/paid", "order", body}, {"orders/updated", "order", body}}
}

// everyTopic has one kind of event for each of the six Kafka topics.
func everyTopic(orderSize int) []kind {
	return []kind{
		ordersOnly(orderSize)[1],
		{"inventory_levels/update", "inventory_item", inventoryBody},
		{"products/update", "product", productBody},
		{"customers/update", "customer", customerBody},
		{"checkouts/update", "checkout", checkoutBody},
		{"shop/update", "shop", shopBody},
	}
}

// record makes an event as ingest writes it.
func (k kind) record(seq int, now time.Time, random *rand.Rand) *kgo.Record {
	id := 5_000_000_000_000 + random.IntN(200_000)
	shop := fmt.Sprintf("shop-%03d.myshopify.com", id%shops)
	subject := k.subject + "/" + strconv.Itoa(id)
	if k.subject == "shop" {
		subject = "shop"
	}
	about, _ := schemas.Lookup(k.topic) // an unknown topic has a domain, too
	event := schemas.Event{
		ID:   fmt.Sprintf("%08x-%04x-4000-8000-%012x", seq, id&0xffff, random.Uint64()>>16),
		Shop: shop, Topic: k.topic, Subject: subject, Time: now.Add(-150 * time.Millisecond), Received: now, ContentType: "application/json",
		ShopifyEventID: fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()), ShopifyAPIVersion: "2026-10", PartitionKey: shop + "|" + subject,
	}
	return &kgo.Record{
		Topic: about.Domain.KafkaTopic(), Key: []byte(event.PartitionKey), Value: k.body(nil, id, now, random),
		Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &event),
	}
}

func money(random *rand.Rand, most int) string {
	cents := random.IntN(most*100) + 100
	return strconv.Itoa(cents/100) + "." + fmt.Sprintf("%02d", cents%100)
}

func word(random *rand.Rand) string {
	words := [...]string{"linen", "shirt", "blue", "crew", "heavy", "organic", "cotton", "mug", "poster", "framed", "large", "walnut", "candle", "winter", "socks", "merino", "tote", "classic"}
	return words[random.IntN(len(words))]
}

// orderBody makes an order with the fields of Shopify's that the tables and views read, and as many more line items and texts as it
// takes to reach size. Texts, ids, prices and times vary, so that compression has about as much to do as with real orders.
func orderBody(b []byte, id, size int, now time.Time, random *rand.Rand) []byte {
	const tail = 160 // what comes after the items, at least
	at := now.In(time.FixedZone("", -5*3600)).Format(updatedLayout)
	total := money(random, 400)
	b = fmt.Appendf(b, `{"id":%d,"admin_graphql_api_id":"gid://shopify/Order/%d","name":"#%d","created_at":%q,"updated_at":%q,"cancelled_at":null,"currency":"USD",`+
		`"financial_status":"paid","fulfillment_status":null,"test":false,"total_price":%q,"current_total_price":%q,"subtotal_price":%q,"total_tax":%q,"total_discounts":"0.00",`+
		`"customer":{"id":%d,"email":"%s.%x@example.com"},"line_items":[`,
		id, id, 1000+id%90_000, at, at, total, total, money(random, 350), money(random, 40), 7_000_000_000_000+random.IntN(50_000), word(random), random.Uint32())
	for n := 0; n == 0 || len(b)+300+tail < size; n++ {
		if n > 0 {
			b = append(b, ',')
		}
		product := random.IntN(2000)
		b = fmt.Appendf(b, `{"id":%d,"product_id":%d,"variant_id":%d,"sku":"SKU-%05d","title":"%s %s %s","quantity":%d,"price":%q,"total_discount":"0.00","grams":%d,"tax_lines":[{"price":%q,"rate":0.06}]}`,
			9_000_000_000_000+random.IntN(1<<40), 8_000_000_000+product, 8_500_000_000+product, product, word(random), word(random), word(random),
			1+random.IntN(3), money(random, 120), random.IntN(2000), money(random, 9))
	}
	b = fmt.Appendf(b, `],"refunds":[],"shipping_address":{"zip":"%05d","country_code":"US"},"token":"%016x%016x","note":"`, random.IntN(100_000), random.Uint64(), random.Uint64())
	for len(b)+2 < size {
		b = append(b, word(random)...)
		b = append(b, ' ')
	}
	return append(b[:max(min(len(b), size-2), 0)], `"}`...)
}

func inventoryBody(b []byte, id int, now time.Time, random *rand.Rand) []byte {
	return fmt.Appendf(b, `{"inventory_item_id":%d,"location_id":%d,"available":%d,"updated_at":%q}`, id, 24_826_418+random.IntN(4), random.IntN(500), now.Format(updatedLayout))
}

func productBody(b []byte, id int, now time.Time, random *rand.Rand) []byte {
	return fmt.Appendf(b, `{"id":%d,"title":"%s %s","vendor":"Acme","product_type":"%s","status":"active","updated_at":%q,"variants":[{"id":%d,"sku":"SKU-%05d","price":%q,"inventory_quantity":%d}]}`,
		id, word(random), word(random), word(random), now.Format(updatedLayout), id+1, id%100_000, money(random, 90), random.IntN(400))
}

func customerBody(b []byte, id int, now time.Time, random *rand.Rand) []byte {
	return fmt.Appendf(b, `{"id":%d,"email":"%s.%x@example.com","state":"enabled","currency":"USD","created_at":"2025-02-03T10:00:00-05:00","updated_at":%q,"default_address":{"zip":"%05d","country_code":"US"}}`,
		id, word(random), random.Uint32(), now.Format(updatedLayout), random.IntN(100_000))
}

func checkoutBody(b []byte, id int, now time.Time, random *rand.Rand) []byte {
	at := now.Format(updatedLayout)
	return fmt.Appendf(b, `{"id":%d,"token":"%x","cart_token":"%016x","currency":"USD","total_price":%q,"created_at":%q,"updated_at":%q,"completed_at":null,"line_items":[{"product_id":%d,"sku":"SKU-%05d","quantity":1,"price":%q}]}`,
		id, id, random.Uint64(), money(random, 300), at, at, 8_000_000_000+random.IntN(2000), random.IntN(2000), money(random, 90))
}

func shopBody(b []byte, id int, now time.Time, random *rand.Rand) []byte {
	return fmt.Appendf(b, `{"id":%d,"name":"%s %s","currency":"USD","country_code":"US","iana_timezone":"America/New_York","updated_at":%q}`, id%shops, word(random), word(random), now.Format(updatedLayout))
}

// recordBytes is what the sink counts a record as: key, value and headers.
func recordBytes(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// producerOptions are those of ingest that bear on the records.
func producerOptions(k *kafka, linger time.Duration) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(k.cluster.Brokers()...), kgo.RecordPartitioner(partitioning.Partitioner()), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(linger), kgo.MaxBufferedRecords(20_000),
	}
}
