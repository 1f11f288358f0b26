package check

import (
	"fmt"
	"time"

	"millrace/deploy/bench/chaos/keyed/ledger"
)

// attempts counts attempt numbers that no failure has earned: an attempt is burned by a failure and by nothing else, neither by a
// crash nor by an answer such as NotReady.
func (b *book) attempts() Result {
	r := Result{Name: "attempts burned without a failure"}
	b.each(func(p, _ *page) {
		for i, e := range p.tries {
			earned := 1
			for _, before := range p.tries[:i] {
				if before.Verdict == ledger.Failed {
					earned = max(earned, before.Attempt+1)
				}
			}
			if e.Attempt < 1 || e.Attempt > earned || e.Attempt > len(b.in.Schedule) {
				r.violate(fmt.Sprintf("%v, %d was earned: %s", e, earned, history(p)))
			}
		}
	})
	return r
}

// clockStep is what a timer may be early by.
const clockStep = 5 * time.Millisecond

// waits counts attempts that came sooner than the schedule allows. Only attempts of one process are compared, one after the other:
// another one may not know of a failure that was never committed.
func (b *book) waits() Result {
	r := Result{Name: "attempts that came too soon"}
	failures := 0
	b.each(func(p, _ *page) {
		for i := 1; i < len(p.tries); i++ {
			before, e := p.tries[i-1], p.tries[i]
			if before.Process != e.Process || before.Verdict != ledger.Failed || e.Attempt != before.Attempt+1 || e.Attempt > len(b.in.Schedule) {
				continue
			}
			failures++
			least := time.Duration(float64(b.in.Schedule[e.Attempt-1])*(1-b.in.Jitter)) - clockStep
			if waited := time.Duration(e.Start - before.End); waited < least {
				r.violate(fmt.Sprintf("%v, %v after %v", e, waited.Round(time.Millisecond), before))
			}
		}
	})
	r.Remark = fmt.Sprintf("%d waits compared", failures)
	return r
}

// seenState counts attempts at which the handler found another state than the events done before have left: a lost, a doubled or a
// stale write. It holds for zombies too, whose own view is as old as they are.
func (b *book) seenState() Result {
	r := Result{Name: "attempts that found a wrong state"}
	for _, entity := range b.entities {
		var want ledger.State
		for _, p := range b.pages[entity] {
			for _, e := range p.tries {
				if e.Seen != want {
					r.violate(fmt.Sprintf("%v found %+v instead of %+v", e, e.Seen, want))
				}
			}
			if last := b.settled(p); last != nil && last.Verdict == ledger.Done {
				want = want.Next(p.sent.Seq)
			}
		}
	}
	return r
}
