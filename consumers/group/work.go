package group

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"millrace/consumers/group/internal/schedule"
	"millrace/consumers/group/internal/state"
	"millrace/consumers/group/internal/txn"
	"millrace/consumers/group/member"
	"millrace/schemas"
)

// keyed is the runtime as its member sees it.
type keyed struct{ *Runtime }

func (r *Runtime) work() member.Work { return keyed{r} }

// Prepare reads what waits in the retry partition and the state, and only then lets events in: an event that came before its key's
// retries were known would overtake them.
func (r keyed) Prepare(ctx context.Context, tp member.TP, c member.Committed) error {
	began := time.Now()
	if c.Offset < 0 {
		// Reading begins at the oldest record. A committed offset is needed for what is finished before the first of them is read.
		starts, err := r.reader.Starts(ctx, tp.Topic, []int32{tp.Partition})
		if err != nil {
			return fmt.Errorf("find the first offset of %s: %w", tp, err)
		}
		c = member.Committed{Offset: starts[tp.Partition]}
	}
	index, err := r.readRetries(ctx, tp, schedule.RetryOffset(c.Metadata))
	if err != nil {
		return err
	}
	p := &partition{tp: tp, load: make(chan struct{}, 1), done: make(chan struct{}), wrote: -1}
	if r.svc.State {
		if p.state, err = r.restoreState(ctx, tp); err != nil {
			return err
		}
	}
	// Not a child of ctx, which ends when the partition is to be given up: what runs may finish.
	p.ctx, p.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	r.mu.Lock()
	p.sched, err = r.sched.Assign(tp.Topic, tp.Partition, schedule.Committed{Offset: c.Offset, Metadata: c.Metadata}, index, time.Now())
	if err != nil {
		r.mu.Unlock()
		p.cancel(errGone)
		r.closeState(ctx, p)
		err = fmt.Errorf("%s, committed offset %d: %w; to begin there anew, reset the offset of group %s with Kafka's tools",
			tp, c.Offset, err, r.cfg.Member.Group)
		r.member.Fail(err)
		return err
	}
	p.sched.Owner = p
	r.parts[tp] = p
	r.share()
	r.mu.Unlock()
	r.joined.Store(true)
	go r.loader(p)
	signal(p.load)
	signal(r.rearm)
	r.logger.InfoContext(ctx, "partition ready", "topic", tp.Topic, "partition", tp.Partition, "offset", c.Offset,
		"waiting", index.Len(), "duration", time.Since(began))
	return nil
}

// Unstable ends the transaction of the member that committed last for a partition whose offsets do not come: it has died in the middle
// of one. A member that is alive after all, e.g. stopped for longer than its session, could not commit any more anyway.
func (r keyed) Unstable(ctx context.Context, tp member.TP, c member.Committed) {
	writer := schedule.Writer(c.Metadata)
	if writer == "" || writer == r.writer || !r.once(writer) {
		return
	}
	r.logger.WarnContext(ctx, "ending the transaction of a member that is gone", "topic", tp.Topic, "partition", tp.Partition, "writer", writer)
	if err := txn.End(ctx, r.kafka, r.transactionalID(writer), r.transactionTimeout()); err != nil {
		r.logger.WarnContext(ctx, "end the transaction of a member that is gone", "err", err)
	}
}

// once is false when the writer's transaction was ended a moment ago, for another of its partitions.
func (r *Runtime) once(writer string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.endedBy[writer]) < time.Second {
		return false
	}
	r.endedBy[writer] = now
	return true
}

func (r *Runtime) restoreState(ctx context.Context, tp member.TP) (*state.Partition, error) {
	topic := schemas.StateTopic(tp.Topic, r.cfg.Member.Group)
	store, err := r.cache.Open(ctx, topic, tp.Partition)
	if err != nil {
		return nil, fmt.Errorf("open the cached state of %s: %w", tp, err)
	}
	p, err := state.Restore(ctx, r.reader, store, topic, tp.Partition)
	if err != nil {
		_ = store.Close() // the reason to give up is err
		return nil, fmt.Errorf("restore the state of %s: %w", tp, err)
	}
	return p, nil
}

