package reports

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/shopspring/decimal"
)

// mostActivity bounds what is shown of one entity: a retry schedule of days makes some hundred rows.
const mostActivity = 2000

// Story returns the oldest limit (0 for 200) events of one entity in the order in which they were received, and what services did with
// each. Both tables are sorted by shop and entity, so this reads a few thousand rows however many there are.
func (r *Reports) Story(ctx context.Context, e Entity, limit int) (Story, error) {
	limit, err := limited(limit, 200)
	if err != nil {
		return Story{}, err
	}
	story := Story{Entity: e, Events: []StoryEvent{}}
	var born time.Time
	if born, err = r.storyEvents(ctx, &story, limit); err != nil {
		return story, err
	}
	if len(story.Events) == 0 {
		return story, fmt.Errorf("%w: nothing is stored about %s %s of %s", ErrNotFound, e.Kind, e.ID, e.Shop)
	}
	if err := r.activity(ctx, &story); err != nil {
		return story, err
	}
	if id, err := strconv.ParseUint(e.ID, 10, 64); err == nil && e.Kind == "order" && !unset(born) {
		if story.Order, err = r.order(ctx, e.Shop, id, born); err != nil {
			return story, err
		}
	}
	return story, nil
}

// about is the condition of both tables.
const about = ` WHERE shop = {shop:String} AND entity_kind = {kind:String} AND entity_id = {id:String}`

func (e Entity) values(more ...any) []any {
	return append([]any{bound("shop", e.Shop), bound("kind", e.Kind), bound("id", e.ID)}, more...)
}

// storyEvents reads the events, and when the order was created as the newest of them that tells says.
func (r *Reports) storyEvents(ctx context.Context, story *Story, limit int) (born time.Time, err error) {
	seen := map[string]bool{}
	// An event tells the order's total where its body is an order: then it has a currency. The current total counts, which edits and
	// refunds change, unless the body has none, as those of old API versions.
	err = r.each(ctx, `SELECT `+eventColumns+`, currency, if(position(body, '"current_total_price"') > 0, current_total_price, total_price),
			startsWith(shopify_topic, 'orders/') AND currency != '' AS tells, financial_status, fulfillment_status, created_at
			FROM %.events`+about+` ORDER BY received_time, _topic, _partition, _offset LIMIT {limit:UInt32}`,
		story.values(bound("limit", limit+1)), func(rows driver.Rows) error {
			e := StoryEvent{Activity: []Activity{}}
			var amount decimal.Decimal
			var tells bool
			var at time.Time
			if err := rows.Scan(append(e.fields(), &e.Currency, &amount, &tells, &e.FinancialStatus, &e.FulfillmentStatus, &at)...); err != nil {
				return err
			}
			if tells {
				e.Amount = &amount
				if !unset(at) {
					born = at
				}
			}
			e.Repeat = seen[e.ID]
			seen[e.ID] = true
			story.Events = append(story.Events, e)
			return nil
		})
	if len(story.Events) > limit {
		story.Events, story.More = story.Events[:limit], true
	}
	return born, err
}

// activity adds to each event what was done with it.
func (r *Reports) activity(ctx context.Context, story *Story) error {
	index := make(map[Place]int, len(story.Events))
	for i, e := range story.Events {
		index[e.Place] = i
	}
	return r.each(ctx, `SELECT source_topic, source_partition, source_offset, service, outcome, class, attempt, error, note, started, ended, due
			FROM %.activity`+about+` ORDER BY ended, started LIMIT {most:UInt32}`,
		story.values(bound("most", mostActivity)), func(rows driver.Rows) error {
			var p Place
			var a Activity
			if err := rows.Scan(&p.Topic, &p.Partition, &p.Offset, &a.Service, &a.Outcome, &a.Class, &a.Attempt, &a.Error, &a.Note, &a.Started, &a.Finished, &a.Due); err != nil {
				return err
			}
			if i, ok := index[p]; ok { // else the event is not stored yet, or beyond the limit
				story.Events[i].Activity = append(story.Events[i].Activity, a)
			}
			return nil
		})
}

// order reads how an order stands; nil where the models do not have it.
func (r *Reports) order(ctx context.Context, shop string, id uint64, created time.Time) (*OrderState, error) {
	var found *OrderState
	err := r.each(ctx, `SELECT name, customer_id, currency, total_price, current_total_price, financial_status, fulfillment_status, test, created_at, updated_at, cancelled_at
			FROM %.orders_current WHERE shop = {shop:String} AND created_at = fromUnixTimestamp64Milli({created:Int64}, 'UTC') AND order_id = {id:UInt64} LIMIT 1`,
		[]any{bound("shop", shop), bound("created", created.UnixMilli()), bound("id", id)}, func(rows driver.Rows) error {
			var o OrderState
			var cancelled time.Time
			if err := rows.Scan(&o.Name, &o.CustomerID, &o.Currency, &o.Total, &o.CurrentTotal, &o.FinancialStatus, &o.FulfillmentStatus, &o.Test, &o.Created, &o.Updated, &cancelled); err != nil {
				return err
			}
			if !unset(cancelled) {
				o.Cancelled = &cancelled
			}
			found = &o
			return nil
		})
	return found, err
}
