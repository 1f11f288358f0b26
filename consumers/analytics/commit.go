package analytics

import (
	"context"
	"errors"

	"millrace/consumers/internal/pause"

	"millrace/consumers/group/member"
)

// This file is the one place that talks to the group about offsets: a batch's bounds come in, an offset goes out. A
// protocol that stores the bounds before the insert goes here.

// errNotOurs is returned when a commit finds that the partition has been given up.
var errNotOurs = errors.New("partition is no longer assigned")

// commit makes the end of the batch the group's offset, and does not give up while the partition is ours: the rows are in
// ClickHouse, and the next batch of the partition waits, so that a commit can never go backwards.
func (s *Sink) commit(ctx context.Context, p *partition, b bounds) {
	for n := 0; ; n++ {
		err := s.tryCommit(ctx, p, b)
		if err == nil || errors.Is(err, errNotOurs) {
			return
		}
		if n == 0 {
			s.logger.WarnContext(ctx, "commit offset", "topic", b.topic, "partition", b.partition, "offset", b.end, "err", err)
		}
		if pause.Sleep(ctx, pause.Backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax)) != nil {
			return
		}
	}
}

// tryCommit commits once, under its own deadline: neither the end of the grace nor that of the partition cuts it.
func (s *Sink) tryCommit(ctx context.Context, p *partition, b bounds) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.CommitTimeout)
	defer cancel()
	err := s.member.Exclusive(ctx, func(c *member.Commit) error {
		if !c.Owns(p.TP) || isClosed(p.gone) { // given up, or given up and back again
			return errNotOurs
		}
		return c.Offsets(ctx, []member.Offset{{TP: p.TP, Owner: p.TP, At: b.end}})
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	p.committed = b.end
	s.mu.Unlock()
	return nil
}
