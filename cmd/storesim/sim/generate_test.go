package sim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

func fixedNow() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) }

func testConfig() Config {
	c := DefaultConfig()
	c.URL, c.Secret, c.Rate, c.Seed, c.Shops = "http://127.0.0.1:1/webhooks", "hush", 0, 42, 50
	return c
}

// deliveries runs the generator alone to its end.
func deliveries(t *testing.T, cfg Config) (*generator, []*parcel) {
	t.Helper()
	g := newGenerator(cfg, fixedNow)
	var all []*parcel
	for {
		p, more, err := g.next()
		if err != nil {
			t.Fatalf("next() error: %v", err)
		}
		if !more {
			return g, all
		}
		all = append(all, p)
	}
}

// distinct returns the events in the order of their first delivery.
func distinct(all []*parcel) (events []*Event) {
	for _, p := range all {
		if !p.copied {
			events = append(events, p.event)
		}
	}
	return events
}

func TestTheSameSeedGivesTheSameEvents(t *testing.T) {
	cfg := testConfig()
	cfg.Events, cfg.Duplicates, cfg.Disorder = 2000, 0.05, 0.05
	digest := func(cfg Config) (lines []string) {
		_, all := deliveries(t, cfg)
		for _, p := range all {
			e := p.event
			lines = append(lines, fmt.Sprint(e.WebhookID, e.EventID, e.Shop, e.Topic, e.Entity, e.Seq, p.delivery.Stamp, string(e.Body)))
		}
		return lines
	}
	first := digest(cfg)
	second := digest(cfg)
	for i := range min(len(first), len(second)) {
		if first[i] != second[i] {
			t.Fatalf("delivery %d of the second run differs:\n%.300s\n%.300s", i, first[i], second[i])
		}
	}
	if len(first) != len(second) {
		t.Errorf("%d deliveries, then %d", len(first), len(second))
	}
	cfg.Seed++
	if slices.Equal(first, digest(cfg)) {
		t.Error("another seed gives the same events")
	}
}

func TestEventsBoundIsExact(t *testing.T) {
	cfg := testConfig()
	cfg.Events, cfg.Duplicates, cfg.Disorder = 1234, 0.1, 0.1
	_, all := deliveries(t, cfg)
	ids := map[string]bool{}
	for _, p := range all {
		ids[p.event.WebhookID] = true
	}
	if len(ids) != 1234 {
		t.Errorf("%d distinct events, want 1234", len(ids))
	}
}

func TestOrdersBoundIsExactAndLivesRunToTheirEnd(t *testing.T) {
	cfg := testConfig()
	cfg.Orders = 100
	_, all := deliveries(t, cfg)
	created, topics := 0, map[string]int{}
	for _, e := range distinct(all) {
		topics[e.Topic]++
		if e.Topic == "orders/create" {
			created++
		}
	}
	if created != 100 {
		t.Errorf("%d orders created, want 100", created)
	}
	for _, topic := range []string{
		"carts/create", "checkouts/create", "checkouts/update", "customers/create", "customers/update", "orders/paid", "orders/updated", "orders/cancelled",
		"orders/fulfilled", "orders/partially_fulfilled", "order_transactions/create", "inventory_levels/update", "fulfillments/create", "fulfillments/update", "refunds/create", "products/update",
	} {
		if topics[topic] == 0 {
			t.Errorf("a hundred orders sent no %s: %v", topic, topics)
		}
	}
}

