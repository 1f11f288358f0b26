package reports

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Delays returns the quantiles of both delays, per point and of the whole range. Of one shop and of short ranges they are read from
// the events; else from counts per minute of the events that took at most so long, between whose bounds they are interpolated.
func (r *Reports) Delays(ctx context.Context, rg Range, shop string) (Delays, error) {
	rg, err := rg.Checked()
	if err != nil {
		return Delays{}, err
	}
	at := newPoints(rg)
	out := Delays{Step: at.step, Times: at.times, Receive: newStage(len(at.times)), Insert: newStage(len(at.times))}
	if rg.summed(shop) {
		return out, r.countedDelays(ctx, rg, at, &out)
	}
	// ROLLUP gives the whole range too, merged from the same states.
	err = r.each(ctx, `SELECT `+byTimes+` AS point, grouping(point) = 1 AS whole, count() AS n,
			quantilesTDigest(0.5, 0.95, 0.99)(`+receiveSeconds+`), quantilesTDigest(0.5, 0.95, 0.99)(`+insertSeconds+`)
			FROM %.events`+inTimes+ofShop(shop)+` GROUP BY point WITH ROLLUP LIMIT 150000`,
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
				out.Receive.set(i, quantilesOf(receive))
				out.Insert.set(i, quantilesOf(insert))
			}
			return nil
		})
	return out, err
}

// The delays in seconds. Clocks of two machines may differ: what would be negative is none.
const (
	receiveSeconds = `toFloat32(greatest(dateDiff('millisecond', time, received_time), 0) / 1000)`
	insertSeconds  = `toFloat32(greatest(dateDiff('millisecond', received_time, inserted_at), 0) / 1000)`
)

// bounds are those of events_by_minute (schemas/ddl), in seconds.
func bounds() []float64 {
	return []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 600, 3600, 14400}
}

// counted is one point's part of events_by_minute: how many events took at most each of the bounds, how many there are, and the
// greatest delay in seconds.
type counted struct {
	within   []uint64
	n        uint64
	greatest float64
}

func (c *counted) add(within []uint64, n uint64, greatest float64) {
	if c.within == nil {
		c.within = make([]uint64, len(bounds()))
	}
	for i := range min(len(within), len(c.within)) {
		c.within[i] += within[i]
	}
	c.n += n
	c.greatest = max(c.greatest, greatest)
}

// at returns the quantile q, interpolated between the bounds around it, and never above the greatest delay there was.
func (c *counted) at(q float64) *float64 {
	if c.n == 0 {
		return nil
	}
	wanted := q * float64(c.n)
	from, below := 0.0, 0.0
	all := append(bounds(), max(c.greatest, 0))
	counts := append(append([]uint64{}, c.within...), c.n)
	for i, bound := range all {
		if n := float64(counts[i]); n >= wanted && n > below {
			v := from + (bound-from)*(wanted-below)/(n-below)
			v = max(min(v, c.greatest), 0)
			return &v
		}
		from, below = bound, float64(counts[i])
	}
	v := max(c.greatest, 0)
	return &v
}

func (c *counted) quantiles() Quantiles {
	return Quantiles{P50: c.at(0.5), P95: c.at(0.95), P99: c.at(0.99)}
}

func (r *Reports) countedDelays(ctx context.Context, rg Range, at points, out *Delays) error {
	receive, insert := make([]counted, len(at.times)), make([]counted, len(at.times))
	var allReceive, allInsert counted
	from, point := rg.sums()
	err := r.each(ctx, `SELECT `+point+` AS point, sum(events), max(delivery_max_ms), sumForEach(delivery_le), max(storing_max_ms), sumForEach(storing_le)
			FROM `+from+` GROUP BY point LIMIT 150000`,
		within(rg, "", rg.stepped()), func(rows driver.Rows) error {
			var point, receiveMost, insertMost int64
			var n uint64
			var receiveWithin, insertWithin []uint64
			if err := rows.Scan(&point, &n, &receiveMost, &receiveWithin, &insertMost, &insertWithin); err != nil {
				return err
			}
			if i, ok := at.index(point); ok {
				receive[i].add(receiveWithin, n, float64(receiveMost)/1000)
				insert[i].add(insertWithin, n, float64(insertMost)/1000)
			}
			allReceive.add(receiveWithin, n, float64(receiveMost)/1000)
			allInsert.add(insertWithin, n, float64(insertMost)/1000)
			return nil
		})
	for i := range at.times {
		out.Receive.set(i, receive[i].quantiles())
		out.Insert.set(i, insert[i].quantiles())
	}
	out.Receive.All, out.Insert.All = allReceive.quantiles(), allInsert.quantiles()
	return err
}

func newStage(n int) DelayStage {
	return DelayStage{P50: make([]*float64, n), P95: make([]*float64, n), P99: make([]*float64, n)}
}

func (s *DelayStage) set(i int, q Quantiles) { s.P50[i], s.P95[i], s.P99[i] = q.P50, q.P95, q.P99 }

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
