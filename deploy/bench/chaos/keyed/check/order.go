package check

import (
	"fmt"
	"math"

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

// order counts attempts that began before an earlier event of the entity had let them: by being settled, or by stepping aside with
// NotReady. That is the whole promise of order: it holds for first attempts, repeats and zombies alike, since a zombie only repeats what
// was allowed once.
func (b *book) order() Result {
	r := Result{Name: "attempts that overtook an earlier event of the entity"}
	for _, entity := range b.entities {
		var last *page // the earlier event that let go last
		for _, p := range b.pages[entity] {
			if first := p.first(); first != nil && last != nil && first.Start < b.letGo(last) {
				r.violate(fmt.Sprintf("%v, but of %v: %s", first, last.sent.Event, history(last)))
			}
			if last == nil || b.letGo(p) > b.letGo(last) {
				last = p
			}
		}
	}
	return r
}

// first returns the attempt that began first, or nil.
func (p *page) first() *ledger.Effect {
	var first *ledger.Effect
	for _, e := range p.tries {
		if first == nil || e.Start < first.Start {
			first = e
		}
	}
	return first
}

// letGo returns when later events of the entity were first allowed to begin.
func (b *book) letGo(p *page) int64 {
	at := int64(math.MaxInt64)
	if e := b.settled(p); e != nil {
		at = e.End
	}
	if e := p.aside(); e != nil {
		at = min(at, e.End)
	}
	return at
}

// aside returns the attempt at which the event first let later ones pass, or nil.
func (p *page) aside() *ledger.Effect {
	for _, e := range p.tries {
		if e.Verdict == ledger.Waiting {
			return e
		}
	}
	return nil
}

// firstEffects counts events whose first effect came before that of an earlier event of the entity which had not stepped aside.
func (b *book) firstEffects() Result {
	r := Result{Name: "inversions of first effects"}
	passed := 0
	for _, entity := range b.entities {
		var newest, late *ledger.Effect
		for _, p := range b.pages[entity] {
			e := p.done()
			if e == nil {
				continue
			}
			if newest != nil && e.End < newest.End {
				r.violate(fmt.Sprintf("%v came before %v", e, newest))
			} else if late != nil && e.End < late.End {
				passed++
			}
			if p.aside() != nil {
				if late == nil || e.End > late.End {
					late = e
				}
			} else if newest == nil || e.End > newest.End {
				newest = e
			}
		}
	}
	r.Remark = fmt.Sprintf("%d passed an event that was not ready", passed)
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
