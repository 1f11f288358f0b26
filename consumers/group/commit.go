package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/schedule"
	"millrace/consumers/group/internal/txn"
	"millrace/consumers/group/member"
)

// lowestEvery is how often the position in the retry log is found anew: it costs a look at every waiting event.
const lowestEvery = 10 * time.Second

// committer moves what has finished, every CommitInterval, until ctx ends.
func (r *Runtime) committer(ctx context.Context) {
	timer := time.NewTimer(r.cfg.CommitInterval)
	defer timer.Stop()
	var lowest, followed time.Time
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := time.Now()
		withLowest := now.Sub(lowest) > lowestEvery
		if withLowest {
			lowest = now
		}
		wait := r.cfg.CommitInterval
		if _, err := r.commit(ctx, withLowest); err != nil && ctx.Err() == nil {
			failures++
			wait = min(wait<<min(failures, 10), 5*time.Second)
			r.logger.WarnContext(ctx, "commit", "err", err, "failures", failures, "again_after", wait)
		} else {
			failures = 0
		}
		if time.Since(followed) > followEvery {
			followed = time.Now()
			r.follow(ctx)
		}
		timer.Reset(wait)
	}
}

// commit moves what has finished of the named partitions, all where none is named, in one step. more says that there is something
// left that a further call can move.
func (r *Runtime) commit(ctx context.Context, lowest bool, parts ...*schedule.Partition) (more bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Member.CommitTimeout)
	defer cancel()
	err = r.member.Exclusive(ctx, func(c *member.Commit) error {
		if err := r.resolve(ctx, c); err != nil {
			return err
		}
		r.mu.Lock()
		commits := r.sched.Collect(lowest, parts...)
		r.mu.Unlock()
		if len(commits) == 0 {
			return nil
		}
		more = true
		if slices.ContainsFunc(commits, func(c schedule.Commit) bool { return len(c.Completions) > 0 }) {
			return r.commitTransaction(ctx, c, commits)
		}
		err := c.Offsets(ctx, offsets(commits))
		r.conclude(commits, err == nil)
		return err
	})
	return more, err
}

func offsets(commits []schedule.Commit) []member.Offset {
	out := make([]member.Offset, len(commits))
	for i, c := range commits {
		tp := ownerOf(c.Partition).tp
		out[i] = member.Offset{TP: tp, Owner: tp, At: c.Position.Offset, Metadata: c.Position.Metadata}
	}
	return out
}

func ownerOf(p *schedule.Partition) *partition {
	return p.Owner.(*partition) // Prepare sets it before anything is dispatched
}

// unresolved is a transaction whose end got lost.
type unresolved struct {
	commits []schedule.Commit
	built   *built
}

// conclude tells the scheduler what became of commits.
func (r *Runtime) conclude(commits []schedule.Commit, committed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if committed {
		r.sched.Committed(commits, time.Now())
	} else {
		r.sched.Returned(commits)
	}
	for _, c := range commits {
		r.afterChange(c.Partition)
	}
	r.wakeWorkers()
	signal(r.rearm)
}

// resolve finds out what became of a transaction whose end got lost: each commit carries a sequence number.
func (r *Runtime) resolve(ctx context.Context, c *member.Commit) error {
	if r.open == nil {
		return nil
	}
	if err := r.producer.Renew(ctx); err != nil {
		return fmt.Errorf("end the transaction whose outcome is not known: %w", err)
	}
	var asked *schedule.Commit
	var tp member.TP
	for i := range r.open.commits {
		// What a partition that is gone has committed is its new owner's to know.
		one := &r.open.commits[i]
		tp = ownerOf(one.Partition).tp
		if !r.gone(one.Partition) && c.Owns(tp) {
			asked = one
			break
		}
	}
	if asked == nil {
		r.open = nil
		return nil
	}
	found, err := c.Fetch(ctx, []member.TP{tp})
	if err != nil {
		return fmt.Errorf("find out what became of a transaction: %w", err)
	}
	committed := schedule.Sequence(found[tp].Metadata) == schedule.Sequence(asked.Position.Metadata)
	r.logger.WarnContext(ctx, "the outcome of a transaction is known now", "committed", committed)
	open := r.open
	r.open = nil
	if committed {
		return r.through(open.commits, open.built)
	}
	r.conclude(open.commits, false)
	return nil
}

func (r *Runtime) gone(p *schedule.Partition) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.Gone()
}

// commitTransaction makes one transaction of all records that commits hold and of their offsets.
func (r *Runtime) commitTransaction(ctx context.Context, c *member.Commit, commits []schedule.Commit) error {
	began := time.Now()
	b := r.build(commits)
	err := r.producer.Do(ctx, b.records, func(ctx context.Context, cl *kgo.Client, id string) error {
		return c.TxnOffsets(ctx, cl, id, offsets(commits))
	})
	var refused *txn.RecordError
	switch {
	case err == nil:
		r.metrics.transaction.Observe(time.Since(began).Seconds())
		r.metrics.transactionRecords.Observe(float64(len(b.records)))
		return r.through(commits, b)
	case errors.As(err, &refused):
		r.refuse(ctx, b, refused)
		r.conclude(commits, false)
		return nil // the next commit does without that record
	case errors.Is(err, txn.ErrUnknown):
		r.open = &unresolved{commits: commits, built: b}
	default:
		r.conclude(commits, false)
	}
	r.metrics.transactionFailures.Inc()
	return err
}
