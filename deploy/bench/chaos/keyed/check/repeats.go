package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"millrace/deploy/bench/chaos/keyed/ledger"
)

// Causes of repeated effects that are no harm to the process that had the effect before.
const (
	causeExpelled  = "thrown out of the group"
	causeBroker    = "broker or leader change"
	causeRebalance = "rebalance after another member's harm"
	causeNone      = "none"
)

// settle is how long after a harm to others a rebalance or a failed commit may still be its consequence.
const settle = 15 * time.Second

// uncommitted is the longest that an effect may have been had before its process is harmed and still not be committed, when no
// broker is to blame: some commit intervals and a transaction that had to be repeated.
const uncommitted = 10 * time.Second

// repeats counts effects that came again, by what happened between the effect and its repeat. At least once is the contract for the
// world outside, so a repeat with a cause is none of our violations; one without is.
func (b *book) repeats() Result {
	r := Result{Name: "repeated effects without a cause"}
	count := map[string]int{}
	oldest := map[string]time.Duration{} // how long before its kill the oldest effect was that came again
	total := 0
	b.each(func(p, _ *page) {
		var had *ledger.Effect
		for _, e := range p.tries {
			if e.Verdict != ledger.Done {
				continue
			}
			if had != nil {
				total++
				cause, age := b.cause(had, e)
				count[cause]++
				oldest[cause] = max(oldest[cause], age)
				if cause == causeNone {
					r.violate(fmt.Sprintf("%v again as %v", had, e))
				}
			}
			had = e
		}
	})
	r.Remark = fmt.Sprintf("%d repeated", total)
	for _, cause := range slices.Sorted(maps.Keys(count)) {
		r.Remark += fmt.Sprintf("; %s %d", cause, count[cause])
		if oldest[cause] > 0 {
			r.Remark += fmt.Sprintf(" (oldest %v before it)", oldest[cause].Round(time.Millisecond))
		}
	}
	r.Remark += b.perHarm(count)
	return r
}

// perHarm relates the repeats to the number of harms that made them.
func (b *book) perHarm(count map[string]int) string {
	harms := map[ledger.HarmKind]int{}
	for _, h := range b.in.Harms {
		harms[h.Kind]++
	}
	var parts []string
	for _, kind := range []ledger.HarmKind{ledger.Kill, ledger.Stop, ledger.Zombie, ledger.Usurp} {
		if n := harms[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%.1f per %s", float64(count[string(kind)])/float64(n), kind))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// cause says why an effect that had been had came again, and how long before the cause it had been had.
func (b *book) cause(had, again *ledger.Effect) (string, time.Duration) {
	if b.zombie(had) || b.zombie(again) {
		return string(ledger.Zombie), 0
	}
	// What a process had done just before it was killed or frozen it could not commit.
	killed := func(h ledger.Harm) bool { return h.Kind != ledger.Stop }
	if kind, age, ok := b.harmed(had, again, killed); ok {
		return kind, age
	}
	if b.expelled(had) || b.expelled(again) {
		return causeExpelled, 0
	}
	between := func(h ledger.Harm) bool {
		return h.From <= again.End && had.End >= h.From-int64(uncommitted) && had.Start <= h.To+int64(settle)
	}
	for _, h := range b.in.Harms {
		if (h.Kind == ledger.Broker || h.Kind == ledger.Lead || h.Kind == ledger.Assign) && between(h) {
			return causeBroker, 0
		}
	}
	// Last, because a stop in order commits everything unless something else is wrong: what counts here is its own.
	if kind, age, ok := b.harmed(had, again, func(ledger.Harm) bool { return true }); ok {
		return kind, age
	}
	if had.Process != again.Process && slices.ContainsFunc(b.in.Harms, between) {
		return causeRebalance, 0
	}
	return causeNone, 0
}

// harmed finds the harm that hit the process that had the effect before it came again, and how long before it the effect had been had.
func (b *book) harmed(had, again *ledger.Effect, counts func(ledger.Harm) bool) (string, time.Duration, bool) {
	if l := b.lives[had.Process]; l != nil {
		for _, h := range l.harms {
			if age := time.Duration(h.From - had.End); counts(h) && had.End <= h.To && again.End >= h.From && age <= uncommitted {
				return string(h.Kind), max(0, age), true
			}
		}
	}
	return "", 0, false
}
