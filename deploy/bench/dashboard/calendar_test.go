package main

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSlotsFollowEachOtherAndHoldEverything(t *testing.T) {
	end := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, events := range []int{100_000, 1_000_000, 100_000_000} {
		slots := calendar(events, end)
		orders, others, at := 0, 0, end.Add(-days*24*time.Hour)
		for n, s := range slots {
			if !s.start.Equal(at) || s.first != orders || s.from != others || s.orders < 0 || s.others < 0 {
				t.Fatalf("%d events: slot %d is %+v; want it to begin at %s, order %d, other %d", events, n, s, at, orders, others)
			}
			at, orders, others = at.Add(time.Duration(s.hours)*time.Hour), orders+s.orders, others+s.others
		}
		if !at.Equal(end) {
			t.Errorf("%d events: slots end at %s, want %s", events, at, end)
		}
		if total := int(ownEvents*float64(orders)) + others; orders != events/eventsPerOrder || total != events {
			t.Errorf("%d orders and %d events in all, want %d and %d", orders, total, events/eventsPerOrder, events)
		}
	}
}

func TestNightsAreQuietAndTheSaleIsNot(t *testing.T) {
	monday := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	night, evening := weight(monday.Add(6*time.Hour), 3), weight(monday.Add(18*time.Hour), 3)
	if ratio := evening / night; ratio < 4 || ratio > 6 {
		t.Errorf("an evening has %.1f times the events of a night, want about 5", ratio)
	}
	if ratio := weight(monday, saleDay) / weight(monday, 3); ratio < 4.9 || ratio > 5.1 {
		t.Errorf("the sale has %.1f times the events of another day, want 5", ratio)
	}
}

func TestStatementsAreFilledIn(t *testing.T) {
	slots := calendar(100_000_000, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	for n := range []int{0, 50} {
		for _, statement := range []string{ordersStatement(slots, n, 1000, "`bench`"), othersStatement(slots[n], 1000, "`bench`")} {
			if strings.Contains(statement, "{{") {
				t.Errorf("a place is left open in %s", statement)
			}
		}
	}
	if got := strings.Count(ordersStatement(slots, 50, 1000, "b"), "UNION ALL"); got != 5 {
		t.Errorf("%d sources are added to the new orders, want 5", got)
	}
	if strings.Contains(ordersStatement(slots, 0, 1000, "b"), "UNION ALL") {
		t.Error("the first slot has later events of orders that never were")
	}
}

func TestQuantileIsAValueThatWasMeasured(t *testing.T) {
	var twenty []time.Duration
	for n := range 20 {
		twenty = append(twenty, time.Duration(n+1))
	}
	for _, tc := range []struct {
		q    float64
		want time.Duration
	}{{0.5, 10}, {0.95, 19}, {0.96, 20}, {1, 20}, {0, 1}} {
		if got := quantile(twenty, tc.q); got != tc.want {
			t.Errorf("quantile(%v) = %v, want %v", tc.q, got, tc.want)
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("quantile of nothing = %v", got)
	}
}
