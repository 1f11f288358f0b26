package reports

import (
	"cmp"
	"context"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Events are counted from the projection by minute (see schemas/ddl), which answers when all that a statement asks for are
// toStartOfMinute(received_time), shop and topic. Points shorter than a minute are counted from the rows; parts that hold no time of
// the range are passed over, since the table's partitioning keeps each part's least and greatest time of receipt.
const (
	inMinutes = ` WHERE toStartOfMinute(received_time) >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
		AND toStartOfMinute(received_time) < fromUnixTimestamp64Milli({to:Int64}, 'UTC') AND ({shop:String} = '' OR shop = {shop:String})`
	inTimes = ` WHERE received_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
		AND received_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC') AND ({shop:String} = '' OR shop = {shop:String})`
	byMinutes = `toInt64(intDiv(toUnixTimestamp(toStartOfMinute(received_time)), {step:Int64}) * {step:Int64})`
	byTimes   = `toInt64(intDiv(toUnixTimestamp(received_time), {step:Int64}) * {step:Int64})`
)

// received returns the condition and the point's expression over events.
func (r Range) received() (where, point string) {
	if r.fine() {
		return inTimes, byTimes
	}
	return inMinutes, byMinutes
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
	where, point := rg.received()
	err = r.each(ctx, `SELECT `+point+` AS point, shopify_topic, count() FROM %.events`+where+` GROUP BY point, shopify_topic LIMIT 150000`,
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

// Delays returns the quantiles of both delays, per point and of the whole range.
func (r *Reports) Delays(ctx context.Context, rg Range, shop string) (Delays, error) {
	rg, err := rg.Checked()
	if err != nil {
		return Delays{}, err
	}
	at := newPoints(rg)
	out := Delays{Step: at.step, Times: at.times, Receive: newStage(len(at.times)), Insert: newStage(len(at.times))}
	where, point := rg.received()
	// ROLLUP gives the whole range too, merged from the same states.
	err = r.each(ctx, `SELECT `+point+` AS point, grouping(point) = 1 AS whole, count() AS n,
			quantilesTDigest(0.5, 0.95, 0.99)(`+receiveSeconds+`), quantilesTDigest(0.5, 0.95, 0.99)(`+insertSeconds+`)
			FROM %.events`+where+` GROUP BY point WITH ROLLUP LIMIT 150000`,
		within(rg, shop, rg.stepped()), func(rows driver.Rows) error {
			var point int64
			var whole uint8
			var n uint64
			var receive, insert []float32
			if err := rows.Scan(&point, &whole, &n, &receive, &insert); err != nil {
				return err
			}
			switch i, ok := at.index(point); {
			case n == 0:
			case whole == 1:
				out.Receive.All, out.Insert.All = quantilesOf(receive), quantilesOf(insert)
			case ok:
				out.Receive.set(i, receive)
				out.Insert.set(i, insert)
			}
			return nil
		})
	return out, err
}

// The delays in seconds. The text is that of the projection.
const (
	receiveSeconds = `toFloat32(greatest(dateDiff('millisecond', time, received_time), 0) / 1000)`
	insertSeconds  = `toFloat32(greatest(dateDiff('millisecond', received_time, inserted_at), 0) / 1000)`
)

func newStage(n int) DelayStage {
	return DelayStage{P50: make([]*float64, n), P95: make([]*float64, n), P99: make([]*float64, n)}
}

func (s *DelayStage) set(i int, values []float32) {
	q := quantilesOf(values)
	s.P50[i], s.P95[i], s.P99[i] = q.P50, q.P95, q.P99
}

func quantilesOf(values []float32) Quantiles {
	at := func(i int) *float64 {
		if i >= len(values) {
			return nil
		}
		v := float64(values[i])
		return &v
	}
	return Quantiles{P50: at(0), P95: at(1), P99: at(2)}
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
