package analytics

import (
	"fmt"
	"strings"
	"testing"

	chcolumn "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/google/go-cmp/cmp"
)

// The reserver must leave no trace but room, whatever the sizes, and also for the columns after one.
func TestAColumnWithReservedRoomHoldsItsValuesAndNothingElse(t *testing.T) {
	room := newReserver()
	for _, values := range [][]string{
		{},
		{""},
		{"a"},
		{"", "", ""},
		{strings.Repeat("x", leastReserved-1)},
		{strings.Repeat("x", leastReserved), ""},
		{strings.Repeat("x", 1<<20), "y", strings.Repeat("z", 300_000)},
		{"last"},
	} {
		c := &chcolumn.String{}
		if err := room.reserve(c, values); err != nil {
			t.Fatalf("reserve(%d values) error: %v", len(values), err)
		}
		if _, err := c.Append(values); err != nil {
			t.Fatalf("Append() error: %v", err)
		}
		got := make([]string, 0, c.Rows())
		for i := range c.Rows() {
			got = append(got, fmt.Sprint(c.Row(i, false)))
		}
		if diff := cmp.Diff(values, got); diff != "" {
			t.Errorf("values (-want, +got):\n%s", diff)
		}
	}
	numbers := &chcolumn.UInt64{}
	if err := room.reserve(numbers, []uint64{1}); err != nil || numbers.Rows() != 0 {
		t.Errorf("reserve() of numbers: %d rows, error: %v", numbers.Rows(), err)
	}
}

func TestAReservedColumnIsFilledWithoutGarbage(t *testing.T) {
	values := make([]string, 4000)
	for i := range values {
		values[i] = strings.Repeat("x", 1000)
	}
	fill := func(reserved bool) testing.BenchmarkResult {
		return testing.Benchmark(func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				c := &chcolumn.String{}
				if reserved {
					if err := newReserver().reserve(c, values); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := c.Append(values); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	with, without := fill(true).AllocedBytesPerOp(), fill(false).AllocedBytesPerOp()
	if with > without/2 {
		t.Errorf("a column of 4 MB takes %d bytes with its room reserved, %d without", with, without)
	}
}
