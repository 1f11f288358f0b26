package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/schedule"
	"millrace/consumers/group/internal/state"
	"millrace/consumers/group/internal/txn"
	"millrace/schemas"
)

// built is the records of a transaction, and what each is for.
type built struct {
	records []*kgo.Record
	of      []of
	states  map[*partition]*stateWrites
}

// of says what a record is for.
type of struct {
	completion *schedule.Completion
	kind       recordKind
}

type recordKind uint8

const (
	emitted recordKind = iota
	stateRecord
	waitRecord
	settledRecord
	letterRecord
)

// stateWrites is what a transaction writes to one state partition.
type stateWrites struct {
	list []state.Write
	last map[string]int // index in list and recs of the write of a key
	recs []*kgo.Record
}

func (b *built) add(r *kgo.Record, c *schedule.Completion, kind recordKind) {
	b.records = append(b.records, r)
	b.of = append(b.of, of{c, kind})
}

// build makes the records that commits hold, in the order in which events finished.
func (r *Runtime) build(commits []schedule.Commit) *built {
	b := &built{states: make(map[*partition]*stateWrites)}
	for _, commit := range commits {
		p := ownerOf(commit.Partition)
		for _, c := range commit.Completions {
			r.buildOne(b, p, c)
		}
	}
	return b
}

func (r *Runtime) buildOne(b *built, p *partition, c *schedule.Completion) {
	it := c.Item
	if w, ok := c.Writes.(*writes); ok {
		for _, e := range w.emitted {
			// A copy: a transaction that is repeated sends them again.
			b.add(&kgo.Record{Topic: e.Topic, Partition: byKey, Key: e.Key, Value: e.Value, Headers: e.Headers}, c, emitted)
		}
		if w.stateful {
			b.writeState(r.cfg.Member.Group, p, c, w)
		}
	}
	if c.Kind == schedule.Dead || c.Kind == schedule.Parked {
		b.add(r.deadLetter(p, it, it.Class == classTooLarge), c, letterRecord)
	}
	switch {
	case c.Kind == schedule.Deferred || c.Kind == schedule.Parked:
		b.add(r.retryRecord(p, c), c, waitRecord)
	case it.Log >= 0:
		b.add(r.settledRecord(p, it), c, settledRecord)
	}
}

// writeState notes a write. Of several of one key in a transaction only the newest is sent: no reader could ever see the others.
func (b *built) writeState(group string, p *partition, c *schedule.Completion, w *writes) {
	s := b.states[p]
	if s == nil {
		s = &stateWrites{last: make(map[string]int)}
		b.states[p] = s
	}
	rec := &kgo.Record{Topic: schemas.StateTopic(p.tp.Topic, group), Partition: p.tp.Partition, Key: w.key, Value: w.state}
	write := state.Write{Key: w.key, Value: w.state, Seq: w.seq}
	if i, ok := s.last[string(w.key)]; ok {
		s.list[i], *s.recs[i] = write, *rec
		return
	}
	s.last[string(w.key)] = len(s.list)
	s.list, s.recs = append(s.list, write), append(s.recs, rec)
	b.add(rec, c, stateRecord)
}

// through takes a transaction that is committed into what the runtime knows: logs, state, index.
func (r *Runtime) through(commits []schedule.Commit, b *built) error {
	ends := make(map[*partition]*span)
	for i, o := range b.of {
		if o.kind != waitRecord && o.kind != settledRecord {
			continue
		}
		rec, p := b.records[i], ownerOf(o.completion.Item.Partition())
		if o.kind == waitRecord {
			o.completion.Log = rec.Offset
		}
		if ends[p] == nil {
			ends[p] = &span{first: rec.Offset, last: rec.Offset}
		}
		ends[p].extend(rec.Offset)
	}
	var errs []error
	for p, s := range b.states {
		next := int64(0)
		for _, rec := range s.recs {
			next = max(next, rec.Offset+1)
		}
		if err := p.state.Commit(s.list, next); err != nil {
			// The cache is behind the truth now: what it would answer is wrong.
			err = fmt.Errorf("topic %s partition %d: %w", p.tp.Topic, p.tp.Partition, err)
			r.member.Fail(err)
			errs = append(errs, err)
		}
	}
	r.mu.Lock()
	for p, s := range ends {
		// The records of a transaction stand in one piece, unless somebody else has written between them: what is in that piece need not
		// be read again, if all before it is known. Where the transaction before was followed in this way, its end mark stands between
		// them; a single offset that may be anything else is a person's record.
		end := p.sched.RetryEnd()
		if s.whole() && (s.first == end || s.first == end+1 && p.wrote == end) {
			p.sched.Followed(s.last + 1)
			p.wrote = s.last + 1
		}
	}
	r.mu.Unlock()
	r.activity.sendAll(commits)
	r.conclude(commits, true)
	return errors.Join(errs...)
}

// span is the offsets of records in one partition.
type span struct{ first, last, n int64 }

func (s *span) extend(offset int64) {
	s.first, s.last = min(s.first, offset), max(s.last, offset)
	s.n++
}

func (s *span) whole() bool { return s.last-s.first+1 == s.n }

// refuse makes the event whose record no broker takes a dead letter, so that it does not hold up the others.
func (r *Runtime) refuse(ctx context.Context, b *built, e *txn.RecordError) {
	o := b.of[e.Index]
	c, it := o.completion, o.completion.Item
	topic := b.records[e.Index].Topic
	r.logger.ErrorContext(ctx, "a record is refused: its event becomes a dead letter", "to", topic, "source_topic", it.Partition().Topic,
		"partition", it.Partition().Number, "offset", it.Offset, "err", e.Err)
	failed(it, classTooLarge, fmt.Errorf("write to topic %s: %w", topic, e.Err))
	if rec, ok := it.Report.(*kgo.Record); ok {
		it.Report = buried(rec, it)
	}
	if o.kind == letterRecord {
		return // by its class it goes without its body now
	}
	if w, ok := c.Writes.(*writes); ok {
		// Its state stays: later events of the key have seen it already.
		w.emitted = nil
	}
	r.mu.Lock()
	r.sched.Bury(c, time.Now())
	r.mu.Unlock()
	r.metrics.deadLetters.With(classTooLarge).Inc()
}
