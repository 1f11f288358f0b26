package reports

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"
)

// booked is the condition on the views of what was sold; the models are sorted by shop and created_at.
const booked = ` WHERE at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
	AND ({shop:String} = '' OR shop = {shop:String})`

// created is the same on the models themselves, and its two parts.
const (
	createdThen = `created_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND created_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')`
	thisShop    = `({shop:String} = '' OR shop = {shop:String})`
	created     = ` WHERE ` + createdThen + ` AND ` + thisShop
)

const netAmount = `sum(s.gross) - sum(s.written_off) - sum(s.refunded)`

// Totals returns the figures of the range, which need no step. What counts as what is defined in schemas/README.md.
func (r *Reports) Totals(ctx context.Context, rg Range, shop string) (Totals, error) {
	rg, err := rg.Checked()
	if err != nil {
		return Totals{}, err
	}
	t := Totals{Currencies: []CurrencyTotals{}}
	var ordered uint64
	// All at once: to merge versions keeps one thread busy where there are few parts, and the server has more.
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return r.booked(ctx, rg, shop, &t) })
	all.Go(func() (err error) { t.Events, err = r.received(ctx, rg, shop); return err })
	known, err := r.sums(ctx, customerDays(), rg, shop)
	switch {
	case err != nil:
		all.Go(func() error { return err })
	case known.there():
		all.Go(func() (err error) { ordered, t.NewCustomers, err = r.activeCustomers(ctx, known); return err })
	default:
		all.Go(func() (err error) { ordered, err = r.customers(ctx, rg, shop); return err })
		all.Go(func() (err error) { t.NewCustomers, err = r.newCustomers(ctx, rg, shop); return err })
	}
	if err := all.Wait(); err != nil {
		return Totals{}, err
	}
	t.ReturningCustomers = ordered - min(t.NewCustomers, ordered) // one question may have seen an insert that the other has not
	return t, nil
}

// booked adds up orders and amounts, per currency and over all.
func (r *Reports) booked(ctx context.Context, rg Range, shop string, t *Totals) error {
	from, _, known, err := r.bookings(ctx, rg, shop)
	if err != nil {
		return err
	}
	t.AsOf = known.asOf()
	return r.each(ctx, `SELECT s.currency AS currency, sum(s.orders) AS n, sum(s.cancelled_orders), sum(s.refunds), sum(s.gross), `+netAmount+`, sum(s.refunded)
			FROM `+from+` GROUP BY currency ORDER BY n DESC, currency LIMIT 300`,
		within(rg, shop), func(rows driver.Rows) error {
			var c CurrencyTotals
			var cancelled, refunds uint64
			if err := rows.Scan(&c.Currency, &c.Orders, &cancelled, &refunds, &c.Gross, &c.Net, &c.Refunded); err != nil {
				return err
			}
			if c.Orders > 0 {
				c.Average = average(c.Gross, c.Orders)
			}
			t.Orders += c.Orders
			t.Cancellations += cancelled
			t.Refunds += refunds
			t.Currencies = append(t.Currencies, c)
			return nil
		})
}

// bookings is where what was sold in the range is added up, as s, with the condition on it, and when a row was booked.
func (r *Reports) bookings(ctx context.Context, rg Range, shop string) (from, at string, known sums, err error) {
	if rg.Step%time.Hour == 0 {
		known, err = r.sums(ctx, salesHours(), rg, shop)
	}
	if known.there() {
		return `%.` + salesHours().table + ` AS s` + inHours, `s.hour`, known, err
	}
	return `%.sales AS s` + booked, `s.at`, known, err
}

// average is rounded half to even at the fourth decimal, as deep as the amounts go.
func average(sum decimal.Decimal, n uint64) decimal.Decimal {
	const deep = 10 // digits that decide the rounding
	return sum.DivRound(decimal.NewFromUint64(n), deep).RoundBank(4)
}

// received counts the events of the range; of all shops in a longer range whole minutes or hours.
func (r *Reports) received(ctx context.Context, rg Range, shop string) (n uint64, err error) {
	query := `SELECT count() FROM %.events` + inTimes + ofShop(shop)
	if rg.summed(shop) {
		from, _ := rg.sums()
		query = `SELECT sum(events) FROM ` + from
	}
	err = r.each(ctx, query, within(rg, shop), func(rows driver.Rows) error { return rows.Scan(&n) })
	return n, err
}

// customers counts those who ordered in the range. A customer without an id is nobody. The shop is counted by its hash, as in the
// models' views: two shops with the same one would in addition have to have a customer with the same id.
func (r *Reports) customers(ctx context.Context, rg Range, shop string) (n uint64, err error) {
	err = r.each(ctx, `SELECT uniqExact(cityHash64(shop), customer_id) FROM %.orders_current`+created+` AND customer_id != 0 AND NOT test`,
		within(rg, shop), func(rows driver.Rows) error { return rows.Scan(&n) })
	return n, err
}

