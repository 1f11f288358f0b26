package schedule

import (
	"cmp"
	"slices"
	"time"
)

// Kind is how an item was settled.
type Kind uint8

// The kinds.
const (
	Done     Kind = iota // handled; its retry record, if it has one, is to be removed
	Deferred             // to be written to the retry topic, due at Due
	Dead                 // to be written to the dead-letter topic; its retry record, if it has one, is to be removed
	Parked               // to be written to the dead-letter topic, and a parked marker to the retry topic
)

// Completion is an item that a commit settles, with what it writes.
type Completion struct {
	Item   *Item
	Kind   Kind
	Writes any   // what was given to Done or Defer
	Aside  bool  // of Deferred: it lets later events of its key pass
	Log    int64 // set by the caller before Committed, for Deferred and Parked: the offset of the record in the retry log

	// due is Item.due as of Collect. The commit is written beside the scheduler, in which a later event may make the item due at once.
	due int64
}

// Due is when a Deferred item is due; zero: as soon as it is the first of its key.
func (c *Completion) Due() time.Time {
	if c.due == 0 || c.due == parkedDue {
		return time.Time{}
	}
	return time.Unix(0, c.due)
}

// Commit is what one commit says about a partition.
type Commit struct {
	Partition   *Partition
	Position    Position
	Completions []*Completion
}

// Collect takes what there is to commit for the partitions, all where none is named. What it returns must come back, before the
// next Collect, by Committed or Returned. With lowest, the retry log's position is found anew.
func (s *Scheduler) Collect(lowest bool, parts ...*Partition) []Commit {
	if len(parts) == 0 {
		for p := range s.parts {
			parts = append(parts, p)
		}
	}
	var out []Commit
	for _, p := range parts {
		if c, ok := s.collect(p, lowest); ok {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Commit) int {
		return cmp.Or(cmp.Compare(a.Partition.Topic, b.Partition.Topic), cmp.Compare(a.Partition.Number, b.Partition.Number))
	})
	return out
}

func (s *Scheduler) collect(p *Partition, lowest bool) (Commit, bool) {
	if p.gone {
		return Commit{}, false
	}
	pos := Position{Retry: p.last.Retry}
	if lowest {
		pos.Retry = p.lowest()
	}
	var cut int64
	pos.Offset, pos.Metadata, cut = p.progress.snapshot(pos.Retry, s.opts.Writer, MaxMetadata)
	if pos.Offset < 0 {
		return Commit{}, false // nothing was read yet, and nothing is committed
	}
	take := p.pending
	if cut < p.progress.hi {
		take = nil
		var keep []*Completion
		for _, c := range p.pending {
			if c.Item.Log < 0 && c.Item.Offset >= cut {
				keep = append(keep, c)
			} else {
				take = append(take, c)
			}
		}
		p.pending = keep
	} else {
		p.pending = nil
	}
	if len(take) == 0 && p.same(pos) {
		return Commit{}, false
	}
	for _, c := range take {
		c.due = c.Item.due
	}
	p.progress.seq++
	return Commit{Partition: p, Position: pos, Completions: take}, true
}

// Last returns what is committed for a partition, as far as is known here; its Offset is below 0 where nothing is.
func (s *Scheduler) Last(p *Partition) Position { return p.last }

// same tells whether pos says nothing new: it differs from what is committed in its sequence number at most.
func (p *Partition) same(pos Position) bool {
	return pos.Offset == p.last.Offset && pos.Retry == p.last.Retry && p.last.Metadata != "" &&
		withoutSequence(pos.Metadata) == withoutSequence(p.last.Metadata)
}

func withoutSequence(text string) string {
	m, err := decode(0, text)
	if err != nil {
		return text
	}
	e := newEncoder(0, m.retry, "", 0, m.hi, MaxMetadata)
	for _, a := range m.list {
		e.add(a.offset, int(a.attempts))
	}
	return e.text()
}

// Committed says that the commits are through.
func (s *Scheduler) Committed(commits []Commit, now time.Time) {
	for _, c := range commits {
		p := c.Partition
		if p.gone {
			continue
		}
		p.last = c.Position
		for _, done := range c.Completions {
			s.committed(p, done, now)
		}
		s.admit(p, now)
	}
}

func (s *Scheduler) committed(p *Partition, c *Completion, now time.Time) {
	it := c.Item
	s.hold(p, -it.size)
	it.Record = nil
	if c.Kind != Deferred && c.Kind != Parked {
		return
	}
	k := it.key
	p.leave(k, it)
	e := entry{offset: it.Offset, log: c.Log, due: it.due}
	var fresh bool
	if c.Aside {
		fresh = k.putLate(e)
	} else {
		fresh = k.put(e)
	}
	if fresh {
		p.waiting++
	}
	s.settle(p, k, now)
}

// Returned says that the commits did certainly not happen: what they held is due again, in the same order.
func (s *Scheduler) Returned(commits []Commit) {
	for _, c := range commits {
		if p := c.Partition; !p.gone && len(c.Completions) > 0 {
			p.pending = append(slices.Clip(c.Completions), p.pending...)
		}
	}
}

// Bury makes a completion that cannot be written as it is a dead letter. The caller then returns its commit.
func (s *Scheduler) Bury(c *Completion, now time.Time) {
	c.Kind = Dead
	it := c.Item
	if it.part.gone {
		return
	}
	if it.part.leave(it.key, it) {
		s.settle(it.part, it.key, now)
	}
}

// leave takes an item out of its key; it tells whether it was there.
func (p *Partition) leave(k *key, it *Item) bool {
	if i := slices.Index(k.queue, it); i >= 0 {
		k.queue = slices.Delete(k.queue, i, i+1)
		p.queued--
		return true
	}
	if i := slices.Index(k.aside, it); i >= 0 {
		k.aside = slices.Delete(k.aside, i, i+1)
		return true
	}
	return false
}
