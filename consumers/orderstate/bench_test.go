package orderstate

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/orderevent"
	"millrace/consumers/group/reread"
	"millrace/partitioning"
	"millrace/partitioning/kafkatest"
	"millrace/schemas"
)

// life is what a common order brings: ten events, of which three have the order as a whole.
func life(tb testing.TB, order int) []schemas.OrderEvent {
	tb.Helper()
	version := func(second int, financial, fulfillment string) schemas.OrderVersion {
		v := schemas.OrderVersion{
			UpdatedAt: at(second), Name: fmt.Sprintf("#%d", order), CreatedAt: at(1), FinancialStatus: financial, FulfillmentStatus: fulfillment, Currency: "EUR",
			TotalPrice: cents(tb, "59.80"), CurrentTotalPrice: cents(tb, "59.80"), TotalOutstanding: cents(tb, "0.00"), CustomerID: "6940095564",
			Contact: &schemas.OrderContact{Email: "jon@example.com", Locale: "en", Address: &schemas.Address{
				FirstName: "Jon", LastName: "Smith", Name: "Jon Smith", Address1: "Chestnut Street 92", City: "Louisville", Zip: "40202", Province: "Kentucky", CountryCode: "US",
			}},
		}
		for i := range 2 {
			v.Lines = append(v.Lines, schemas.OrderLine{
				LineID: fmt.Sprint(order*10 + i), VariantID: "808950810", ProductID: "632910392", SKU: fmt.Sprint("SKU-", i), Title: "Enamel mug", Quantity: 1, CurrentQuantity: 1,
				Price: cents(tb, "29.90"), Ships: true,
			})
		}
		return v
	}
	effect := func(name string) schemas.Effect {
		return schemas.Effect{Effect: fmt.Sprintf("%s:acme.myshopify.com:%d", name, order)}
	}
	lines := []schemas.StockLine{{VariantID: "808950810", SKU: "SKU-0", Quantity: 1}, {VariantID: "808950810", SKU: "SKU-1", Quantity: 1}}
	parcel := []schemas.Tracking{{Company: "UPS", Number: "1Z999AA10123456784", URL: "https://ups.example/1Z999AA10123456784"}}
	sent := schemas.OrderFulfillment{FulfillmentID: fmt.Sprint(order), Name: fmt.Sprintf("#%d.1", order), Status: "success", CreatedAt: at(6), UpdatedAt: at(6), Tracking: parcel}
	var events []schemas.OrderEvent
	for i, d := range []schemas.OrderEventData{
		&schemas.OrderCreated{OrderVersion: version(1, "pending", "")},
		&schemas.InventoryReserved{Effect: effect("reserve"), Lines: lines},
		&schemas.TransactionRecorded{TransactionID: fmt.Sprint(order), Kind: "sale", Status: "success", Gateway: "visa", Amount: cents(tb, "59.80"), Currency: "EUR", CreatedAt: at(2)},
		&schemas.PaymentReceived{OrderVersion: version(2, "paid", "")},
		&schemas.ConfirmationSent{Effect: effect("mail"), Kind: "order_confirmation"},
		&schemas.FulfillmentStarted{Effect: effect("ship"), ShipmentID: fmt.Sprint("s-", order), Lines: lines, Tracking: parcel},
		&schemas.FulfillmentRecorded{OrderFulfillment: sent},
		&schemas.OrderFulfilled{OrderVersion: version(6, "paid", "fulfilled")},
		&schemas.ERPSynced{Effect: effect("erp"), Document: fmt.Sprint("order/", order), Version: at(6), DocumentID: "D-1"},
		&schemas.TrackingUpdated{ShipmentID: fmt.Sprint("s-", order), Status: schemas.ShipmentStatusDelivered},
	} {
		e := tell(i, fmt.Sprintf("b54557e4-bdd9-4b37-8a5f-%012d/shop/%d", order, i), d)
		e.OrderID = fmt.Sprint(order)
		events = append(events, e)
	}
	return events
}

