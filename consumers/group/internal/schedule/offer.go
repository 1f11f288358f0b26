package schedule

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Offer takes over records that were read from a partition, in order.
func (s *Scheduler) Offer(p *Partition, records []*kgo.Record, now time.Time) {
	if p.gone {
		return
	}
	n := 0
	for _, r := range records {
		n += weight(r)
	}
	s.hold(p, n)
	p.stagedBytes += n
	p.staged = append(p.staged, records...)
	s.admit(p, now)
}

// admit moves staged records into the keys' queues, as far as MaxUnfinished allows.
func (s *Scheduler) admit(p *Partition, now time.Time) {
	if p.closing {
		return
	}
	i := 0
	for ; i < len(p.staged) && s.roomFor(p, now); i++ {
		r := p.staged[i]
		p.staged[i] = nil
		size := weight(r)
		p.stagedBytes -= size
		s.enqueue(p, r, size, now)
	}
	s.letGo(p, now)
	if i == len(p.staged) {
		p.staged = nil
	} else {
		p.staged = p.staged[i:]
	}
}

// letGo settles the keys that were held, once all is read again that was not finished before this member had the partition.
func (s *Scheduler) letGo(p *Partition, now time.Time) {
	if len(p.held) == 0 || len(p.progress.restored) > 0 {
		return
	}
	held := p.held
	p.held = nil
	for _, k := range held {
		k.flags &^= isHeld
		s.settle(p, k, now)
	}
}

func (s *Scheduler) roomFor(p *Partition, now time.Time) bool {
	if len(p.progress.slots) >= maxWindow {
		return false
	}
	if p.progress.unfinished < s.opts.MaxUnfinished {
		return true
	}
	return s.spill(p, now) && p.progress.unfinished < s.opts.MaxUnfinished
}

func (s *Scheduler) enqueue(p *Partition, r *kgo.Record, size int, now time.Time) {
	slot, attempts, fresh := p.progress.add(r.Offset, r.Timestamp)
	if !fresh { // settled before a restart, or read twice
		s.hold(p, -size)
		return
	}
	it := s.newItem()
	*it = Item{Record: r, Offset: r.Offset, Log: -1, Attempts: attempts, part: p, slot: slot, size: size}
	if s.opts.Class != nil {
		it.class = s.opts.Class(r)
	}
	k := s.keyOf(p, s.Hash(r.Key))
	it.key = k
	behind := k.durable()
	k.queue = append(k.queue, it)
	p.queued++
	if behind {
		s.put(p, it, Deferred)
		return
	}
	if len(k.queue) == 1 {
		s.settle(p, k, now)
	}
}

// spillInterval bounds how often a partition that is full is searched for what to spill.
const spillInterval = 250 * time.Millisecond

// spill makes room in a partition that is full because of few keys: of a key whose head waits in memory, or which has more than a
// quarter of all, everything but what runs goes to the retry topic. So an entity that is slow or fails does not stop its neighbours.
// It tells whether there is room.
func (s *Scheduler) spill(p *Partition, now time.Time) bool {
	if now.Sub(p.lastSpill) < spillInterval {
		return false
	}
	p.lastSpill = now
	for _, k := range p.keys {
		from := 0
		switch {
		case len(k.queue) == 0:
			continue
		case k.queue[0].state == running:
			from = 1
			if len(k.queue) < s.opts.MaxUnfinished/4 {
				continue
			}
		case k.timer == 0 || len(k.queue) < 2:
			continue
		}
		s.deferFrom(p, k, from)
		s.settle(p, k, now)
	}
	return p.progress.unfinished < s.opts.MaxUnfinished
}