func TestSharesOfDuplicatesAndDisorderAreWhatWasAskedFor(t *testing.T) {
	for _, share := range []float64{0, 0.05, MaxDisorder} {
		cfg := testConfig()
		cfg.Events, cfg.Duplicates, cfg.Disorder = 4000, share, share
		g, all := deliveries(t, cfg)
		copies, late := 0, 0
		highest := map[*entity]int64{} // EntitySeq delivered so far
		for _, p := range all {
			e := p.event
			if p.copied {
				copies++
				continue
			}
			behind := e.EntitySeq < highest[e.entity]
			if behind != e.Late {
				t.Fatalf("%s %s of %s: late %v, but delivered behind a later one: %v", e.Topic, e.WebhookID, e.Entity, e.Late, behind)
			}
			if behind {
				late++
			}
			highest[e.entity] = max(highest[e.entity], e.EntitySeq)
		}
		for what, n := range map[string]int{"duplicates": copies, "late": late} {
			if got := float64(n) / 4000; got < share*0.85 || got > share*1.15 {
				t.Errorf("share %v: %s are %.4f of the events", share, what, got)
			}
		}
		if g.faults.late != int64(late) || g.faults.doubled != int64(copies) {
			t.Errorf("counted %d late, %d doubled; delivered %d, %d", g.faults.late, g.faults.doubled, late, copies)
		}
	}
}

func TestStampsCountTheDeliveriesOfEachEntity(t *testing.T) {
	cfg := testConfig()
	cfg.Events, cfg.Duplicates, cfg.Disorder = 3000, 0.1, 0.1
	_, all := deliveries(t, cfg)
	last := map[string]int64{}
	for _, p := range all {
		key := p.event.Shop + "|" + p.event.Entity
		if p.delivery.Stamp != last[key]+1 {
			t.Fatalf("%s: stamp %d after %d", key, p.delivery.Stamp, last[key])
		}
		last[key]++
	}
}

func TestBodiesAreValidAndSizedLikeRealOnes(t *testing.T) {
	cfg := testConfig()
	cfg.Events, cfg.Shops = 4000, 200
	_, all := deliveries(t, cfg)
	var sizes []int
	big, zeroDecimals, presentment := 0, 0, 0
	for _, e := range distinct(all) {
		if !json.Valid(e.Body) {
			t.Fatalf("%s: invalid JSON: %.200s", e.Topic, e.Body)
		}
		if len(e.Body) > 30<<10 {
			t.Errorf("%s: body of %d bytes", e.Topic, len(e.Body))
		}
		if e.Topic != "orders/create" {
			continue
		}
		sizes = append(sizes, len(e.Body))
		if e.Order.ID > 1<<53 {
			big++
		}
		if e.Order.Currency == "JPY" || e.Order.Currency == "KRW" {
			zeroDecimals++
			if strings.Contains(e.Order.TotalPrice, ".") {
				t.Errorf("total %q in %s", e.Order.TotalPrice, e.Order.Currency)
			}
		}
		if strings.Contains(string(e.Body), `"presentment_money"`) {
			presentment++
		}
	}
	slices.Sort(sizes)
	n := len(sizes)
	t.Logf("%d orders: smallest %d, median %d, 99%% %d, largest %d bytes; %d above 2^53, %d without decimals, %d with money sets", n, sizes[0], sizes[n/2], sizes[n*99/100], sizes[n-1], big, zeroDecimals, presentment)
	if sizes[0] < 1800 || sizes[0] > 4000 || sizes[n/2] < 4000 || sizes[n/2] > 12_000 || sizes[n-1] < 14_000 || sizes[n*99/100] > 24_000 {
		t.Error("order bodies are not of 2 to 20 KB")
	}
	if big == 0 || zeroDecimals == 0 || presentment == 0 || presentment == n {
		t.Error("a kind of order is missing")
	}
}

