package orderstate

import (
	"hash/fnv"
	"slices"
)

// item is a part of the state that is one of several.
type item[T any] interface {
	*T
	name() string        // tells it from the others of its list
	beats(known *T) bool // whether it takes the place of the one with the same name
}

// put joins an item into its list, which is sorted by name. It returns the list and whether that has changed.
func put[T any, P item[T]](list []T, it T) ([]T, bool) {
	n := len(list)
	at := n
	// Most come in order, and most lists have one item or two.
	for at > 0 && P(&list[at-1]).name() >= P(&it).name() {
		at--
	}
	if at < n && P(&list[at]).name() == P(&it).name() {
		if !P(&it).beats(&list[at]) {
			return list, false
		}
		list[at] = it
		return list, true
	}
	return slices.Insert(list, at, it), true
}

func (r *Refund) name() string      { return r.RefundID }
func (f *Fulfillment) name() string { return f.FulfillmentID }
func (t *Transaction) name() string { return t.TransactionID }
func (e *Edit) name() string        { return e.EditID }
func (k *Stock) name() string       { return k.Effect }
func (p *Payment) name() string     { return p.Effect }
func (m *Mail) name() string        { return m.Effect }
func (d *Document) name() string    { return d.Document }
func (p *Part) name() string        { return p.Service }
func (s *Step) name() string {
	if s.Compensation {
		return s.Step + "\x00" // after the step itself
	}
	return s.Step
}

// What is told again as it changes: the newest counts.
func (r *Refund) beats(known *Refund) bool           { return r.Stamp.Compare(&known.Stamp) > 0 }
func (f *Fulfillment) beats(known *Fulfillment) bool { return f.Stamp.Compare(&known.Stamp) > 0 }
func (t *Transaction) beats(known *Transaction) bool { return t.Stamp.Compare(&known.Stamp) > 0 }
func (d *Document) beats(known *Document) bool       { return d.Stamp.Compare(&known.Stamp) > 0 }
func (p *Part) beats(known *Part) bool               { return p.Stamp.Compare(&known.Stamp) > 0 }
func (s *Step) beats(known *Step) bool               { return s.Stamp.Compare(&known.Stamp) > 0 }

// What happens once: the first that told of it counts.
func (e *Edit) beats(known *Edit) bool       { return e.Stamp.Compare(&known.Stamp) < 0 }
func (k *Stock) beats(known *Stock) bool     { return k.Stamp.Compare(&known.Stamp) < 0 }
func (p *Payment) beats(known *Payment) bool { return p.Stamp.Compare(&known.Stamp) < 0 }
func (m *Mail) beats(known *Mail) bool       { return m.Stamp.Compare(&known.Stamp) < 0 }

// remember puts an entry into the timeline, which keeps the newest; it is false for an entry that is there already.
func (s *State) remember(e Entry) bool {
	list := s.Timeline
	for i := range list {
		if list[i].ID == e.ID {
			return false
		}
	}
	at := len(list)
	for at > 0 && older(&e, &list[at-1]) {
		at--
	}
	if len(list) < timelineEntries {
		s.Timeline = slices.Insert(list, at, e)
		return true
	}
	if at > 0 {
		copy(list, list[1:at])
		list[at-1] = e
	}
	return true
}

func older(a, b *Entry) bool {
	if !a.At.Equal(b.At) {
		return a.At.Before(b.At)
	}
	return a.ID < b.ID
}

// idOf is what the state keeps of an event's id. It must be the same in every program.
func idOf(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return h.Sum64()
}
