package sim

import "math/rand/v2"

// outbox makes disorder and duplicates for the entities of one story. It holds parcels back until a number of later events
// of their entity has gone out, or the story ends.
type outbox struct{ held []heldEvent }

type heldEvent struct {
	event     *Event
	after     int  // later events of the entity still to go first
	overtaken bool // one has gone
	copied    bool // it is a second delivery, not a late first one
}

// faults decides which events are late or doubled. Lateness is by debt: every event adds its share and a late one pays
// one back, so that the share comes out right although not every event can be late.
type faults struct {
	rng        *rand.Rand
	duplicates float64
	disorder   float64
	debt       float64
	late       int64
	doubled    int64
}

// pass takes an event through b and returns what goes out now, in order. mayWait is false for an entity that other stories
// write to as well: holding back there would reach beyond the story's end.
func (f *faults) pass(b *outbox, e *Event, mayWait bool) (out []*Event) {
	f.debt += f.disorder
	if mayWait && f.debt >= 1 && !b.holds(e.entity) && f.rng.IntN(2) == 0 {
		f.debt--
		b.held = append(b.held, heldEvent{event: e, after: 1 + f.rng.IntN(2)})
		return nil
	}
	out = f.send(b, out, e, mayWait)
	return f.release(b, out, e.entity)
}

// send lets an event out for the first time and decides about its double.
func (f *faults) send(b *outbox, out []*Event, e *Event, mayWait bool) []*Event {
	e.Copies = 1
	out = append(out, e)
	if f.rng.Float64() >= f.duplicates {
		return out
	}
	e.Copies = 2
	f.doubled++
	if mayWait && f.rng.IntN(2) == 0 {
		// One more than is asked for, because the event itself counts as the first when release runs behind it.
		b.held = append(b.held, heldEvent{event: e, after: 2 + f.rng.IntN(2), copied: true})
		return out
	}
	return append(out, e)
}

// release counts one event of entity as gone and lets out what waited for it.
func (f *faults) release(b *outbox, out []*Event, of *entity) []*Event {
	var due []heldEvent
	rest := b.held[:0]
	for _, h := range b.held {
		if h.event.entity == of {
			h.after--
			h.overtaken = true
			if h.after <= 0 {
				due = append(due, h)
				continue
			}
		}
		rest = append(rest, h)
	}
	b.held = rest
	for _, h := range due {
		out = f.emit(b, out, h)
	}
	return out
}

func (f *faults) emit(b *outbox, out []*Event, h heldEvent) []*Event {
	if h.copied {
		return append(out, h.event)
	}
	if h.overtaken {
		h.event.Late = true
		f.late++
	} else {
		f.debt++ // nothing came that could overtake it
	}
	return f.send(b, out, h.event, false)
}

// flush lets everything out, at the end of the story.
func (f *faults) flush(b *outbox) (out []*Event) {
	held := b.held
	b.held = nil
	for _, h := range held {
		out = f.emit(b, out, h)
	}
	return out
}

func (b *outbox) holds(of *entity) bool {
	for _, h := range b.held {
		if h.event.entity == of && !h.copied {
			return true
		}
	}
	return false
}