func TestOrderBodyAddsUp(t *testing.T) {
	cfg := testConfig()
	cfg.Events = 2500
	_, all := deliveries(t, cfg)
	money := func(s string) decimal.Decimal {
		t.Helper()
		d, err := decimal.NewFromString(s)
		if err != nil {
			t.Fatalf("money %q: %v", s, err)
		}
		return d
	}
	offset := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$`)
	seen := 0
	for _, e := range distinct(all) {
		if e.Order == nil {
			continue
		}
		seen++
		var b orderBody
		if err := json.Unmarshal(e.Body, &b); err != nil {
			t.Fatalf("%s: %v", e.Topic, err)
		}
		if got := fmt.Sprintf("order/%d", b.ID); got != e.Entity || b.AdminGraphQLAPIID != gid("Order", b.ID) {
			t.Errorf("id %s, gid %s; entity %s", got, b.AdminGraphQLAPIID, e.Entity)
		}
		sum := money(b.TotalLineItemsPrice).Sub(money(b.TotalDiscounts))
		if !sum.Equal(money(b.SubtotalPrice)) {
			t.Errorf("%s: subtotal %s, lines less discounts %s", e.Entity, b.SubtotalPrice, sum)
		}
		if len(b.ShippingLines) > 0 {
			sum = sum.Add(money(b.ShippingLines[0].Price))
		}
		if !b.TaxesIncluded {
			sum = sum.Add(money(b.TotalTax))
		}
		if !sum.Equal(money(b.TotalPrice)) {
			t.Errorf("%s: total %s, parts %s", e.Entity, b.TotalPrice, sum)
		}
		if b.TotalPrice != e.Order.TotalPrice || b.UpdatedAt != e.Order.UpdatedAt || b.FinancialStatus != e.Order.FinancialStatus {
			t.Errorf("%s: the ledger says %+v", e.Entity, e.Order)
		}
		at, err := time.Parse(time.RFC3339, b.UpdatedAt)
		if !offset.MatchString(b.UpdatedAt) || err != nil || at.After(fixedNow()) || e.TriggeredAt.After(fixedNow()) {
			t.Errorf("%s: updated_at %s (%v), triggered %s: not in the shop's offset or in the future", e.Entity, b.UpdatedAt, err, e.TriggeredAt)
		}
	}
	if seen < 500 {
		t.Errorf("only %d order bodies among 2500 events", seen)
	}
}

func TestUpdatedAtNeverGoesBackAndTriggeredAtGrowsInTheOrderOfMaking(t *testing.T) {
	cfg := testConfig()
	cfg.Events = 2500
	_, all := deliveries(t, cfg)
	last, triggered, ties := map[string]time.Time{}, map[string]time.Time{}, 0
	for _, e := range distinct(all) {
		if e.Order == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339, e.Order.UpdatedAt)
		if err != nil {
			t.Fatal(err)
		}
		key := e.Shop + e.Entity
		if at.Before(last[key]) {
			t.Errorf("%s goes back from %s to %s", e.Entity, last[key], at)
		}
		if !e.TriggeredAt.After(triggered[key]) {
			t.Errorf("%s: triggered at %s, the one before at %s", e.Entity, e.TriggeredAt, triggered[key])
		}
		triggered[key] = e.TriggeredAt
		if at.Equal(last[key]) {
			ties++
		}
		last[key] = at
	}
	if ties == 0 {
		t.Error("no two versions of an order share a second, as they do at Shopify")
	}
}

func TestZipfSkewsTheShops(t *testing.T) {
	share := func(zipf float64) float64 {
		cfg := testConfig()
		cfg.Shops, cfg.Zipf = 100, zipf
		g := newGenerator(cfg, fixedNow)
		first := 0
		for range 10_000 {
			if g.anyShop().domain == "juniper-and-rye-1.myshopify.com" {
				first++
			}
		}
		return float64(first) / 10_000
	}
	if s := share(0); s < 0.005 || s > 0.02 {
		t.Errorf("without skew the first of 100 shops has %.3f of the orders", s)
	}
	if s := share(1); s < 0.17 || s > 0.22 {
		t.Errorf("with exponent 1 the first of 100 shops has %.3f of the orders, want about 1/5.19", s)
	}
}

func TestConfigTellsEveryMistake(t *testing.T) {
	c := testConfig()
	if err := c.Validate(); err != nil {
		t.Fatalf("Validate() error: %v", err)
	}
	bad := Config{URL: "ftp://x", Orders: -1, Events: -1, Rate: -1, Duration: -1, Duplicates: 2, Disorder: 0.9, Zipf: -1, TimeScale: -1}
	err := bad.Validate()
	for _, key := range []string{"url", "secret", "shops", "orders", "events", "rate", "duration", "duplicates", "disorder", "zipf", "concurrency", "time_scale", "open_orders", "max_pending"} {
		if err == nil || !strings.Contains(err.Error(), key+" must") {
			t.Errorf("no word about %s in: %v", key, err)
		}
	}
}
