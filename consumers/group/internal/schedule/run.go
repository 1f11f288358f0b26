package schedule

import "time"

// Classes is how many classes there are.
const Classes = 3

// runQueue is the keys whose heads may run, in the order in which they became so, per class.
type runQueue struct {
	class [Classes]fifo
	turn  int
	n     int
}

type readyKey struct {
	p *Partition
	k *key
}

// turns spreads 8 : 4 : 1 for the classes 1 (high), 0 (normal) and 2 (low): under load each gets its share, and none starves.
//
//nolint:gochecknoglobals // a constant table
var turns = [...]uint8{1, 0, 1, 1, 0, 1, 2, 1, 0, 1, 1, 0, 1}

func (q *runQueue) push(class uint8, p *Partition, k *key) {
	q.class[class].push(readyKey{p, k})
	q.n++
}

func (q *runQueue) pop() (readyKey, bool) {
	if q.n == 0 {
		return readyKey{}, false
	}
	for range turns {
		c := turns[q.turn]
		q.turn = (q.turn + 1) % len(turns)
		if r, ok := q.class[c].pop(); ok {
			q.n--
			return r, true
		}
	}
	return readyKey{}, false // not reached: every class has a turn
}

// fifo is a ring that grows.
type fifo struct {
	ring       []readyKey
	head, size int
}

func (f *fifo) push(r readyKey) {
	if f.size == len(f.ring) {
		grown := make([]readyKey, max(64, 2*f.size))
		n := copy(grown, f.ring[f.head:])
		copy(grown[n:], f.ring[:f.head])
		f.ring, f.head = grown, 0
	}
	f.ring[(f.head+f.size)%len(f.ring)] = r
	f.size++
}

func (f *fifo) pop() (readyKey, bool) {
	if f.size == 0 {
		return readyKey{}, false
	}
	r := f.ring[f.head]
	f.ring[f.head] = readyKey{}
	f.head = (f.head + 1) % len(f.ring)
	f.size--
	return r, true
}

// Runnable is how many heads may run, those of closed partitions perhaps included.
func (s *Scheduler) Runnable() int { return s.ready.n }

// Next hands out the head that runs next, or nil. It must come back by one of Done, Wait, Sleep, Aside, Defer and Dead.
func (s *Scheduler) Next(now time.Time) *Item {
	for {
		r, ok := s.ready.pop()
		if !ok {
			return nil
		}
		if r.p.closing {
			continue
		}
		it := r.k.queue[0]
		if len(r.k.room) > 0 && r.k.room[0].offset < it.Offset { // redriven meanwhile
			r.k.flags &^= isReady
			s.settle(r.p, r.k, now)
			continue
		}
		it.state = running
		r.p.running++
		s.running++
		return it
	}
}

// Behind returns what is in memory behind a running item in its key, in order.
func (s *Scheduler) Behind(it *Item) []*Item {
	if it.part.gone {
		return nil
	}
	return it.key.queue[1:]
}

// back takes a running item back; it returns false when the partition was dropped meanwhile.
func (s *Scheduler) back(it *Item) bool {
	p := it.part
	s.running--
	p.running--
	if p.closing && p.running == 0 {
		close(p.idle)
	}
	if p.gone {
		return false
	}
	it.state = queued
	it.key.flags &^= isReady
	return true
}

// pop takes the head out of its key's queue.
func (s *Scheduler) pop(p *Partition, k *key) {
	k.queue[0] = nil
	if len(k.queue) == 1 {
		k.queue = k.queue[:0]
	} else {
		k.queue = k.queue[1:]
	}
	p.queued--
}

// Done settles an item, which the caller must not use any more. writes is what it wrote, nil for nothing, and extra what that weighs.
func (s *Scheduler) Done(it *Item, writes any, extra int, now time.Time) {
	if !s.back(it) {
		return
	}
	p, k := it.part, it.key
	s.pop(p, k)
	k.passed(it.Offset)
	switch {
	case writes != nil || it.Log >= 0:
		it.size += extra
		s.hold(p, extra)
		s.put(p, it, Done).Writes = writes
	default:
		p.progress.finish(it.slot)
		s.hold(p, -it.size)
		s.free(it)
	}
	s.settle(p, k, now)
	if len(p.staged) > 0 || len(p.held) > 0 {
		s.admit(p, now)
	}
}

// Wait keeps an item in memory, at the head of its key, until due.
func (s *Scheduler) Wait(it *Item, due, now time.Time) {
	if !s.back(it) {
		return
	}
	it.due = due.UnixNano()
	if it.Log < 0 {
		it.part.progress.attempts(it.slot, it.Attempts)
	}
	s.settle(it.part, it.key, now)
}

// Sleep puts an item that the retry log has back into the room until due. Nothing is written: after a crash it is due as
// the log says.
func (s *Scheduler) Sleep(it *Item, due, now time.Time) {
	if !s.back(it) {
		return
	}
	it.due = due.UnixNano()
	s.deferFrom(it.part, it.key, 0)
	s.settle(it.part, it.key, now)
}

// Defer writes an item to the retry topic by the next commit, due then; what is behind it in its key goes behind it there. writes is
// what it wrote, nil for nothing, and extra what that weighs.
func (s *Scheduler) Defer(it *Item, writes any, extra int, due, now time.Time) {
	if !s.back(it) {
		return
	}
	p, k := it.part, it.key
	it.due = due.UnixNano()
	it.size += extra
	s.hold(p, extra)
	s.put(p, it, Deferred).Writes = writes
	s.deferFrom(p, k, 1)
	s.settle(p, k, now)
	s.admit(p, now)
}

// Dead settles an item by a dead letter. With park its place in the key is kept, and what is behind it stays there.
func (s *Scheduler) Dead(it *Item, park bool, now time.Time) {
	if !s.back(it) {
		return
	}
	p, k := it.part, it.key
	if park {
		it.due = parkedDue
		s.put(p, it, Parked)
		s.deferFrom(p, k, 1)
	} else {
		s.pop(p, k)
		k.passed(it.Offset)
		s.put(p, it, Dead)
	}
	s.settle(p, k, now)
	s.admit(p, now)
}
