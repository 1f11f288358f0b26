package analytics

import (
	"strings"
	"testing"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
)

// plan is what the engine would do for a query.
func plan(t *testing.T, db *database.DB, query string) string {
	t.Helper()
	return strings.Join(lines(t, db, "EXPLAIN indexes = 1, projections = 1 "+query), "\n")
}

// testConditionsReachTheTables: a condition on shop and time that is put to a view selects partitions and granules of its
// tables, in each of them.
func testConditionsReachTheTables(t *testing.T, db *database.DB) {
	t.Helper()
	databasetest.Exec(t, db, `INSERT INTO %.orders (shop, created_at, order_id, version, customer_id, line_skus) SELECT concat('s', toString(modulo(number, 100))), toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + toIntervalMinute(number * 3), number + 1, 1, 1, ['a'] FROM numbers(50000)`)
	databasetest.Exec(t, db, `INSERT INTO %.refunds (shop, created_at, refund_id, order_id, version) SELECT concat('s', toString(modulo(number, 100))), toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + toIntervalMinute(number * 3), number + 1, number, 1 FROM numbers(50000)`)
	databasetest.Exec(t, db, `INSERT INTO %.checkouts (shop, created_at, token, version) SELECT concat('s', toString(modulo(number, 100))), toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + toIntervalMinute(number * 3), toString(number), 1 FROM numbers(50000)`)
	for _, tc := range []struct {
		query  string
		tables int // how many tables are read by shop and time
	}{
		{"SELECT sum(gross) FROM %.sales WHERE shop = 's7' AND at >= '2026-03-01 00:00:00' AND at < '2026-03-03 00:00:00'", 2},
		{"SELECT * FROM %.sales_by_minute WHERE shop = 's7' AND minute >= '2026-03-01 00:00:00' AND minute < '2026-03-03 00:00:00'", 2},
		{"SELECT * FROM %.sales_by_day WHERE shop = 's7' AND day >= '2026-03-01' AND day < '2026-03-03'", 2},
		{"SELECT * FROM %.units_by_day WHERE shop = 's7' AND day >= '2026-03-01' AND day < '2026-03-03'", 1},
		{"SELECT * FROM %.customers_by_day WHERE shop = 's7' AND day >= '2026-03-01' AND day < '2026-03-03'", 1},
		{"SELECT * FROM %.checkouts_by_day WHERE shop = 's7' AND day >= '2026-03-01' AND day < '2026-03-03'", 1},
	} {
		got := plan(t, db, tc.query)
		byKey := strings.Count(got, "(shop in ['s7', 's7'])")
		// 50 000 rows in steps of three minutes are in four partitions; the condition leaves one of them.
		onePart := strings.Count(got, "Parts: 1/4")
		if byKey < tc.tables || onePart < tc.tables {
			t.Errorf("%s\nreads %d tables by the shop and %d by the month, want %d each:\n%s", tc.query, byKey, onePart, tc.tables, got)
		}
	}
}

func testHealth(t *testing.T, db *database.DB) {
	t.Helper()
	databasetest.Exec(t, db, `INSERT INTO %.events (id, shop, shopify_topic, time, received_time, inserted_at, body, _topic, _offset)
		SELECT toString(intDiv(number, 1 + (number < 20))), 's', if(modulo(number, 4) = 0, 'orders/create', 'products/update'), toDateTime64('2026-03-01 10:00:00', 9, 'UTC') + toIntervalMillisecond(number * 3) AS time,
			time + toIntervalMillisecond(if(modulo(number, 4) = 0, 200, 2000)) AS received_time, received_time + toIntervalMillisecond(50), 'four', 'shopify.orders', number FROM numbers(40000)`)
	const byMinute = "SELECT concatWithSeparator(' ', shopify_topic, toString(sum(events)), toString(sum(bytes)), toString(sum(delivery_ms)), toString(max(delivery_max_ms)), toString(sumForEach(delivery_le)), toString(sum(storing_ms)), toString(max(storing_max_ms))) " +
		"FROM %.events_by_minute WHERE minute >= '2026-03-01 10:00:00' AND minute < '2026-03-01 10:01:00' GROUP BY shopify_topic ORDER BY shopify_topic"
	// The minute from 10:00 has the events received before 10:01: those triggered in the first 59.8 and 58 seconds.
	wantSheet(t, db, byMinute, `
		orders/create   4984  19936 996800   200  [0,4984,4984,4984,4984,4984,4984,4984,4984,4984,4984] 249200 50
		products/update 14500 58000 29000000 2000 [0,0,0,0,14500,14500,14500,14500,14500,14500,14500]   725000 50`)
	if got := plan(t, db, byMinute); !strings.Contains(got, "by_minute") {
		t.Errorf("health does not come from the projection:\n%s", got)
	}
	const byHour = "SELECT shopify_topic, sum(events) FROM %.events_by_hour WHERE hour >= '2026-03-01 10:00:00' AND hour < '2026-03-02 00:00:00' GROUP BY shopify_topic"
	const shops = "SELECT shop, count() FROM %.events GROUP BY shop"
	for query, projection := range map[string]string{byHour: "(by_hour)", shops: "(by_shop)"} {
		if got := plan(t, db, query); !strings.Contains(got, projection) {
			t.Errorf("%s\ndoes not come from the projection %s:\n%s", query, projection, got)
		}
	}
	const repeats = "SELECT concatWithSeparator(' ', id, toString(deliveries)) FROM %.repeated_deliveries(since = '2026-03-01 00:00:00', until = '2026-03-02 00:00:00') ORDER BY toUInt32(id)"
	if got := len(lines(t, db, repeats)); got != 10 {
		t.Errorf("%d webhooks came twice, want 10", got)
	}
	const latest = "SELECT concat(id, shopify_topic) FROM %.events WHERE received_time >= '2026-03-01 10:01:59' ORDER BY received_time DESC LIMIT 5"
	for _, q := range []string{repeats, latest} {
		if got := plan(t, db, q); !strings.Contains(got, "by_received") {
			t.Errorf("%s\ndoes not come from the projection:\n%s", q, got)
		}
	}
}
