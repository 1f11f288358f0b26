package schedule

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// prefetch is how many events of one key are loaded at once where they stand near each other in the log: one read per event would make
// a long row behind a failure slow, and far ones would make every read a read of the whole log.
const (
	prefetch = 16
	near     = 1024
)

// Load is one event whose body is to be read from the retry log.
type Load struct {
	Log    int64
	offset int64
	key    *key
}

// Loads takes about limit events that are due, those first that stand first in the log: what has waited side by side is read in one
// pass. Each must come back by Loaded or NotLoaded.
func (s *Scheduler) Loads(p *Partition, limit int) []Load {
	if p.closing {
		return nil
	}
	var out []Load
	for len(p.loads) > 0 && len(out) < limit {
		k := p.loads.next()
		before := len(out)
		for i, e := range k.room[:min(prefetch, len(k.room))] {
			if i > 0 && (e.log < k.room[i-1].log || e.log > k.room[i-1].log+near) {
				break
			}
			if e.due == parkedDue || e.offset > p.progress.unread() { // a place without a body; see held
				break
			}
			out = append(out, Load{Log: e.log, offset: e.offset, key: k})
		}
		if len(out) == before { // dropped or parked meanwhile
			k.flags &^= isLoading
		}
	}
	slices.SortFunc(out, func(a, b Load) int { return int(a.Log - b.Log) })
	return out
}

// Restored is what the headers of a record in the retry topic say.
type Restored struct {
	Record       *kgo.Record // nil: the log does not have it any more
	Attempts     int
	FirstFailure time.Time
	LastFailure  time.Time
	Since        time.Time
	Class, Err   string
	Replay       string
}

// Loaded brings what was read; got has the elements of loads. Of each key it takes what is its front now, in order, up to the first
// that is not there. missing counts the events that stand in the index but not in the log.
func (s *Scheduler) Loaded(p *Partition, loads []Load, got []Restored, now time.Time) (missing int) {
	if p.gone {
		return 0
	}
	order := make([]int, len(loads))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(loads[a].offset - loads[b].offset) })
	touched := make(map[*key]bool)
	for _, i := range order {
		l, r := loads[i], got[i]
		k := l.key
		touched[k] = true
		k.flags &^= isLoading
		// Between the request and now the front may have changed: replaced by a person's redrive, or dropped.
		if len(k.room) == 0 || k.room[0].offset != l.offset || k.room[0].log != l.Log {
			continue
		}
		at := len(k.queue)
		for at > 0 && k.queue[at-1].Offset > l.offset { // those are being deferred
			at--
		}
		if at > 0 && k.queue[at-1].state == deferring { // its turn comes after them
			continue
		}
		due := k.room[0].due
		k.room = k.room[1:]
		p.waiting--
		if r.Record == nil {
			missing++
			continue
		}
		it := &Item{
			Record: r.Record, Offset: l.offset, Log: l.Log, Attempts: r.Attempts, FirstFailure: r.FirstFailure, LastFailure: r.LastFailure,
			Since: r.Since, Class: r.Class, Err: r.Err, Replay: r.Replay, part: p, key: k, slot: -1,
			size: weight(r.Record), due: due,
		}
		if s.opts.Class != nil {
			it.class = s.opts.Class(r.Record)
		}
		s.hold(p, it.size)
		k.queue = slices.Insert(k.queue, at, it)
		p.queued++
	}
	for k := range touched {
		if len(k.room) == 0 {
			k.room = nil
		}
		s.settle(p, k, now)
	}
	return missing
}

// Redriven says that a person has put an event (back) into the retry log. It runs as the first of its key that does not run yet.
func (s *Scheduler) Redriven(p *Partition, w Waiting, now time.Time) {
	if p.gone {
		return
	}
	k := s.keyOf(p, w.Key)
	if k.has(w.Offset) { // it is on its way already: settling it settles both records, since they have the same key
		return
	}
	if k.add(w) {
		p.waiting++
	}
	s.settle(p, k, now)
}

// Dropped says that a person has taken an event out of the retry log.
func (s *Scheduler) Dropped(p *Partition, hash uint64, offset int64, now time.Time) {
	if p.gone || p.keys[hash] == nil {
		return
	}
	k := p.keys[hash]
	if k.drop(offset) {
		p.waiting--
	}
	s.settle(p, k, now)
}

// RetryEnd is the offset up to which the retry log is known.
func (p *Partition) RetryEnd() int64 { return p.retryEnd }

// Followed says that the retry log was read up to end.
func (p *Partition) Followed(end int64) { p.retryEnd = max(p.retryEnd, end) }

// lowest returns the offset in the retry log below which nothing waits. It looks at every waiting event, so it is not for every commit.
func (p *Partition) lowest() int64 {
	low := p.retryEnd
	for _, k := range p.keys {
		for _, e := range k.room {
			low = min(low, e.log)
		}
		for _, e := range k.late {
			low = min(low, e.log)
		}
		for _, it := range k.queue {
			if it.Log >= 0 {
				low = min(low, it.Log)
			}
		}
	}
	for _, c := range p.pending {
		if c.Item.Log >= 0 {
			low = min(low, c.Item.Log)
		}
	}
	return low
}

// WantsLoad tells whether Loads has something to return.
func (p *Partition) WantsLoad() bool { return len(p.loads) > 0 && !p.closing }

// NotLoaded says that loads could not be read: they are to be read again.
func (s *Scheduler) NotLoaded(p *Partition, loads []Load) {
	if p.gone {
		return
	}
	touched := make(map[*key]bool)
	for _, l := range loads {
		if !touched[l.key] {
			touched[l.key] = true
			p.loads.add(l.key)
		}
	}
}
