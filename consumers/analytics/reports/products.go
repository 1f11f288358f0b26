package reports

import (
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// lines are the lines of the orders in a range; only those arrays are joined that a question needs, since each joined one is read and
// written out. What has no product (a custom line, or one of a product that is gone) is told from others by its title. nth counts
// the lines of one order that are of the same product, so that orders are counted without a set of their numbers.
const lines = ` FROM %.orders_current ARRAY JOIN line_product_ids AS product_id, arrayMap((p, t) -> if(p = 0, t, ''), line_product_ids, line_titles) AS custom`

// TopProducts returns the products with the most units sold in the range, per currency, at most limit (0 for 10). The time is as of
// when, where they are made of sums; else nil.
func (r *Reports) TopProducts(ctx context.Context, rg Range, shop string, limit int) ([]Product, *time.Time, error) {
	rg, err := rg.Checked()
	if err != nil {
		return nil, nil, err
	}
	if limit, err = limited(limit, 10); err != nil {
		return nil, nil, err
	}
	known, err := r.sums(ctx, productDays(), rg, shop)
	if err != nil {
		return nil, nil, err
	}
	products := []Product{}
	if known.there() {
		err = r.summedProducts(ctx, rg, limit, &products)
		return products, known.asOf(), err
	}
	err = r.countedProducts(ctx, rg, shop, limit, &products)
	return products, nil, err
}

// summedProducts reads them from product_days: first which, of numbers alone, and then those.
func (r *Reports) summedProducts(ctx context.Context, rg Range, limit int, into *[]Product) error {
	return r.each(ctx, `SELECT any(shop) AS of_shop, any(product_id) AS product, any(currency) AS of_currency, argMax(title, day), argMax(sku, day),
				sum(orders), sum(units) AS n, sum(revenue) AS amount
			FROM %.`+productDays().table+inDays+` AND series IN
				(SELECT series FROM %.`+productDays().table+inDays+` GROUP BY series ORDER BY sum(units) DESC, sum(revenue) DESC, series LIMIT {limit:UInt32})
			GROUP BY series ORDER BY n DESC, amount DESC, of_shop, product, of_currency LIMIT {limit:UInt32}`,
		within(rg, "", bound("limit", limit)), func(rows driver.Rows) error {
			var p Product
			if err := rows.Scan(&p.Shop, &p.ProductID, &p.Currency, &p.Title, &p.SKU, &p.Orders, &p.Units, &p.Revenue); err != nil {
				return err
			}
			*into = append(*into, p)
			return nil
		})
}

// countedProducts reads them from the orders: which and how many in one pass, and what they are called in a second one over their shops.
func (r *Reports) countedProducts(ctx context.Context, rg Range, shop string, limit int, into *[]Product) error {
	type name struct {
		product          uint64
		shop, custom, in string
	}
	places := map[name]int{}
	var shops []string
	var ids []uint64
	err := r.each(ctx, `SELECT shop, product_id, custom, currency, countIf(nth = 1), sum(quantity) AS units, sum(amount) AS revenue`+lines+`,
				arrayEnumerateUniq(line_product_ids, arrayMap((p, t) -> if(p = 0, t, ''), line_product_ids, line_titles)) AS nth,
				line_quantities AS quantity, line_amounts AS amount`+created+` AND NOT test
			GROUP BY shop, product_id, custom, currency
			ORDER BY units DESC, revenue DESC, shop, product_id, currency, custom LIMIT {limit:UInt32}`,
		within(rg, shop, bound("limit", limit)), func(rows driver.Rows) error {
			var p Product
			var custom string
			if err := rows.Scan(&p.Shop, &p.ProductID, &custom, &p.Currency, &p.Orders, &p.Units, &p.Revenue); err != nil {
				return err
			}
			places[name{p.ProductID, p.Shop, custom, p.Currency}] = len(*into)
			shops, ids = append(shops, p.Shop), append(ids, p.ProductID)
			*into = append(*into, p)
			return nil
		})
	if err != nil || len(*into) == 0 {
		return err
	}
	slices.Sort(shops)
	return r.each(ctx, `SELECT shop, product_id, custom, currency, argMax(title, created_at), argMax(sku, created_at)`+lines+`,
				line_titles AS title, line_skus AS sku`+created+` AND NOT test AND shop IN {shops:Array(String)} AND hasAny(line_product_ids, {ids:Array(UInt64)})
				AND product_id IN {ids:Array(UInt64)}
			GROUP BY shop, product_id, custom, currency LIMIT 150000`,
		within(rg, shop, bound("shops", slices.Compact(shops)), bound("ids", ids)), func(rows driver.Rows) error {
			var n name
			var title, sku string
			if err := rows.Scan(&n.shop, &n.product, &n.custom, &n.in, &title, &sku); err != nil {
				return err
			}
			if i, ok := places[n]; ok {
				(*into)[i].Title, (*into)[i].SKU = title, sku
			}
			return nil
		})
}
