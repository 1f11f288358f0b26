package main

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMedianIsTheUpperMiddle(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 9}, {[]float64{5, 1, 3}, 3}} {
		before := slices.Clone(tc.values)
		if got := median(tc.values); got != tc.want {
			t.Errorf("median(%v) = %v, want %v", tc.values, got, tc.want)
		}
		if !slices.Equal(before, tc.values) {
			t.Errorf("median changed its argument to %v", tc.values)
		}
	}
}

func TestQuantileIsAValueThatWasMeasured(t *testing.T) {
	var hundred []time.Duration
	for n := range 100 {
		hundred = append(hundred, time.Duration(n+1))
	}
	for _, tc := range []struct {
		values []time.Duration
		q      float64
		want   time.Duration
	}{{nil, 0.5, 0}, {hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 0.991, 100}, {hundred, 1, 100}, {hundred, 0, 1}, {hundred[:1], 0.99, 1}, {hundred[:3], 0.5, 2}} {
		if got := quantile(tc.values, tc.q); got != tc.want {
			t.Errorf("quantile(%d values, %v) = %v, want %v", len(tc.values), tc.q, got, tc.want)
		}
	}
}

func TestARecordIsSeenWhenItsPartitionIsThatFar(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	one, two := place{"shopify.orders", 1}, place{"shopify.orders", 2}
	s := newSightings()
	s.accepted(one, 7, at(100))
	s.accepted(one, 9, at(110)) // 8 is a gap
	s.accepted(two, 0, at(120))
	s.seen(one, 6, at(130)) // what was there before
	if len(s.delays) != 0 || s.left() != 3 {
		t.Fatalf("after a SELECT that saw none: %d delays, %d left; want 0, 3", len(s.delays), s.left())
	}
	s.seen(one, 8, at(150))
	s.seen(two, 0, at(115)) // the SELECT came back before the acknowledgement
	s.seen(one, 20, at(200))
	s.seen(one, 20, at(300))
	want := []time.Duration{50 * time.Millisecond, 0, 90 * time.Millisecond}
	if !slices.Equal(s.delays, want) || s.left() != 0 {
		t.Errorf("delays %v, %d left; want %v, 0", s.delays, s.left(), want)
	}
}

func TestOthersAreWhatTheBenchDidNotTake(t *testing.T) {
	begin := time.Unix(1000, 0)
	before := moment{at: begin, busy: 100, own: map[int]float64{1: 10, 2: 20}}
	after := moment{at: begin.Add(10 * time.Second), busy: 108, own: map[int]float64{1: 13, 2: 22}}
	if got := after.cores(1, before); got != 0.3 {
		t.Errorf("cores = %v, want 0.3", got)
	}
	if got := after.others(before) * float64(processors()) * 10; got < 2.99 || got > 3.01 {
		t.Errorf("others took %v seconds, want 3", got)
	}
}

func TestTheStatementGoesToAnotherDatabase(t *testing.T) {
	got := table("INSERT INTO `bench_1`.events (id, body) FORMAT Native", "`bench_2`")
	if want := "INSERT INTO `bench_2`.events (id, body) FORMAT Native"; got != want {
		t.Errorf("table() = %q, want %q", got, want)
	}
}
