package reports

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// kept is a table of sums that ClickHouse keeps of all shops (schemas/ddl/sql/0007_sums.sql). They answer what the views would take
// seconds for, as of the time at which they were last made.
type kept struct {
	table string
	days  int // how many it reaches back, less the one that a refresh after midnight takes off
}

func salesHours() kept   { return kept{"sales_hours", 189} }
func customerDays() kept { return kept{"customer_days", 189} }
func productDays() kept  { return kept{"product_days", 99} }

const (
	// oldestSums is how old they may be: several refreshes have then failed, and the views, slow as they are, tell the truth.
	oldestSums = 3 * time.Hour
	// clocks is how far the asker's clock may be behind the server's, for a range that ends now.
	clocks = 10 * time.Minute
)

// sums says whether and how a question is answered from sums. The zero value is not.
type sums struct {
	made time.Time // in whole seconds
	ago  [2]int    // first and last day of the range, in days before that of made
}

func (s sums) there() bool { return !s.made.IsZero() }

// asOf is what an answer tells of it: nil for one that is not made of sums.
func (s sums) asOf() *time.Time {
	if !s.there() {
		return nil
	}
	return &s.made
}

// sums looks whether the question can be answered from k: it is about all shops and whole days of which there are sums.
func (r *Reports) sums(ctx context.Context, k kept, rg Range, shop string) (sums, error) {
	if shop != "" || !rg.long() {
		return sums{}, nil
	}
	s := sums{}
	var now time.Time
	// No row: nothing has been made yet, or nothing was sold.
	err := r.each(ctx, `SELECT made_at, now('UTC') FROM %.`+k.table+` LIMIT 1`, nil, func(rows driver.Rows) error { return rows.Scan(&s.made, &now) })
	if err != nil || !s.there() || now.Sub(s.made) > oldestSums {
		return sums{}, err
	}
	s.made = s.made.UTC()
	today := s.made.Truncate(day)
	// What began a moment before the range's end is in it, and the day of made_at is today as far as the sums go.
	last := rg.To.Add(-time.Nanosecond).UTC().Truncate(day)
	s.ago = [2]int{int(today.Sub(rg.From) / day), max(int(today.Sub(last)/day), 0)}
	whole := rg.To.Equal(rg.To.UTC().Truncate(day)) || !rg.To.Before(s.made.Add(-clocks))
	if s.ago[0] > k.days || s.ago[0] < 0 || !whole {
		return sums{}, nil
	}
	return s, nil
}

// inDays is the condition on the days of a range, and on hours.
const (
	inDays  = ` WHERE day >= toDate(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND day <= toDate(fromUnixTimestamp64Milli({to:Int64} - 1, 'UTC'))`
	inHours = ` WHERE hour >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND hour < fromUnixTimestamp64Milli({to:Int64}, 'UTC')`
)

// activeCustomers counts those who ordered in the range, and those who did so for the first time.
func (r *Reports) activeCustomers(ctx context.Context, s sums) (ordered, began uint64, err error) {
	// A bit for each day of the range.
	err = r.each(ctx, `WITH bitShiftLeft(toUInt256(1), {first:UInt16} + 1) - bitShiftLeft(toUInt256(1), {last:UInt16}) AS days
			SELECT countIf(bitAnd(ordered, days) != 0), countIf(bitAnd(began, days) != 0) FROM %.`+customerDays().table,
		[]any{bound("first", s.ago[0]), bound("last", s.ago[1])}, func(rows driver.Rows) error { return rows.Scan(&ordered, &began) })
	return ordered, began, err
}
