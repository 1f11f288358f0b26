package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/schedule"
	"millrace/consumers/group/member"
	"millrace/schemas"
)

// This file is the runtime's side of the retry topics: what waits there is known by an index, and read when it is due.

// readRetries folds a retry partition, from the offset below which nothing waits to its end.
func (r *Runtime) readRetries(ctx context.Context, tp member.TP, from int64) (*schedule.Index, error) {
	topic := schemas.RetryTopic(tp.Topic, r.cfg.Member.Group)
	ends, err := r.reader.Ends(ctx, topic, []int32{tp.Partition})
	if err != nil {
		return nil, fmt.Errorf("find the end of topic %s partition %d: %w", topic, tp.Partition, err)
	}
	x := schedule.NewIndex()
	next, err := r.reader.Scan(ctx, topic, tp.Partition, from, ends[tp.Partition], func(rec *kgo.Record) error {
		switch w, _, settled, ok := readRetry(r.sched, rec); {
		case !ok:
			r.foreign(ctx, rec)
		case settled:
			x.Remove(w.Key, w.Offset)
		default:
			x.Put(w)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read topic %s partition %d: %w", topic, tp.Partition, err)
	}
	x.End(next)
	return x, nil
}

func (r *Runtime) foreign(ctx context.Context, rec *kgo.Record) {
	r.metrics.foreign.Inc()
	r.logger.WarnContext(ctx, "a record in a retry topic is passed over: its key does not end in #<source offset>",
		"topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset)
}

const (
	loadBatch   = 2048
	loadBackoff = time.Second
)

// loader reads the bodies of what is due, for one partition, until it is given up.
func (r *Runtime) loader(p *partition) {
	defer close(p.done)
	topic := schemas.RetryTopic(p.tp.Topic, r.cfg.Member.Group)
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.load:
		}
		for r.loadSome(p, topic) {
		}
	}
}

// loadSome reads one batch and tells whether there is more.
func (r *Runtime) loadSome(p *partition, topic string) bool {
	if p.ctx.Err() != nil || r.svc.Gate != nil && r.svc.Gate.Permits() == 0 {
		return false
	}
	r.mu.Lock()
	// Beyond the budget nothing more is loaded; what finishes signals again.
	if r.sched.Bytes() > r.cfg.BufferBytes*5/4 {
		r.mu.Unlock()
		return false
	}
	loads := r.sched.Loads(p.sched, loadBatch)
	r.mu.Unlock()
	if len(loads) == 0 {
		return false
	}
	got, err := r.read(p, topic, loads)
	if err == nil && slices.ContainsFunc(got, func(w schedule.Restored) bool { return w.Record == nil }) {
		err = r.confirm(p.ctx, p)
	}
	if err != nil {
		// Nothing may be taken for missing that could only not be read, or that a successor has done: the partition's loads end here
		// until they succeed.
		if p.ctx.Err() == nil {
			r.logger.WarnContext(p.ctx, "read waiting events: tried again", "topic", topic, "partition", p.tp.Partition, "err", err)
			_ = pause.Sleep(p.ctx, loadBackoff)
			r.mu.Lock()
			r.sched.NotLoaded(p.sched, loads)
			r.mu.Unlock()
		}
		return p.ctx.Err() == nil
	}
	r.mu.Lock()
	missing := r.sched.Loaded(p.sched, loads, got, time.Now())
	more := p.sched.WantsLoad()
	r.wakeWorkers()
	r.mu.Unlock()
	signal(r.rearm)
	if missing > 0 {
		r.metrics.missing.Add(float64(missing))
		r.logger.ErrorContext(p.ctx, "waiting events are not in the retry topic any more", "topic", topic, "partition", p.tp.Partition, "events", missing)
	}
	return more
}

// errNotOurs is why nothing of a partition is loaded any more.
var errNotOurs = errors.New("the partition belongs to another member")

// confirm makes sure that a partition is still ours, by committing what is committed: the coordinator refuses that of a member which it has
// given up. Where a process was stopped for long, its successor may have done what it still waits for, and compaction may have removed that
// from the retry topic: to pass it over and go on would show the handler a later event on a state without the earlier ones.
func (r *Runtime) confirm(ctx context.Context, p *partition) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Member.CommitTimeout)
	defer cancel()
	err := r.member.Exclusive(ctx, func(c *member.Commit) error {
		if err := r.resolve(ctx, c); err != nil {
			return err
		}
		if !c.Owns(p.tp) {
			return errNotOurs
		}
		r.mu.Lock()
		last := r.sched.Last(p.sched)
		r.mu.Unlock()
		if last.Offset < 0 {
			return nil
		}
		return c.Offsets(ctx, []member.Offset{{TP: p.tp, Owner: p.tp, At: last.Offset, Metadata: last.Metadata}})
	})
	if err != nil {
		return fmt.Errorf("make sure that the partition is ours, since waiting events are missing: %w", err)
	}
	return nil
}