// newCustomers counts those whose first order is in the range. Asked of first_orders_current, every customer there is would be merged, since
// the table is sorted by customer. So first who has any order of the range in it, and of those alone the first one; half the time for a
// day of all shops among four million orders. A pair of numbers is looked up faster than one with a text.
func (r *Reports) newCustomers(ctx context.Context, rg Range, shop string) (n uint64, err error) {
	err = r.each(ctx, `SELECT count() FROM
			(SELECT argMax(created_at, version) AS created_at, argMax(order_id, version) AS first_order, cityHash64(shop) AS hash
				FROM %.first_orders
				WHERE `+thisShop+` AND (customer_id, cityHash64(shop)) IN (SELECT customer_id, cityHash64(shop) FROM %.first_orders`+created+`)
				GROUP BY hash, customer_id)
			WHERE `+createdThen+` AND (first_order, hash) NOT IN (SELECT entity_id, cityHash64(shop) FROM %.deletions WHERE kind = 'order')`,
		within(rg, shop), func(rows driver.Rows) error { return rows.Scan(&n) })
	return n, err
}

// Sales returns orders and revenue per point and currency, the currency with the most orders first.
func (r *Reports) Sales(ctx context.Context, rg Range, shop string) (Sales, error) {
	rg, err := rg.Checked()
	if err != nil {
		return Sales{}, err
	}
	from, at, known, err := r.bookings(ctx, rg, shop)
	if err != nil {
		return Sales{}, err
	}
	out, err := r.sales(ctx, rg, `''`, at, from, within(rg, shop, rg.stepped()))
	out.AsOf = known.asOf()
	return out, err
}

// SalesByShop returns the same per shop and currency, of the limit shops (0 for 8) with the most orders in the range.
func (r *Reports) SalesByShop(ctx context.Context, rg Range, limit int) (Sales, error) {
	rg, err := rg.Checked()
	if err != nil {
		return Sales{}, err
	}
	if limit, err = limited(limit, 8); err != nil {
		return Sales{}, err
	}
	from, at, known, err := r.bookings(ctx, rg, "")
	if err != nil {
		return Sales{}, err
	}
	var shops []string
	err = r.each(ctx, `SELECT s.shop AS shop, sum(s.orders) AS n FROM `+from+` GROUP BY shop ORDER BY n DESC, shop LIMIT {limit:UInt32}`,
		within(rg, "", bound("limit", limit)), func(rows driver.Rows) error {
			var shop string
			var n uint64
			if err := rows.Scan(&shop, &n); err != nil {
				return err
			}
			shops = append(shops, shop)
			return nil
		})
	if err != nil {
		return Sales{}, err
	}
	out, err := r.sales(ctx, rg, `s.shop`, at, from+` AND s.shop IN {shops:Array(String)}`, within(rg, "", rg.stepped(), bound("shops", shops)))
	out.AsOf = known.asOf()
	return out, err
}

// sales reads series out of what bookings returns, one per value of the expression shop and currency.
func (r *Reports) sales(ctx context.Context, rg Range, shop, booked, from string, values []any) (Sales, error) {
	at := newPoints(rg)
	type name struct{ shop, currency string }
	found := map[name]*SalesSeries{}
	err := r.each(ctx, `SELECT `+shop+` AS of_shop, s.currency AS currency, toInt64(intDiv(toUnixTimestamp(`+booked+`), {step:Int64}) * {step:Int64}) AS point,
			sum(s.orders), sum(s.gross), `+netAmount+` FROM `+from+` GROUP BY of_shop, currency, point LIMIT 150000`,
		values, func(rows driver.Rows) error {
			var k name
			var point int64
			var orders uint64
			var gross, net decimal.Decimal
			if err := rows.Scan(&k.shop, &k.currency, &point, &orders, &gross, &net); err != nil {
				return err
			}
			one := found[k]
			if one == nil {
				one = newSeries(k.shop, k.currency, len(at.times))
				found[k] = one
			}
			if i, ok := at.index(point); ok {
				one.Orders[i], one.Gross[i], one.Net[i] = orders, gross, net
				one.Total += orders
			}
			return nil
		})
	out := Sales{Step: at.step, Times: at.times, Series: []SalesSeries{}}
	for _, one := range found {
		out.Series = append(out.Series, *one)
	}
	slices.SortFunc(out.Series, func(a, b SalesSeries) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Shop, b.Shop), cmp.Compare(a.Currency, b.Currency))
	})
	return out, err
}

func newSeries(shop, currency string, n int) *SalesSeries {
	return &SalesSeries{Shop: shop, Currency: currency, Orders: make([]uint64, n), Gross: make([]decimal.Decimal, n), Net: make([]decimal.Decimal, n)}
}
