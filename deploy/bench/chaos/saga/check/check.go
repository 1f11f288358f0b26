package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"millrace/deploy/bench/chaos/saga/gate"
	"millrace/schemas"
)

// All does all checks.
func All(in *Input) []Result {
	all := accounts(in)
	orders := slices.SortedFunc(maps.Keys(all), func(x, y gate.Order) int { return cmp.Or(cmp.Compare(x.Shop, y.Shop), cmp.Compare(x.ID, y.ID)) })
	results := make([]Result, 0, len(checks()))
	for _, c := range checks() {
		r := Result{Name: c.name, Remark: fmt.Sprintf("%d orders", len(orders))}
		for _, o := range orders {
			if wrong := c.find(all[o]); wrong != "" {
				r.add(fmt.Sprintf("%s: %s", o, wrong))
			}
		}
		results = append(results, r)
	}
	stray := Result{Name: "dead letters that are no parked saga's", Count: in.Stray, Remark: fmt.Sprintf("%d dead letters of the saga", len(in.Letters))}
	return append(results, stray)
}

type check struct {
	name string
	find func(*account) string // what is wrong with an order, "" for nothing
}

func checks() []check {
	return []check{
		{"orders both refunded and shipped", refundedAndShipped},
		{"effects that were done twice", twice},
		{"orders left half done", halfDone},
		{"orders that did not end as they had to", wrongEnd},
		{"completed orders with a wrong amount or wrong goods", wrongContent},
		{"parked sagas that are not listed, or listed without a cause", wrongParked},
		{"parked sagas without their one dead letter", wrongLetters},
		{"runs whose events are not one unbroken line to their state", brokenLine},
		{"effects that the events tell otherwise", wrongTold},
	}
}

// refundedAndShipped looks at every moment, not at the end alone.
func refundedAndShipped(a *account) string {
	away := 0
	for _, e := range a.effects {
		switch e.Kind {
		case Shipped:
			away++
		case Cancelled:
			away--
		}
		if e.Kind == Shipped && a.refundedBefore(e.Seq) || e.Kind == Refunded && away > 0 {
			return fmt.Sprintf("refunded, and %d of its shipments went on", max(away, 1))
		}
	}
	return ""
}

func (a *account) refundedBefore(seq int64) bool {
	return slices.ContainsFunc(a.effects, func(e Effect) bool { return e.Kind == Refunded && e.Seq < seq })
}

func twice(a *account) string {
	for _, kind := range []string{Reserved, Charged, Shipped, Released, Refunded, Cancelled} {
		if a.done[kind] > 1 {
			return fmt.Sprintf("%s %d times", kind, a.done[kind])
		}
	}
	if len(a.anomalies) > 0 {
		return fmt.Sprint("the partners say ", a.anomalies)
	}
	return ""
}

// halfDone is all or nothing, but where an undoing failed for good.
func halfDone(a *account) string {
	has := fmt.Sprintf("with %d units reserved, %s charged and %d shipped", a.held(), a.kept(), a.away())
	all := a.held() > 0 && a.kept().IsPositive() && a.away() == 1
	none := a.held() == 0 && a.kept().IsZero() && a.away() == 0
	switch {
	case a.phase == Completed && !all, a.phase == Compensated && !none, a.phase == "" && !none:
		return cmp.Or(a.phase, "without a run") + " " + has
	case a.phase == Parked && !all: // what is before the step that could not be undone stays
		return "parked " + has
	case a.phase != Completed && a.phase != Compensated && a.phase != "" && a.phase != Parked:
		return "still " + a.phase
	default:
		return ""
	}
}

// wrongEnd compares the end with the order's fate.
func wrongEnd(a *account) string {
	switch o := a.order; {
	case o == nil:
		return "no such order was told"
	case a.runs > 1:
		return fmt.Sprintf("it has %d runs", a.runs)
	case o.Cancelled && (a.phase == Compensated || a.phase == Parked || a.phase == ""):
		return ""
	case !o.Cancelled && o.Fate == Good && a.phase == Completed, !o.Cancelled && o.Fate != Good && a.phase == Compensated:
		return ""
	default:
		return fmt.Sprintf("%s, cancelled: %v, and it is %s", o.Fate, o.Cancelled, cmp.Or(a.phase, "without a run"))
	}
}

// wrongContent compares with the versions of the order: what a step sends is a version as it was when the step was requested.
func wrongContent(a *account) string {
	kept := a.kept()
	if a.phase != Completed || a.version(a.held(), nil) && a.version(-1, &kept) && a.version(a.units[Shipped], nil) {
		return ""
	}
	return fmt.Sprintf("%d units reserved, %d shipped, %s charged; the order had %v", a.held(), a.units[Shipped], kept, a.versions())
}

func (a *account) versions() []Version {
	if a.order == nil {
		return nil
	}
	return a.order.Versions
}

// wrongParked: parked is what the carrier refused to take back, and nothing else.
func wrongParked(a *account) string {
	parked := a.phase == Parked
	if parked == a.stuck && (parked && a.parked == 1 || !parked && a.parked == 0) {
		return ""
	}
	return fmt.Sprintf("phase %q, the carrier refused: %v, listed %d times", a.phase, a.stuck, a.parked)
}

func wrongLetters(a *account) string {
	if a.phase == Parked && a.letters == 1 || a.phase != Parked && a.letters == 0 {
		return ""
	}
	return fmt.Sprintf("phase %q and %d dead letters", a.phase, a.letters)
}

// brokenLine: the events of a run have the numbers from 1 on, each once, and the last end is the phase. Anything else is a commit
// that was lost or done twice in part.
func brokenLine(a *account) string {
	next, last := int64(1), ""
	for _, f := range a.facts {
		if f.Seq == 0 {
			continue
		}
		if f.Seq != next {
			return fmt.Sprintf("event %s has number %d, and %d is due", f.Type, f.Seq, next)
		}
		next++
		if phase, ok := endOf(f.Type); ok {
			last = phase
		} else if f.Type == schemas.TypeSagaCompensating {
			last = ""
		}
	}
	if last != a.phase {
		return fmt.Sprintf("the events end with %q and the state with %q", last, a.phase)
	}
	return ""
}

// wrongTold: each effect is told once at most, and for a completed order all are. One whose answer was lost, and that was undone
// after that, is told by its undoing alone. The confirmation has no effect but its event.
func wrongTold(a *account) string {
	for _, pair := range []struct{ kind, eventType string }{
		{Reserved, schemas.TypeInventoryReserved},
		{Charged, schemas.TypePaymentProcessed},
		{Shipped, schemas.TypeFulfillmentStarted},
		{"", schemas.TypeConfirmationRequested},
	} {
		told, done := a.told[pair.eventType], a.done[pair.kind]
		if told > 1 || a.phase == Completed && told == 0 || pair.kind != "" && told > done {
			return fmt.Sprintf("%d times %s, %s, done %d times", told, pair.eventType, cmp.Or(a.phase, "without a run"), done)
		}
	}
	return ""
}
