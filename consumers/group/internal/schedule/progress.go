package schedule

import (
	"math"
	"time"
)

// progress knows which offsets of a source partition are settled.
//
// What a predecessor had settled beyond its committed offset came with the metadata. Those facts stay in every snapshot until the
// offsets have been read again: to forget them would repeat what is done.
type progress struct {
	next       int64  // where reading goes on: one past the last offset seen; -1 before the first when the group has no commit
	base       int64  // number of the first slot
	slots      []slot // offsets seen, from the lowest that is not finished
	unfinished int
	hi         int64 // one past the highest offset that is finished or has attempts: what the metadata must cover
	seq        uint64

	restored   []attempted // unfinished offsets below restoredHi that have not been read again, ascending
	restoredHi int64       // all other offsets below are finished
}

type slot struct {
	offset   int64
	time     int64 // of the record, unix milliseconds
	attempts uint16
	done     bool
}

type attempted struct {
	offset   int64
	attempts uint16
}

const maxAttempts = 1<<16 - 1

func restoreProgress(offset int64, text string) (progress, error) {
	m, err := decode(offset, text)
	if err != nil {
		return progress{}, err
	}
	return progress{next: offset, seq: m.seq, hi: m.hi, restoredHi: m.hi, restored: m.list}, nil
}

// add notes an offset that was read. fresh is false when its event is settled, or was read before.
func (p *progress) add(offset int64, t time.Time) (number int64, attempts int, fresh bool) {
	if offset < p.next {
		return 0, 0, false
	}
	p.next = offset + 1
	if offset < p.restoredHi {
		for len(p.restored) > 0 && p.restored[0].offset < offset { // removed from the log meanwhile
			p.restored = p.restored[1:]
		}
		if len(p.restored) == 0 || p.restored[0].offset != offset {
			return 0, 0, false
		}
		attempts = int(p.restored[0].attempts)
		p.restored = p.restored[1:]
	}
	if len(p.slots) == 0 {
		p.slots = nil // do not keep a grown window for ever
	}
	p.slots = append(p.slots, slot{offset: offset, time: t.UnixMilli(), attempts: uint16(attempts)})
	p.unfinished++
	return p.base + int64(len(p.slots)) - 1, attempts, true
}

func (p *progress) attempts(number int64, n int) {
	s := &p.slots[number-p.base]
	s.attempts = uint16(min(n, maxAttempts)) //nolint:gosec // capped
	if n > 0 {
		p.hi = max(p.hi, s.offset+1)
	}
}

func (p *progress) finish(number int64) {
	s := &p.slots[number-p.base]
	s.done = true
	p.unfinished--
	p.hi = max(p.hi, s.offset+1)
	for len(p.slots) > 0 && p.slots[0].done {
		p.slots = p.slots[1:]
		p.base++
	}
}

// watermark is the lowest offset that is not settled.
func (p *progress) watermark() int64 {
	switch {
	case len(p.slots) > 0:
		return p.slots[0].offset
	case len(p.restored) > 0:
		return p.restored[0].offset
	default:
		return max(p.next, p.restoredHi)
	}
}

// unread is the lowest offset that a predecessor had not finished and that was not read again yet. What waits in the retry topic with
// a higher offset may have been put there, for want of room, behind an event of its key that was still being handled.
func (p *progress) unread() int64 {
	if len(p.restored) == 0 {
		return math.MaxInt64
	}
	return p.restored[0].offset
}

// snapshot returns what to commit: the watermark, and metadata that says what is settled beyond it. cut is the offset from which on
// nothing is covered because the metadata has no more room; what is settled from there on must stay out of the commit.
func (p *progress) snapshot(retry int64, writer string, room int) (offset int64, text string, cut int64) {
	offset = p.watermark()
	hi := p.hi // never below restoredHi: what a predecessor settled stays settled, read again or not
	e := newEncoder(p.seq+1, retry, writer, offset, hi, room)
	for i := range p.slots {
		if s := &p.slots[i]; !s.done && s.offset < hi && !e.add(s.offset, int(s.attempts)) {
			return offset, e.text(), s.offset
		}
	}
	for _, r := range p.restored {
		if !e.add(r.offset, int(r.attempts)) {
			return offset, e.text(), r.offset
		}
	}
	return offset, e.text(), max(hi, p.next)
}
