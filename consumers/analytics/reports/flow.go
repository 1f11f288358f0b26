package reports

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Where events are counted. Those of all shops are added up in the views events_by_minute and events_by_hour, which projections of
// events answer: a row per minute or hour and topic instead of one per event. One shop's events lie together in the table, and
// short ranges in the projection by_received: there the rows themselves are counted, which is exact to the millisecond at both ends.
const (
	inTimes = ` WHERE received_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND received_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')`
	byTimes = `toInt64(intDiv(toUnixTimestamp(received_time), {step:Int64}) * {step:Int64})`
)

// summed tells whether the question is answered from sums.
func (r Range) summed(shop string) bool { return shop == "" && !r.fine() }

// sums is where whole minutes, or hours, are added up: the view with the condition on the range, and the point of one of its rows.
// Hours are for ranges of days whose points are hours or more, of which they are a sixtieth of the rows; the first hour is then
// whole.
func (r Range) sums() (from, point string) {
	bucket, start := "minute", "toStartOfMinute"
	if r.Step%time.Hour == 0 && r.To.Sub(r.From) > 48*time.Hour {
		bucket, start = "hour", "toStartOfHour"
	}
	from = `%.events_by_` + bucket + ` WHERE ` + bucket + ` >= ` + start + `(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND ` + bucket +
		` < fromUnixTimestamp64Milli({to:Int64}, 'UTC')`
	return from, `toInt64(intDiv(toUnixTimestamp(` + bucket + `), {step:Int64}) * {step:Int64})`
}

// ofShop is the condition on one shop, nothing for all: a condition that is always true could keep a projection from being used.
func ofShop(shop string) string {
	if shop == "" {
		return ""
	}
	return ` AND shop = {shop:String}`
}

func (r Range) stepped() any { return bound("step", int64(r.Step.Seconds())) }

// Throughput returns events per point and Shopify topic, at most limit topics (0 for 8) and the rest in one more.
func (r *Reports) Throughput(ctx context.Context, rg Range, shop string, limit int) (Throughput, error) {
	rg, err := rg.Checked()
	if err != nil {
		return Throughput{}, err
	}
	if limit, err = limited(limit, 8); err != nil {
		return Throughput{}, err
	}
	at := newPoints(rg)
	topics := map[string]*TopicSeries{}
	query := `SELECT ` + byTimes + ` AS point, shopify_topic, count() FROM %.events` + inTimes + ofShop(shop)
	if rg.summed(shop) {
		from, point := rg.sums()
		query = `SELECT ` + point + ` AS point, shopify_topic, sum(events) FROM ` + from
	}
	err = r.each(ctx, query+` GROUP BY point, shopify_topic LIMIT 150000`,
		within(rg, shop, rg.stepped()), func(rows driver.Rows) error {
			var point int64
			var topic string
			var n uint64
			if err := rows.Scan(&point, &topic, &n); err != nil {
				return err
			}
			one := topics[topic]
			if one == nil {
				one = &TopicSeries{Topic: topic, Counts: make([]uint64, len(at.times))}
				topics[topic] = one
			}
			if i, ok := at.index(point); ok {
				one.Counts[i] += n
				one.Total += n
			}
			return nil
		})
	if err != nil {
		return Throughput{}, err
	}
	out := Throughput{Step: at.step, Times: at.times, Series: []TopicSeries{}}
	for _, one := range topics {
		out.Series = append(out.Series, *one)
		out.Total += one.Total
	}
	out.Series = gathered(out.Series, limit)
	return out, nil
}

// gathered sorts the busiest first and adds up what is beyond limit.
func gathered(series []TopicSeries, limit int) []TopicSeries {
	slices.SortFunc(series, func(a, b TopicSeries) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Topic, b.Topic))
	})
	if len(series) <= limit {
		return series
	}
	rest := TopicSeries{Topic: Others, Counts: make([]uint64, len(series[0].Counts))}
	for _, one := range series[limit:] {
		rest.Total += one.Total
		for i, n := range one.Counts {
			rest.Counts[i] += n
		}
	}
	return append(series[:limit:limit], rest)
}

// Shops returns shops whose domain begins with prefix (lower case; all where it is empty), the ones with the most events first, at
// most limit (0 for 20).
func (r *Reports) Shops(ctx context.Context, prefix string, limit int) ([]Shop, error) {
	limit, err := limited(limit, 20)
	if err != nil {
		return nil, err
	}
	shops := []Shop{}
	err = r.each(ctx, `SELECT shop, count() AS n FROM %.events WHERE startsWith(shop, {prefix:String}) GROUP BY shop ORDER BY n DESC, shop LIMIT {limit:UInt32}`,
		[]any{bound("prefix", prefix), bound("limit", limit)}, func(rows driver.Rows) error {
			var s Shop
			if err := rows.Scan(&s.Shop, &s.Events); err != nil {
				return err
			}
			if s.Shop != "" { // what was never an event has none
				shops = append(shops, s)
			}
			return nil
		})
	return shops, err
}

// points finds the index of a point by its beginning.
type points struct {
	times []int64
	step  int64
}

func newPoints(r Range) points { return points{times: r.times(), step: int64(r.Step.Seconds())} }

func (p points) index(beginning int64) (int, bool) {
	i := (beginning - p.times[0]) / p.step
	return int(i), beginning >= p.times[0] && i < int64(len(p.times))
}
