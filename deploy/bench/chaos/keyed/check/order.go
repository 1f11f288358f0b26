package check

import (
	"fmt"

	"millrace/deploy/bench/chaos/keyed/ledger"
)

// foreign counts attempts at something that is no event of the load, or is not where it was sent to: a record of an aborted
// transaction, a body that has changed, another offset after the trip through the retry topic.
func (b *book) foreign() Result {
	r := Result{Name: "records that no handler may see"}
	for i := range b.strays {
		r.violate(b.strays[i].String())
	}
	return r
}

// lost counts events that were neither done nor given up. Whether what was given up is a dead letter is for letters to say.
func (b *book) lost() Result {
	r := Result{Name: "lost events"}
	done := 0
	b.each(func(p, _ *page) {
		switch last := b.settled(p); {
		case last == nil:
			r.violate(fmt.Sprintf("%v (%d@%d): %s", p.sent.Event, p.sent.Partition, p.sent.Offset, history(p)))
		case p.fate.Kind.Dead() != (last.Verdict != ledger.Done):
			r.violate(fmt.Sprintf("%v should have ended otherwise: %v", p.sent.Event, last))
		default:
			done++
		}
	})
	r.Remark = fmt.Sprintf("%d events settled as they should", done)
	return r
}

// order counts attempts that began before the event before was settled, which is the whole promise of order: it holds for first
// attempts, repeats and zombies alike, since a zombie only repeats what was allowed once.
func (b *book) order() Result {
	r := Result{Name: "attempts before the entity's event before was settled"}
	b.each(func(p, before *page) {
		if before == nil || len(p.tries) == 0 {
			return
		}
		first := p.tries[0]
		for _, e := range p.tries {
			if e.Start < first.Start {
				first = e
			}
		}
		if last := b.settled(before); last == nil || first.Start < last.End {
			r.violate(fmt.Sprintf("%v, but of the event before: %s", first, history(before)))
		}
	})
	return r
}

// firstEffects counts pairs of events of one entity whose first effects came in the wrong order.
func (b *book) firstEffects() Result {
	r := Result{Name: "inversions of first effects"}
	for _, entity := range b.entities {
		var newest *ledger.Effect
		for _, p := range b.pages[entity] {
			e := p.done()
			if e == nil {
				continue
			}
			if newest != nil && e.End < newest.End {
				r.violate(fmt.Sprintf("%v came before %v", e, newest))
				continue
			}
			newest = e
		}
	}
	return r
}

// history is what was tried with an event, in short.
func history(p *page) string {
	if len(p.tries) == 0 {
		return "never tried"
	}
	text := ""
	for i, e := range p.tries {
		if i == 6 {
			return text + fmt.Sprintf("; and %d more", len(p.tries)-i)
		}
		if i > 0 {
			text += "; "
		}
		text += e.String()
	}
	return text
}

// Open returns what was tried with each event that has no end, in the order of their entities.
func Open(in *Input) []string {
	b := newBook(in)
	var open []string
	b.each(func(p, _ *page) {
		if b.settled(p) == nil {
			open = append(open, fmt.Sprintf("%v (%d@%d): %s", p.sent.Event, p.sent.Partition, p.sent.Offset, history(p)))
		}
	})
	return open
}
