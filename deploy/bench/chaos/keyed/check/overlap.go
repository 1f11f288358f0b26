package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"millrace/deploy/bench/chaos/keyed/ledger"
)

// How long around its cause a member may act for partitions that are no longer its own.
const (
	// wakeUp is what a zombie may need after SIGCONT until a heartbeat tells it; what it had in hand it finishes.
	wakeUp = 5 * time.Second
	// unaware is how long before it learns so a member may have been out of the group: it could not reach the coordinator.
	unaware = 20 * time.Second
	// finish is what it may need for what it had in hand when it learnt so.
	finish = time.Second
)

// overlaps counts handlers of one entity that ran at the same time. Within a process there is no excuse; between two, one of them
// must be a zombie, or have learnt that the group had thrown it out.
func (b *book) overlaps() Result {
	r := Result{Name: "overlapping handlers of one entity, without a cause"}
	zombies, expelled := 0, 0
	for _, entity := range b.entities {
		var tries []*ledger.Effect
		for _, p := range b.pages[entity] {
			tries = append(tries, p.tries...)
		}
		slices.SortStableFunc(tries, func(x, y *ledger.Effect) int { return cmp.Compare(x.Start, y.Start) })
		var open []*ledger.Effect
		for _, e := range tries {
			open = slices.DeleteFunc(open, func(o *ledger.Effect) bool { return o.End <= e.Start })
			for _, o := range open {
				switch {
				case o.Process == e.Process:
					r.violate(fmt.Sprintf("in one process: %v and %v", o, e))
				case b.zombie(o) || b.zombie(e):
					zombies++
				case b.expelled(o) || b.expelled(e):
					expelled++
				default:
					r.violate(fmt.Sprintf("%v and %v", o, e))
				}
			}
			open = append(open, e)
		}
	}
	r.Remark = fmt.Sprintf("with a zombie %d, with a member that had been thrown out %d", zombies, expelled)
	return r
}

// zombie tells whether a process that had been frozen made the attempt while it may not have known what it had missed.
func (b *book) zombie(e *ledger.Effect) bool {
	l := b.lives[e.Process]
	return l != nil && slices.ContainsFunc(l.harms, func(h ledger.Harm) bool {
		return (h.Kind == ledger.Zombie || h.Kind == ledger.Usurp) && e.End >= h.From && e.Start <= h.To+int64(wakeUp)
	})
}

// expelled tells whether a process made the attempt while the group may have thrown it out without its knowing.
func (b *book) expelled(e *ledger.Effect) bool {
	l := b.lives[e.Process]
	return l != nil && slices.ContainsFunc(l.lost, func(lost ledger.Lost) bool {
		return e.End >= lost.At-int64(unaware) && e.Start <= lost.At+int64(finish)
	})
}