func (r *Runtime) read(p *partition, topic string, loads []schedule.Load) ([]schedule.Restored, error) {
	offsets := make([]int64, len(loads))
	at := make(map[int64]int, len(loads))
	for i, l := range loads {
		offsets[i], at[l.Log] = l.Log, i
	}
	got := make([]schedule.Restored, len(loads))
	err := r.reader.At(p.ctx, topic, p.tp.Partition, offsets, func(rec *kgo.Record) {
		if _, what, settled, ok := readRetry(r.sched, rec); ok && !settled {
			got[at[rec.Offset]] = what
		}
	})
	return got, err
}

// followEvery is how soon a person's redrive or drop is noticed.
const followEvery = time.Second

// follow reads what others have written to the retry partitions.
func (r *Runtime) follow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for topic, parts := range r.owned() {
		name := schemas.RetryTopic(topic, r.cfg.Member.Group)
		nums := make([]int32, 0, len(parts))
		for n := range parts {
			nums = append(nums, n)
		}
		ends, err := r.reader.Ends(ctx, name, nums)
		if err != nil {
			if ctx.Err() == nil {
				r.logger.WarnContext(ctx, "find the ends of a retry topic", "topic", name, "err", err)
			}
			return
		}
		for n, p := range parts {
			r.followOne(ctx, name, p, ends[n])
		}
	}
}

func (r *Runtime) owned() map[string]map[int32]*partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]map[int32]*partition)
	for tp, p := range r.parts {
		if out[tp.Topic] == nil {
			out[tp.Topic] = make(map[int32]*partition)
		}
		out[tp.Topic][tp.Partition] = p
	}
	return out
}

func (r *Runtime) followOne(ctx context.Context, topic string, p *partition, end int64) {
	r.mu.Lock()
	from := p.sched.RetryEnd()
	r.mu.Unlock()
	if from >= end || p.ctx.Err() != nil {
		return
	}
	next, err := r.reader.Scan(ctx, topic, p.tp.Partition, from, end, func(rec *kgo.Record) error {
		if by := personal(rec); by != "" {
			r.redriven(ctx, p, rec, by)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil && p.ctx.Err() == nil {
		r.logger.WarnContext(ctx, "follow a retry topic", "topic", topic, "partition", p.tp.Partition, "err", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !p.sched.Gone() {
		p.sched.Followed(next)
	}
	r.afterChange(p.sched)
	r.wakeWorkers()
	signal(r.rearm)
}

// redriven takes what a person's tool wrote into the key's order.
func (r *Runtime) redriven(ctx context.Context, p *partition, rec *kgo.Record, by string) {
	w, _, settled, ok := readRetry(r.sched, rec)
	if !ok {
		r.foreign(ctx, rec)
		return
	}
	level := slog.LevelInfo
	if by == schemas.RetryByReplay { // there may be millions
		level = slog.LevelDebug
	}
	r.logger.Log(ctx, level, "an event is back", "by", by, "topic", p.tp.Topic, "partition", p.tp.Partition, "offset", w.Offset, "dropped", settled)
	r.mu.Lock()
	defer r.mu.Unlock()
	if settled {
		r.sched.Dropped(p.sched, w.Key, w.Offset, time.Now())
	} else {
		r.sched.Redriven(p.sched, w, time.Now())
	}
}

// clock makes runnable what is due.
func (r *Runtime) clock(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		r.mu.Lock()
		r.sched.Advance(time.Now())
		for _, p := range r.parts {
			r.afterChange(p.sched)
		}
		r.wakeWorkers()
		due, ok := r.sched.Due()
		wait := time.Hour
		r.nextDue = time.Time{}
		if ok {
			wait, r.nextDue = max(time.Until(due), 0), due
		}
		r.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-r.rearm:
		case <-timer.C:
		}
	}
}