// Accept hands records to the scheduler.
func (r keyed) Accept(ctx context.Context, fetched []member.Fetched) {
	now := time.Now()
	for _, f := range fetched {
		if n := len(f.Records); n > 0 && r.logger.Enabled(ctx, slog.LevelDebug) {
			r.logger.DebugContext(ctx, "received", "topic", f.Topic, "partition", f.Partition, "events", n,
				"from_offset", f.Records[0].Offset, "to_offset", f.Records[n-1].Offset)
		}
		r.mu.Lock()
		if p := r.parts[f.TP]; p != nil {
			r.sched.Offer(p.sched, f.Records, now)
		}
		r.wakeWorkers()
		r.mu.Unlock()
	}
}

// Room stops reading while the buffer is full; it is not full again before a quarter of it is free.
func (r keyed) Room() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := r.cfg.BufferBytes
	if r.full {
		limit = limit / 4 * 3
	}
	full := r.sched.Bytes() >= limit
	if full != r.full {
		r.full = full
		r.metrics.bufferFull.Set(boolean(full))
	}
	return !full
}

// stagedShare is the part of the buffer that one partition may fill with events that cannot be admitted; then it alone is not read on.
const stagedShare = 8

// Throttle pauses the partitions that hold more than they can work off soon.
func (r keyed) Throttle() (pause, resume []member.TP) {
	r.mu.Lock()
	defer r.mu.Unlock()
	paused := 0
	for tp, p := range r.parts {
		was := p.paused
		p.paused = p.sched.Full(r.cfg.BufferBytes/stagedShare, was)
		switch {
		case p.paused && !was:
			pause = append(pause, tp)
		case !p.paused && was:
			resume = append(resume, tp)
		}
		if p.paused {
			paused++
		}
	}
	r.metrics.paused.WithLabelValues(reasonUnfinished).Set(float64(paused))
	return pause, resume
}

// Release lets running handlers finish, and commits what has finished.
func (r keyed) Release(ctx context.Context, tps []member.TP) {
	parts := r.closing(tps)
	// Handlers have the larger part of the time; then their contexts end, and they have a moment to return.
	grace := 5 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		grace = time.Until(deadline) * 3 / 5
	}
	timer := time.AfterFunc(grace, func() {
		for p := range parts {
			p.cancel(errStopped)
		}
	})
	defer timer.Stop()
	var list []*schedule.Partition
	for p, idle := range parts {
		select {
		case <-idle:
		case <-ctx.Done():
			r.logger.WarnContext(ctx, "given up while a handler is running: its event will be repeated", "topic", p.tp.Topic, "partition", p.tp.Partition)
		}
		list = append(list, p.sched)
	}
	if len(list) == 0 {
		return
	}
	for n := 0; n < 3 && ctx.Err() == nil; n++ {
		left, err := r.commit(ctx, true, list...)
		if err == nil && !left {
			return
		}
		if err != nil {
			r.logger.WarnContext(ctx, "last commit of partitions", "err", err)
		}
	}
}

func (r *Runtime) closing(tps []member.TP) map[*partition]<-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[*partition]<-chan struct{}, len(tps))
	for _, tp := range tps {
		if p := r.parts[tp]; p != nil {
			out[p] = r.sched.Close(p.sched)
		}
	}
	return out
}

// Drop forgets partitions. It is called under the commit lock, so that nothing is committed for them afterwards. The gate hears of it
// before the group is answered, and so before another process has them.
func (r keyed) Drop(tps []member.TP, _ bool) {
	var gone []*partition
	r.mu.Lock()
	for _, tp := range tps {
		p := r.parts[tp]
		if p == nil {
			continue
		}
		r.sched.Drop(p.sched)
		delete(r.parts, tp)
		gone = append(gone, p)
	}
	r.share()
	r.wakeWorkers()
	r.mu.Unlock()
	for _, p := range gone {
		p.cancel(errGone)
		<-p.done
		r.closeState(p.ctx, p)
	}
}

func (r *Runtime) closeState(ctx context.Context, p *partition) {
	if p.state == nil {
		return
	}
	if err := p.state.Close(); err != nil {
		r.logger.WarnContext(ctx, "close the cached state", "topic", p.tp.Topic, "partition", p.tp.Partition, "err", err)
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
