package schedule

import (
	"slices"
	"time"
)

// An event that says that it came before another one it needs must not hold that one up: both may have the same key. So it steps
// aside and lets the later ones of its key pass. It comes back to its place, in front of all with a higher offset, when its time
// is over or when one of those that passed it is done.

// Aside lets later events of the key pass an item until due. With durable it is written to the retry topic by the next commit, if
// that does not have it yet.
func (s *Scheduler) Aside(it *Item, durable bool, due, now time.Time) {
	if !s.back(it) {
		return
	}
	p, k := it.part, it.key
	it.due = due.UnixNano()
	s.pop(p, k)
	switch {
	case it.Log >= 0:
		k.putLate(entry{offset: it.Offset, log: it.Log, due: it.due})
		p.waiting++
		s.hold(p, -it.size)
		it.Record = nil
	case durable:
		k.aside = append(k.aside, it)
		s.put(p, it, Deferred).Aside = true
	default:
		k.aside = append(k.aside, it)
	}
	s.settle(p, k, now)
	s.admit(p, now)
}

// recall puts what stands aside and is due back into its place.
func (s *Scheduler) recall(p *Partition, k *key, now time.Time) {
	if len(k.aside) == 0 && len(k.late) == 0 {
		return
	}
	t := now.UnixNano()
	k.aside = slices.DeleteFunc(k.aside, func(it *Item) bool {
		if it.due > t || it.state == deferring {
			return false
		}
		i, _ := slices.BinarySearchFunc(k.queue, it.Offset, func(q *Item, o int64) int { return int(q.Offset - o) })
		k.queue = slices.Insert(k.queue, i, it)
		p.queued++
		return true
	})
	var due []entry
	k.late = slices.DeleteFunc(k.late, func(e entry) bool {
		if e.due > t {
			return false
		}
		due = append(due, e)
		return true
	})
	for _, e := range due {
		k.room = insert(k.room, e)
	}
}

// passed makes what stands aside due: a later event of the key is done, and may be the one that was missing.
func (k *key) passed(offset int64) {
	for _, it := range k.aside {
		if it.Offset < offset {
			it.due = 0
		}
	}
	for i := range k.late {
		if k.late[i].offset < offset {
			k.late[i].due = 0
		}
	}
}

// arm sets the timer of a key for its head, 0 for none, and for what stands aside.
func (p *Partition) arm(k *key, due int64) {
	for _, it := range k.aside {
		if it.state != deferring && (due == 0 || it.due < due) {
			due = max(it.due, 1)
		}
	}
	for _, e := range k.late {
		if due == 0 || e.due < due {
			due = max(e.due, 1)
		}
	}
	if due == 0 {
		p.timers.remove(k)
	} else {
		p.timers.set(k, due)
	}
}

// find returns where the entry of a source offset is or would be.
func find(list []entry, offset int64) (int, bool) {
	// Nearly all entries go to the end.
	if n := len(list); n == 0 || list[n-1].offset < offset {
		return n, false
	}
	return slices.BinarySearchFunc(list, offset, func(e entry, o int64) int { return int(e.offset - o) })
}

func insert(list []entry, e entry) []entry {
	i, _ := find(list, e.offset)
	if list == nil {
		list = make([]entry, 0, 1) // many keys have one
	}
	return slices.Insert(list, i, e)
}