func cents(tb testing.TB, text string) schemas.Money {
	tb.Helper()
	m, err := schemas.ParseMoney(text)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// records are the lives of n orders as they stand in the store, each order's events in order and those of all orders mixed.
func records(tb testing.TB, first, n int) []*kgo.Record {
	tb.Helper()
	var lives [][]schemas.OrderEvent
	for o := range n {
		lives = append(lives, life(tb, first+o))
	}
	var out []*kgo.Record
	for i := range lives[0] {
		for _, l := range lives {
			r, err := orderevent.Record(&l[i])
			if err != nil {
				tb.Fatal(err)
			}
			rec := &kgo.Record{Topic: r.Topic, Key: []byte(r.Key), Value: r.Value}
			for _, h := range r.Headers {
				rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			out = append(out, rec)
		}
	}
	return out
}

func decoded(tb testing.TB, r *kgo.Record) (schemas.OrderEvent, string) {
	tb.Helper()
	meta, err := schemas.ParseHeaders(r.Headers)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := schemas.DecodeOrderEvent(&meta, r.Value)
	if err != nil {
		tb.Fatal(err)
	}
	return e, meta.PartitionKey
}

const benchOrders = 20_000

// BenchmarkFold folds events that are read already.
func BenchmarkFold(b *testing.B) {
	recs := records(b, 0, benchOrders)
	events := make([]schemas.OrderEvent, len(recs))
	orders := make([]int, len(recs)) // which state, as a caller with a map would know
	index := map[string]int{}
	for i, r := range recs {
		var key string
		events[i], key = decoded(b, r)
		if _, ok := index[key]; !ok {
			index[key] = len(index)
		}
		orders[i] = index[key]
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		states := make([]State, len(index))
		for i := range events {
			s := &states[orders[i]]
			*s, _ = Fold(*s, &events[i])
		}
		n += len(events)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkReadAndFold reads records and folds them, on all cores, a share of the orders each, as partitions are.
func BenchmarkReadAndFold(b *testing.B) {
	recs := records(b, 0, benchOrders)
	shares := make([][]*kgo.Record, runtime.GOMAXPROCS(0))
	size := 0
	for _, r := range recs {
		p := partitioning.Partition(r.Key, int32(len(shares)))
		shares[p] = append(shares[p], r)
		size += len(r.Value)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		var wg sync.WaitGroup
		for _, share := range shares {
			wg.Go(func() {
				states := map[string]*State{}
				for _, r := range share {
					e, key := decoded(b, r)
					s := states[key]
					if s == nil {
						s = new(State)
						states[key] = s
					}
					*s, _ = Fold(*s, &e)
				}
			})
		}
		wg.Wait()
		n += len(recs)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkHandler is an event at the service: read the state, fold, write the state.
func BenchmarkHandler(b *testing.B) {
	var texts [][]byte
	events := life(b, 1)
	var s State
	for i := range events {
		texts = append(texts, s.Text())
		s, _ = Fold(s, &events[i])
	}
	texts[0] = nil
	b.ReportAllocs()
	for b.Loop() {
		for i := range events {
			s, err := Read(texts[i])
			if err != nil {
				b.Fatal(err)
			}
			s, _ = Fold(s, &events[i])
			_ = s.Text()
		}
	}
	b.ReportMetric(float64(b.N*len(events))/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkRestore measures on a real Kafka what an event store of a million events takes: to make all states anew from it, two
// partitions at a time, and to read the states of one partition as they are kept.
func BenchmarkRestore(b *testing.B) {
	const partitions, orders, batch, groupID = 24, 100_000, 1000, "g"
	c := kafkatest.Start(b)
	kept := schemas.StateTopic(schemas.OrderEventsTopic, groupID)
	c.CreateTopic(b, schemas.OrderEventsTopic, partitions, nil)
	c.CreateTopic(b, kept, partitions, map[string]string{"cleanup.policy": "compact"})
	cl := c.Client(b, kgo.RecordPartitioner(partitioning.Partitioner()))
	for first := 0; first < orders; first += batch {
		recs := records(b, first, batch)
		states := map[string]*State{}
		for _, r := range recs {
			e, key := decoded(b, r)
			if states[key] == nil {
				states[key] = new(State)
			}
			*states[key], _ = Fold(*states[key], &e)
		}
		for key, s := range states {
			recs = append(recs, &kgo.Record{Topic: kept, Key: []byte(key), Value: append([]byte{1, 2, 0}, s.Text()...)}) // as the runtime keeps it
		}
		if err := cl.ProduceSync(b.Context(), recs...).FirstErr(); err != nil {
			b.Fatal(err)
		}
	}
	r, err := reread.Open([]kgo.Opt{kgo.SeedBrokers(c.Brokers()...)})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	b.Run("all from the event store", func(b *testing.B) {
		for b.Loop() {
			report, err := Check(b.Context(), r, CheckOptions{Group: groupID, Parallel: 2})
			if err != nil || report.Orders != orders || len(report.Different) > 0 {
				b.Fatalf("%d orders, %d different, %v", report.Orders, len(report.Different), err)
			}
			b.ReportMetric(float64(report.Events)/report.Seconds, "events/s")
		}
	})
	b.Run("one partition from the event store", func(b *testing.B) {
		for b.Loop() {
			states, events, _, err := Rebuild(b.Context(), r, 0)
			if err != nil || len(states) == 0 {
				b.Fatal(err)
			}
			b.ReportMetric(float64(events), "events")
			b.ReportMetric(float64(len(states)), "orders")
		}
	})
	b.Run("one partition from its snapshots", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if err := r.State(b.Context(), groupID, schemas.OrderEventsTopic, 0, func(string, []byte) error { n++; return nil }); err != nil || n == 0 {
				b.Fatal(err)
			}
			b.ReportMetric(float64(n), "orders")
		}
	})
}
