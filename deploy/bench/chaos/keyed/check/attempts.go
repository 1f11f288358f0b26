package check

import (
	"fmt"
	"slices"
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
// another one may not know of a failure that was never committed. When another one has failed the same attempt before, the wait may
// count from there: a zombie that tries an event once more after its successor did, and gets the partition back, goes on with the wait
// that its successor has committed.
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
			if waited := time.Duration(e.Start - firstFailure(p.tries[:i], before.Attempt).End); waited < least {
				r.violate(fmt.Sprintf("%v, %v after the first failure, the last before it: %v", e, waited.Round(time.Millisecond), before))
			}
		}
	})
	r.Remark = fmt.Sprintf("%d waits compared", failures)
	return r
}

// firstFailure returns the first of the tries that failed as this attempt; there is one.
func firstFailure(tries []*ledger.Effect, attempt int) *ledger.Effect {
	i := slices.IndexFunc(tries, func(e *ledger.Effect) bool { return e.Verdict == ledger.Failed && e.Attempt == attempt })
	return tries[i]
}

// seenState counts attempts at which the handler found another state than the events done before have left: a lost, a doubled or a
// stale write. It holds for zombies too, whose own view is as old as they are.
func (b *book) seenState() Result {
	r := Result{Name: "attempts that found a wrong state"}
	for _, entity := range b.entities {
		if b.shuffled(entity) {
			b.seenShuffled(entity, &r)
			continue
		}
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

// shuffled tells whether an event of the entity was passed by a later one when it was not ready, in any process: then the order of the
// entity's states is not known from its events.
func (b *book) shuffled(entity int32) bool {
	pages := b.pages[entity]
	for i, p := range pages {
		aside := p.aside()
		if aside == nil {
			continue
		}
		until := p.tries[len(p.tries)-1].End
		for _, later := range pages[i+1:] {
			if slices.ContainsFunc(later.tries, func(e *ledger.Effect) bool { return e.Start >= aside.End && e.Start < until }) {
				return true
			}
		}
	}
	return false
}

// seenShuffled is seenState for such an entity: an attempt finds a state that was committed at some time, or one that its own process
// has made.
func (b *book) seenShuffled(entity int32, r *Result) {
	var now ledger.State
	committed := map[ledger.State]bool{now: true}
	for _, seq := range b.emitOrder[entity] {
		now = now.Next(seq)
		committed[now] = true
	}
	made := map[string]map[ledger.State]bool{}
	for _, p := range b.pages[entity] {
		for _, e := range p.tries {
			if e.Verdict != ledger.Done {
				continue
			}
			if made[e.Process] == nil {
				made[e.Process] = map[ledger.State]bool{}
			}
			made[e.Process][e.Seen.Next(e.Seq)] = true
		}
	}
	for _, p := range b.pages[entity] {
		for _, e := range p.tries {
			if !committed[e.Seen] && !made[e.Process][e.Seen] {
				r.violate(fmt.Sprintf("%v found %+v, which was never committed, nor made by it", e, e.Seen))
			}
		}
	}
}
