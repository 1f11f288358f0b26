package schedule

import (
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Item is one event in memory. The exported fields below Record belong to the caller once Next has returned the item, until Finish.
type Item struct {
	Record *kgo.Record // from the source topic, or from the retry topic when Log >= 0
	Offset int64       // in the source partition
	Log    int64       // in the retry log; -1: it is not there

	Attempts     int       // tries that burned an attempt
	FirstFailure time.Time // zero: none
	LastFailure  time.Time
	Since        time.Time // when it was first put off without burning an attempt; zero: never
	Class        string    // of the last error
	Err          string    // text of the last error
	Replay       string    // from the retry log: the replay that it is handled again for; empty: none
	Report       any       // the caller's own, kept until the item is committed

	part  *Partition
	key   *key
	slot  int64 // in progress; only when Log < 0
	size  int
	due   int64 // unix nanoseconds; 0: now
	class uint8
	state itemState
}

// Partition is where the item belongs.
func (i *Item) Partition() *Partition { return i.part }

type itemState uint8

const (
	queued    itemState = iota
	running             // handed out by Next
	deferring           // to be written to the retry topic by the next commit
)

// key is one entity, or several that share a hash.
type key struct {
	hash  uint64
	queue []*Item
	room  []entry
	aside []*Item // have let later ones pass, in memory
	late  []entry // the same, in the retry topic
	due   int64   // in the timer heap; valid when timer > 0
	timer int32   // index + 1 in the timer heap; 0: not in it
	flags keyFlags
}

type keyFlags uint8

const (
	isReady   keyFlags = 1 << iota // in the run queue, or running
	isLoading                      // in loads, or being loaded
	isParked                       // its front is parked
	isHeld                         // in held
)

// entry is an event in the retry log.
type entry struct {
	offset int64 // source
	log    int64
	due    int64 // unix nanoseconds; 0: as soon as it is the first
}

// parkedDue is the due time of an entry that only a person can release.
const parkedDue = math.MaxInt64

func dueOf(t time.Time, parked bool) int64 {
	switch {
	case parked:
		return parkedDue
	case t.IsZero():
		return 0
	default:
		return t.UnixNano()
	}
}

func (s *Scheduler) keyOf(p *Partition, hash uint64) *key {
	k := p.keys[hash]
	if k == nil {
		if n := len(s.spare); n > 0 {
			k, s.spare = s.spare[n-1], s.spare[:n-1]
		} else {
			k = &key{}
		}
		k.hash = hash
		p.keys[hash] = k
	}
	return k
}

// maxSpare bounds the keys that are kept for use again.
const maxSpare = 1 << 14

// forget removes a key that has nothing left.
func (s *Scheduler) forget(p *Partition, k *key) {
	p.timers.remove(k)
	if p.keys[k.hash] != k { // one came after it
		return
	}
	delete(p.keys, k.hash)
	// One that stands in a list or is being loaded cannot become another.
	if k.flags == 0 && len(s.spare) < maxSpare && cap(k.queue) <= 64 {
		*k = key{queue: k.queue[:0]}
		s.spare = append(s.spare, k)
	}
}

// empty tells whether nothing of the key is left.
func (k *key) empty() bool {
	return len(k.queue) == 0 && len(k.room) == 0 && len(k.aside) == 0 && len(k.late) == 0
}

// put adds an entry to those that hold up later ones, or replaces the one of the same source offset; it tells whether it is new.
func (k *key) put(e entry) bool {
	known := k.drop(e.offset)
	k.room = insert(k.room, e)
	return !known
}

// putLate is put for an entry that lets later ones pass.
func (k *key) putLate(e entry) bool {
	known := k.drop(e.offset)
	k.late = insert(k.late, e)
	return !known
}

// drop removes the entry of a source offset, if there is one.
func (k *key) drop(offset int64) bool {
	for _, list := range []*[]entry{&k.room, &k.late} {
		if i, found := find(*list, offset); found {
			*list = slices.Delete(*list, i, i+1)
			return true
		}
	}
	return false
}

// has tells whether an event of a source offset is in memory.
func (k *key) has(offset int64) bool {
	is := func(it *Item) bool { return it.Offset == offset }
	return slices.ContainsFunc(k.queue, is) || slices.ContainsFunc(k.aside, is)
}

// durable tells whether what comes from the source must go behind something that is, or is about to be, in the retry topic and
// not in memory.
func (k *key) durable() bool {
	return len(k.room) > 0 || len(k.queue) > 0 && k.queue[len(k.queue)-1].state == deferring
}

// settle finds out what a key does next. It is called after every change of a key; what runs is left alone.
func (s *Scheduler) settle(p *Partition, k *key, now time.Time) {
	if k.flags&isReady != 0 || p.closing {
		return
	}
	s.unpark(p, k)
	s.recall(p, k, now)
	if k.empty() {
		s.forget(p, k)
		return
	}
	if len(k.queue) == 0 && len(k.room) == 0 {
		p.arm(k, 0)
		return
	}
	if len(k.queue) > 0 && (len(k.room) == 0 || k.queue[0].Offset < k.room[0].offset) {
		s.settleQueue(p, k, now)
		return
	}
	// The front is in the room: what is in the queue goes behind it.
	s.deferFrom(p, k, 0)
	e := k.room[0]
	switch {
	case e.offset > p.progress.unread():
		p.arm(k, 0)
		if k.flags&isHeld == 0 {
			k.flags |= isHeld
			p.held = append(p.held, k)
		}
	case e.due == parkedDue:
		k.flags |= isParked
		p.parked++
		p.arm(k, 0)
	case e.due > now.UnixNano():
		p.arm(k, e.due)
	default:
		p.arm(k, 0)
		if k.flags&isLoading == 0 {
			k.flags |= isLoading
			p.loads.add(k)
		}
	}
}

func (s *Scheduler) unpark(p *Partition, k *key) {
	if k.flags&isParked != 0 {
		k.flags &^= isParked
		p.parked--
	}
}

func (s *Scheduler) settleQueue(p *Partition, k *key, now time.Time) {
	head := k.queue[0]
	switch {
	case head.state == deferring: // until the commit is through
		p.arm(k, 0)
	case head.due > now.UnixNano():
		p.arm(k, head.due)
	default:
		p.timers.remove(k)
		k.flags |= isReady
		s.ready.push(head.class, p, k)
	}
}

// deferFrom puts the queue's items from index i on into the room: those that the retry log has at once, the others by the next commit.
func (s *Scheduler) deferFrom(p *Partition, k *key, i int) {
	kept := k.queue[:i]
	for _, it := range k.queue[i:] {
		switch {
		case it.state == deferring: // its record is to be written anew, or first
			kept = append(kept, it)
		case it.Log >= 0:
			s.unload(p, k, it)
		default:
			s.put(p, it, Deferred)
			kept = append(kept, it)
		}
	}
	p.queued -= len(k.queue) - len(kept)
	clear(k.queue[len(kept):])
	k.queue = kept
}

// unload lets go of an item that the retry log has; the caller takes it out of the queue.
func (s *Scheduler) unload(p *Partition, k *key, it *Item) {
	if k.put(entry{offset: it.Offset, log: it.Log, due: it.due}) {
		p.waiting++
	}
	s.hold(p, -it.size)
	it.Record = nil
}

func (s *Scheduler) newItem() *Item {
	if n := len(s.items); n > 0 {
		it := s.items[n-1]
		s.items = s.items[:n-1]
		return it
	}
	return &Item{}
}

// free lets an item be used again that nothing refers to any more.
func (s *Scheduler) free(it *Item) {
	*it = Item{}
	if len(s.items) < maxSpare {
		s.items = append(s.items, it)
	}
}

// put makes an item part of the next commit. A source item is finished by that, as far as the source partition is concerned.
func (s *Scheduler) put(p *Partition, it *Item, kind Kind) *Completion {
	c := &Completion{Item: it, Kind: kind}
	p.pending = append(p.pending, c)
	if kind == Deferred || kind == Parked {
		it.state = deferring
	}
	if it.Log < 0 {
		p.progress.finish(it.slot)
	}
	return c
}
