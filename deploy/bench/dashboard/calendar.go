package main

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// What the events look like as a whole.
const (
	days       = 90
	saleDay    = 60 // with five times the usual traffic
	shopsCount = 10_000
	// eventsPerOrder is how many events of the data set there are to one order; about four of them are the order's own.
	eventsPerOrder = 16
	// ownEvents is what one order has on average, with its refund, its fulfilment and the repeats: 4.1 by the rules of orders.sql, less what
	// the orders of the last days have not got yet. Counted in a set of three million events.
	ownEvents = 4.05
)

// slotHours is the length of a slot: three hours for large sets, longer where a slot would have so few events that the fixed cost of
// an insert is all that is left.
func slotHours(events int) int {
	const enough = 20_000
	hours := 3
	for hours < 24 && events/(days*24/hours) < enough {
		hours *= 2
	}
	return hours
}

// slot is some hours in which events come evenly; the slots together make day and night, week and sale.
type slot struct {
	start         time.Time
	hours         int
	orders, first int // orders created in it, and the number of the first
	others, from  int // events that are not about orders, and the number of the first
}

// calendar spreads events over 90 days that end at end.
func calendar(events int, end time.Time) []slot {
	begin := end.Add(-days * 24 * time.Hour)
	hours := slotHours(events)
	slots := make([]slot, 0, days*24/hours)
	sum := 0.0
	for n := range days * 24 / hours {
		at := begin.Add(time.Duration(n*hours) * time.Hour)
		slots = append(slots, slot{start: at, hours: hours})
		sum += weight(at, n*hours/24)
	}
	orders := events / eventsPerOrder
	others := max(events-int(ownEvents*float64(orders)), 0)
	done, o, q := 0.0, 0, 0
	for n := range slots {
		s := &slots[n]
		done += weight(s.start, n*hours/24)
		s.first, s.from = o, q
		// Ends are rounded and not lengths, so that the sum is exact.
		o, q = int(math.Round(done/sum*float64(orders))), int(math.Round(done/sum*float64(others)))
		s.orders, s.others = o-s.first, q-s.from
	}
	return slots
}

// weight is how much happens in a slot: evenings most, nights a fifth of it, and the sale.
func weight(at time.Time, day int) float64 {
	w := 1 + 0.67*math.Cos(float64(at.Hour()-18)/24*2*math.Pi)
	if at.Weekday() == time.Sunday {
		w *= 1.2
	}
	if day == saleDay {
		w *= 5
	}
	return w
}

// later tells so many hours after its creation the later events of an order come: the update, the fulfilment, the last update and
// the refund. They are multiples of all lengths of a slot, or one slot where that is longer.
func later(event int) int {
	return map[int]int{3: 6, 4: 48, 7: 48, 5: 120, 6: 120}[event]
}

//go:embed orders.sql
var ordersSQL string

//go:embed others.sql
var othersSQL string

// ordersStatement makes the events about orders of slot n: those of orders created in it, and later ones of earlier orders.
func ordersStatement(slots []slot, n, orders int, database string) string {
	source := func(s slot, events string) string {
		return fmt.Sprintf("SELECT number AS k, arrayJoin([%s]) AS v, %d AS born, %d AS lasted FROM numbers(%d, %d)", events, s.start.Unix(), s.hours*3600, s.first, s.orders)
	}
	sources := []string{source(slots[n], "1, 2")}
	for v := 3; v <= 7; v++ {
		if back := max(later(v)/slots[n].hours, 1); n >= back {
			sources = append(sources, source(slots[n-back], strconv.Itoa(v)))
		}
	}
	return fillIn(ordersSQL, slots[n], orders, database, strings.Join(sources, " UNION ALL "))
}

// othersStatement makes the other events of a slot.
func othersStatement(s slot, orders int, database string) string {
	return fillIn(othersSQL, s, orders, database, "")
}

func fillIn(text string, s slot, orders int, database, sources string) string {
	return strings.NewReplacer(
		"{{database}}", database, "{{start}}", strconv.FormatInt(s.start.Unix(), 10), "{{length}}", strconv.Itoa(s.hours*3600), "{{shops}}", strconv.Itoa(shopsCount),
		"{{orders}}", strconv.Itoa(orders), "{{sources}}", sources, "{{first}}", strconv.Itoa(s.from), "{{count}}", strconv.Itoa(s.others),
	).Replace(text)
}
