package reports_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/consumers/analytics/reports"
	"millrace/deploy/embedded/enginetest"
)

const (
	acme  = "acme.myshopify.com"
	other = "other.myshopify.com"
)

// hour is the range in which most of the tests' rows are.
var hour = reports.Range{From: noon, To: noon.Add(time.Hour), Step: 10 * time.Minute}

func ask(t *testing.T, db *database.DB, change ...func(*reports.Config)) *reports.Reports {
	t.Helper()
	cfg := reports.DefaultConfig()
	cfg.Timeout = 2 * time.Minute // the machine may be busy
	for _, f := range change {
		f(&cfg)
	}
	r, err := reports.New(db, cfg)
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	return r
}

func got[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("error: %v", err)
		}
		return v
	}
}

// products are those counted from the orders.
func products(t *testing.T, r *reports.Reports, rg reports.Range, shop string, limit int) []reports.Product {
	t.Helper()
	found, asOf, err := r.TopProducts(t.Context(), rg, shop, limit)
	if err != nil || asOf != nil {
		t.Fatalf("TopProducts() as of %v, error %v; want them as of now", asOf, err)
	}
	return found
}

func differs(t *testing.T, what string, got, want any) {
	t.Helper()
	equal := cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func money(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// business is two shops' day: an order that is paid and partly refunded, a second one of the same customer, one of a customer of old,
// a test order, and a cancelled one in another currency.
func business() []stored {
	shirt, mug := line(11, "Shirt", "50.05", 2), line(12, "Mug", "7.30", 1)
	back := `{"id":501,"created_at":"2026-03-02T12:25:00Z","processed_at":"2026-03-02T12:25:00Z","refund_line_items":[{"line_item_id":1100,"quantity":1}],` +
		`"transactions":[{"kind":"refund","status":"success","amount":"50.05","currency":"EUR"}]}`
	by := func(customer uint64) func(*stored) { return func(r *stored) { r.customer = customer } }
	return []stored{
		order(acme, "orders/create", 90, -48*time.Hour, "1.00", mug, "").with(by(8)),
		order(acme, "orders/create", 1, 2*time.Minute, "100.10", shirt, "").with(by(7)),
		order(acme, "orders/paid", 1, 2*time.Minute, "100.10", shirt, "").with(by(7)).with(func(r *stored) {
			r.at, r.offset, r.status, r.wait, r.insert = 3*time.Minute, 11, "paid", 3*time.Second, 1500*time.Millisecond
		}),
		order(acme, "orders/create", 2, 12*time.Minute, "7.30", mug, "").with(by(7)),
		order(acme, "orders/create", 3, 13*time.Minute, "14.60", line(12, "Mug", "7.30", 2), "").with(by(8)),
		{shop: acme, topic: "refunds/create", order: 1, at: 25 * time.Minute, offset: 12, body: back, wait: time.Second, insert: 500 * time.Millisecond},
		order(other, "orders/create", 4, 14*time.Minute, "999.00", shirt, "").with(func(r *stored) { r.test = true }),
		order(other, "orders/create", 5, 59*time.Minute, "5.5", mug, "").with(func(r *stored) { r.currency = "USD" }),
		order(other, "orders/create", 6, 60*time.Minute, "777.00", mug, ""), // the first moment that is out of the hour
	}
}

func TestReportsOnTheEngine(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	put(t, db, business()...)
	r := ask(t, db)
	ctx := t.Context()

	t.Run("totals are exact, per currency, without test orders", func(t *testing.T) {
		differs(t, "all shops", got[reports.Totals](t)(r.Totals(ctx, hour, "")), reports.Totals{
			Events: 7, Orders: 4, Refunds: 1, NewCustomers: 1, ReturningCustomers: 1,
			Currencies: []reports.CurrencyTotals{
				{Currency: "EUR", Orders: 3, Gross: money("122"), Net: money("71.95"), Average: money("40.6667"), Refunded: money("50.05")},
				{Currency: "USD", Orders: 1, Gross: money("5.5"), Net: money("5.5"), Average: money("5.5")},
			},
		})
		one := got[reports.Totals](t)(r.Totals(ctx, hour, other))
		if one.Orders != 1 || one.Events != 2 || len(one.Currencies) != 1 {
			t.Errorf("totals of %s = %+v, want one order of two events", other, one)
		}
		if none := got[reports.Totals](t)(r.Totals(ctx, hour, "nobody.myshopify.com")); none.Orders != 0 || none.Currencies == nil {
			t.Errorf("totals of nobody = %+v, want zero and an empty list", none)
		}
	})

	t.Run("sales stand at the moment of the order and of the refund", func(t *testing.T) {
		s := got[reports.Sales](t)(r.Sales(ctx, hour, acme))
		zero := money("0")
		differs(t, "series", s.Series, []reports.SalesSeries{{
			Currency: "EUR", Total: 3, Orders: []uint64{1, 2, 0, 0, 0, 0},
			Gross: []decimal.Decimal{money("100.1"), money("21.9"), zero, zero, zero, zero},
			Net:   []decimal.Decimal{money("100.1"), money("21.9"), money("-50.05"), zero, zero, zero},
		}})
		if s.Step != 600 || len(s.Times) != 6 || s.Times[0] != noon.Unix() {
			t.Errorf("points = %d from %d of %d s, want 6 from noon of 600", len(s.Times), s.Times[0], s.Step)
		}
		text, err := json.Marshal(s.Series[0].Gross[1])
		if err != nil || string(text) != `"21.9"` {
			t.Errorf("JSON of money = %s, %v; want text", text, err)
		}
	})

	t.Run("sales by shop are of the shops with the most orders", func(t *testing.T) {
		all := got[reports.Sales](t)(r.SalesByShop(ctx, hour, 0))
		if len(all.Series) != 2 || all.Series[0].Shop != acme || all.Series[1].Shop != other || all.Series[1].Total != 1 {
			t.Errorf("series = %+v, want acme's, then the other's", all.Series)
		}
		if first := got[reports.Sales](t)(r.SalesByShop(ctx, hour, 1)); len(first.Series) != 1 || first.Series[0].Shop != acme {
			t.Errorf("series of one shop = %+v", first.Series)
		}
	})

	t.Run("products are sorted by units", func(t *testing.T) {
		differs(t, "products", products(t, r, hour, acme, 5), []reports.Product{
			{Shop: acme, ProductID: 12, Title: "Mug", SKU: "SKU-12", Currency: "EUR", Orders: 2, Units: 3, Revenue: money("21.9")},
			{Shop: acme, ProductID: 11, Title: "Shirt", SKU: "SKU-11", Currency: "EUR", Orders: 1, Units: 2, Revenue: money("100.1")},
		})
	})

	t.Run("throughput counts events by topic, and gathers the rest", func(t *testing.T) {
		x := got[reports.Throughput](t)(r.Throughput(ctx, hour, "", 2))
		differs(t, "series", x.Series, []reports.TopicSeries{
			{Topic: "orders/create", Total: 5, Counts: []uint64{1, 3, 0, 0, 0, 1}},
			{Topic: "orders/paid", Total: 1, Counts: []uint64{1, 0, 0, 0, 0, 0}},
			{Topic: reports.Others, Total: 1, Counts: []uint64{0, 0, 1, 0, 0, 0}},
		})
		fine := got[reports.Throughput](t)(r.Throughput(ctx, reports.Range{From: noon, To: noon.Add(5 * time.Minute), Step: 20 * time.Second}, acme, 0))
		if fine.Total != 2 || len(fine.Times) != 15 || fine.Series[0].Counts[6] != 1 || fine.Series[1].Counts[9] != 1 {
			t.Errorf("fine points = %+v, want an event in the 7th and one in the 10th", fine)
		}
	})

	t.Run("delays have quantiles of each stage", func(t *testing.T) {
		x := got[reports.Delays](t)(r.Delays(ctx, hour, acme))
		near := func(what string, got *float64, want float64) {
			t.Helper()
			if got == nil || *got < want-0.01 || *got > want+0.01 {
				t.Errorf("%s = %v, want %v", what, got, want)
			}
		}
		near("receive p50", x.Receive.All.P50, 1)
		near("receive p99", x.Receive.All.P99, 3)
		near("insert p50", x.Insert.All.P50, 0.5)
		near("insert p99", x.Insert.All.P99, 1.5)
		near("insert p50 of the second point", x.Insert.P50[1], 0.5)
		if x.Insert.P50[4] != nil {
			t.Errorf("a point without events has p50 %v, want null", *x.Insert.P50[4])
		}
		// Of all shops they come from counts per minute: half a second is a bound, and the greatest is known.
		counted := got[reports.Delays](t)(r.Delays(ctx, hour, ""))
		near("counted insert p50", counted.Insert.All.P50, 0.396)
		near("counted insert p99", counted.Insert.All.P99, 1.5)
		near("counted receive p99", counted.Receive.All.P99, 3)
		near("counted insert p99 of the second point", counted.Insert.P99[1], 0.5)
		if none := got[reports.Delays](t)(r.Delays(ctx, hour, "nobody.myshopify.com")); none.Insert.All.P50 != nil {
			t.Errorf("delays without events = %v, want null", *none.Insert.All.P50)
		}
	})

	t.Run("shops are found by their beginning", func(t *testing.T) {
		differs(t, "all", got[[]reports.Shop](t)(r.Shops(ctx, "", 10)), []reports.Shop{{Shop: acme, Events: 6}, {Shop: other, Events: 3}})
		differs(t, "o", got[[]reports.Shop](t)(r.Shops(ctx, "o", 10)), []reports.Shop{{Shop: other, Events: 3}})
		differs(t, "a quote", got[[]reports.Shop](t)(r.Shops(ctx, `o'); DROP TABLE events --\`, 10)), []reports.Shop{})
	})

	t.Run("a range without data has empty answers", func(t *testing.T) {
		empty := reports.Range{From: noon.Add(100 * time.Hour), To: noon.Add(101 * time.Hour)}
		for name, n := range map[string]int{
			"throughput": len(got[reports.Throughput](t)(r.Throughput(ctx, empty, "", 0)).Series),
			"sales":      len(got[reports.Sales](t)(r.Sales(ctx, empty, "")).Series),
			"by shop":    len(got[reports.Sales](t)(r.SalesByShop(ctx, empty, 0)).Series),
			"products":   len(products(t, r, empty, "", 0)),
			"events":     len(got[reports.EventPage](t)(r.Events(ctx, reports.EventQuery{Range: empty})).Events),
		} {
			if n != 0 {
				t.Errorf("%s has %d entries, want none", name, n)
			}
		}
	})

	t.Run("a query that is over a limit is ended", func(t *testing.T) {
		small := ask(t, db, func(c *reports.Config) { c.MaxRows = 1000 })
		databasetest.Exec(t, db, `INSERT INTO %.events (id, shop, received_time) SELECT toString(number), 'big.myshopify.com', '2020-01-01 00:00:00' FROM numbers(20000)`)
		old := reports.Range{From: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2020, 1, 1, 1, 0, 0, 0, time.UTC)}
		if _, err := small.Throughput(ctx, old, "big.myshopify.com", 0); !errors.Is(err, reports.ErrTooMuch) {
			t.Errorf("Throughput() over 20000 rows with max_rows 1000: error %v, want ErrTooMuch", err)
		}
	})

	t.Run("bad questions are refused before they cost anything", func(t *testing.T) {
		for name, rg := range map[string]reports.Range{
			"no time":          {},
			"backwards":        {From: noon, To: noon.Add(-time.Hour)},
			"too long":         {From: noon, To: noon.Add(20 * 366 * 24 * time.Hour)},
			"too many points":  {From: noon, To: noon.Add(30 * 24 * time.Hour), Step: time.Minute},
			"a crooked step":   {From: noon, To: noon.Add(time.Hour), Step: 7 * time.Second},
			"fine and long":    {From: noon, To: noon.Add(6 * time.Hour), Step: 20 * time.Second},
			"before all times": {From: time.Unix(-10, 0), To: noon},
		} {
			if _, err := r.Sales(ctx, rg, ""); !errors.Is(err, reports.ErrBadRequest) {
				t.Errorf("%s: error %v, want ErrBadRequest", name, err)
			}
		}
		if _, _, err := r.TopProducts(ctx, hour, "", 501); !errors.Is(err, reports.ErrBadRequest) {
			t.Errorf("limit 501: error %v, want ErrBadRequest", err)
		}
		if _, err := r.Events(ctx, reports.EventQuery{Before: "nonsense"}); !errors.Is(err, reports.ErrBadRequest) {
			t.Errorf("before nonsense: error %v, want ErrBadRequest", err)
		}
	})
}

func TestAServerThatIsAwayAndTablesThatAreNotThere(t *testing.T) {
	e := enginetest.Start(t)
	empty := databasetest.Open(t, e)
	if _, err := ask(t, empty).Totals(t.Context(), hour, ""); !errors.Is(err, reports.ErrNotReady) {
		t.Errorf("without tables: error %v, want ErrNotReady", err)
	}
	gone := databasetest.Open(t, e, func(c *database.Config) { c.URL, c.DialTimeout = "http://127.0.0.1:1", 100*time.Millisecond })
	if _, err := ask(t, gone).Totals(t.Context(), hour, ""); !errors.Is(err, reports.ErrAway) {
		t.Errorf("without a server: error %v, want ErrAway", err)
	}
	if err := ask(t, gone).Ping(t.Context()); !errors.Is(err, reports.ErrAway) {
		t.Errorf("Ping() error = %v, want ErrAway", err)
	}
}

func TestAutomaticStepsGiveSomeHundredPoints(t *testing.T) {
	for length := 5 * time.Minute; length < reports.MaxRange; length = length * 3 / 2 {
		rg, err := reports.Range{From: noon, To: noon.Add(length)}.Checked()
		if err != nil {
			t.Fatalf("%s: %v", length, err)
		}
		if n := length / rg.Step; n > 181 || (length > 30*time.Minute && n < 20) {
			t.Errorf("%s has %d points of %s", length, n, rg.Step)
		}
	}
}

func TestConfigReportsEveryProblem(t *testing.T) {
	if err := reports.DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	err := reports.Config{}.Validate()
	for _, key := range []string{"timeout", "max_threads", "max_rows", "max_bytes", "max_memory", "concurrency"} {
		if err == nil || !strings.Contains(fmt.Sprintf("\n%v", err), "\n"+key+" ") {
			t.Errorf("Validate() = %v, want %s in it", err, key)
		}
	}
	if _, err := reports.New(nil, reports.DefaultConfig()); err == nil {
		t.Error("New() accepts no connection")
	}
}
