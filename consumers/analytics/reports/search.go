package reports

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// mostMatches bounds the orders of one name: every shop has an order #1001.
const mostMatches = 200

// search finds the events of an order by its name or id, or one by its webhook id. Only where neither is known are all events
// looked through, for another entity's id and for names that are no order's.
func (r *Reports) search(ctx context.Context, text string, f filter, limit int) ([]Event, error) {
	if strings.HasPrefix(text, "gid://") {
		text = text[strings.LastIndexByte(text, '/')+1:]
	}
	found, err := r.read(ctx, f.and(`id = {search:String}`, bound("search", text)), limit)
	if err != nil {
		return nil, err
	}
	orders, err := r.ordersNamed(ctx, text)
	if err != nil {
		return nil, err
	}
	if len(orders.ids) > 0 {
		more, err := r.read(ctx, f.and(abouts, orders.filter().values...), limit)
		if err != nil {
			return nil, err
		}
		found = merged(found, more)
	}
	if len(found) > 0 {
		return found[:min(len(found), limit)], nil
	}
	return r.read(ctx, f.and(`(entity_id = {search:String} OR name = {search:String})`, bound("search", text)), limit)
}

// ordersNamed finds orders by name or id in the model, which has a row or a few per order: versions that are not merged yet do no harm.
func (r *Reports) ordersNamed(ctx context.Context, text string) (k keys, err error) {
	condition, value := `name = {search:String}`, bound("search", text)
	if id, err := strconv.ParseUint(text, 10, 64); err == nil {
		condition, value = `order_id = {search:UInt64}`, bound("search", id)
	}
	err = r.each(ctx, `SELECT DISTINCT shop, toString(order_id) FROM %.orders WHERE `+condition+` LIMIT {most:UInt32}`,
		[]any{value, bound("most", mostMatches)}, func(rows driver.Rows) error {
			var shop, id string
			if err := rows.Scan(&shop, &id); err != nil {
				return err
			}
			k.shops, k.kinds, k.ids = append(k.shops, shop), append(k.kinds, "order"), append(k.ids, id)
			return nil
		})
	return k, err
}

// merged are the events of both, the newest first, each once.
func merged(a, b []Event) []Event {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y Event) int {
		return cmp.Or(y.Received.Compare(x.Received), cmp.Compare(y.Topic, x.Topic), cmp.Compare(y.Partition, x.Partition), cmp.Compare(y.Offset, x.Offset))
	})
	return slices.CompactFunc(all, func(x, y Event) bool { return x.Place == y.Place })
}
