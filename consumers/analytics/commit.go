package analytics

import (
	"context"
	"errors"
	"slices"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kerr"

	"millrace/consumers/group/member"
)

// This file is the one place that talks to the group about offsets. A batch is committed twice: before its insert the offset at
// which it begins, with its mark; after the insert its end, which the mark of the next batch does on the way, since it is
// committed at that offset. Where no next batch comes, an idle commit does it.

// errNotOurs is returned when a commit finds that the partition has been given up.
var errNotOurs = errors.New("partition is no longer assigned")

// position is an offset to commit for a partition.
type position struct {
	p        *partition
	at       int64
	metadata string
}

// commitMark commits the bounds of a batch, and does not give up while the partition is ours. Only when it has returned nil may the
// batch be inserted.
func (s *Sink) commitMark(ctx context.Context, p *partition, b *batch) error {
	at := []position{{p, b.start, b.mark().String()}}
	for n := 0; ; n++ {
		err := s.commit(ctx, at)
		if err == nil || errors.Is(err, errNotOurs) {
			return err
		}
		if n == 0 {
			s.logger.WarnContext(ctx, "commit the bounds of a batch: it is not inserted before that", "topic", b.topic, "partition", b.partition,
				"offset", b.start, "end_offset", b.end, "err", err)
		}
		if err := pause.Sleep(ctx, pause.Backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax)); err != nil {
			return err
		}
	}
}

// commit commits once, under its own deadline: neither the end of the grace nor that of a partition cuts it. Partitions that were
// given up are left out; errNotOurs means that none is left.
func (s *Sink) commit(ctx context.Context, list []position) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.CommitTimeout)
	defer cancel()
	return s.member.Exclusive(ctx, func(c *member.Commit) error {
		var ours []position
		var offsets []member.Offset
		var doubted []member.TP
		for _, x := range list {
			if !c.Owns(x.p.TP) || isClosed(x.p.gone) { // given up, or given up and back again
				continue
			}
			ours = append(ours, x)
			offsets = append(offsets, member.Offset{TP: x.p.TP, Owner: x.p.TP, At: x.at, Metadata: x.metadata})
			if x.p.doubt {
				doubted = append(doubted, x.p.TP)
			}
		}
		if len(ours) == 0 {
			return errNotOurs
		}
		err := c.Offsets(ctx, offsets)
		if err == nil && len(doubted) > 0 {
			err = confirm(ctx, c, doubted, offsets)
		}
		s.noteCommit(ours, err)
		return err
	})
}

// noteCommit keeps what is known of the group's offsets. It is called with the commit lock held.
func (s *Sink) noteCommit(list []position, err error) {
	var answer *kerr.Error
	if err != nil {
		for _, x := range list {
			x.p.doubt = x.p.doubt || !errors.As(err, &answer)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range list {
		x.p.doubt, x.p.committed = false, x.at
	}
}

var errOvertaken = errors.New("an earlier commit has arrived after a later one")

// confirm reads back what is committed after a commit whose answer never came: one that was held up on its way, as by a broker that
// stood still, could arrive after this one, and take a mark away, or bring one back that is done with.
func confirm(ctx context.Context, c *member.Commit, doubted []member.TP, offsets []member.Offset) error {
	found, err := c.Fetch(ctx, doubted)
	if err != nil {
		return err
	}
	for _, o := range offsets {
		if slices.Contains(doubted, o.TP) && found[o.TP] != (member.Committed{Offset: o.At, Metadata: o.Metadata}) {
			return errOvertaken
		}
	}
	return nil
}

// settleAfter is how long a batch that is in ClickHouse waits for the mark of the next one to finalise it.
func (c Config) settleAfter() time.Duration {
	return min(max(2*c.BatchLinger, 200*time.Millisecond), 2*time.Second)
}

// settling makes the idle commits until ctx ends.
func (s *Sink) settling(ctx context.Context) {
	for pause.Sleep(ctx, s.cfg.settleAfter()/4) == nil {
		s.settle(ctx, time.Now().Add(-s.cfg.settleAfter()), nil)
	}
}

// settle finalises, in one request, the batches that landed until a time; only of tps, where that is given. What fails is tried again
// by the next round; the successor of a sink that could not do it replays the batch.
func (s *Sink) settle(ctx context.Context, until time.Time, tps []member.TP) {
	s.settleLock <- struct{}{} // whoever holds it has a deadline
	defer func() { <-s.settleLock }()
	list := s.claim(until, tps)
	if len(list) == 0 {
		return
	}
	if err := s.commit(ctx, list); err != nil && !errors.Is(err, errNotOurs) {
		s.logger.WarnContext(ctx, "commit the end of batches", "partitions", len(list), "err", err)
	}
	s.mu.Lock()
	for _, x := range list {
		x.p.settling = false
	}
	s.mu.Unlock()
	s.signal()
}

// claim returns the partitions of which a batch waits to be finalised. No batch of them begins until settle is done: the idle commit of
// an offset must not follow the mark that stands at it.
func (s *Sink) claim(until time.Time, tps []member.TP) []position {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []position
	for tp, p := range s.partitions {
		if p.unsettled() && !p.landedAt.After(until) && (tps == nil || slices.Contains(tps, tp)) {
			p.settling = true
			out = append(out, position{p, p.landed, ""})
		}
	}
	return out
}
