package analytics

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
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
		s.metrics.commitFailures.Inc()
		if n == 0 {
			s.logger.WarnContext(ctx, "commit offset", "topic", b.topic, "partition", b.partition, "offset", b.end, "err", err)
		}
		if sleep(ctx, backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax)) != nil {
			return
		}
	}
}

// tryCommit commits once, under the commit lock and its own deadline. The group's coordinator checks the member and the
// generation but not who owns the partition, so a commit after revocation would be accepted and could move another
// member's offset back: ownership is checked here, and the lock keeps it true until the answer.
func (s *Sink) tryCommit(ctx context.Context, p *partition, b bounds) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.CommitTimeout)
	defer cancel()
	if err := s.lockCommits(ctx); err != nil {
		return err
	}
	defer s.unlockCommits()
	if isClosed(p.gone) {
		return errNotOurs
	}
	var result error
	offsets := map[string]map[int32]kgo.EpochOffset{b.topic: {b.partition: {Epoch: -1, Offset: b.end}}}
	s.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, r *kmsg.OffsetCommitResponse, err error) {
		result = commitError(r, err)
	})
	if result != nil {
		return result
	}
	s.mu.Lock()
	p.committed = b.end
	s.mu.Unlock()
	return nil
}

func commitError(r *kmsg.OffsetCommitResponse, err error) error {
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			errs = append(errs, kerr.ErrorForCode(p.ErrorCode))
		}
	}
	return errors.Join(errs...)
}

func (s *Sink) lockCommits(ctx context.Context) error {
	select {
	case s.commitLock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Sink) unlockCommits() { <-s.commitLock }

// revokeWait is how long a revocation waits for the batch in flight, so that its rows are not read and inserted again by
// the next owner. It is far below the rebalance timeout.
const revokeWait = 5 * time.Second

// onRevoked gives partitions up in order: no new batch, a moment for the one in flight, then drop.
func (s *Sink) onRevoked(ctx context.Context, _ *kgo.Client, revoked map[string][]int32) {
	wait := s.markRevoking(revoked)
	timer := time.NewTimer(revokeWait)
	defer timer.Stop()
	for _, idle := range wait {
		select {
		case <-idle:
			continue
		case <-timer.C:
		case <-ctx.Done():
		}
		break
	}
	partitions, records := s.drop(revoked)
	s.logger.InfoContext(ctx, "partitions revoked", "count", partitions, "records_dropped", records)
}

// onLost is called when the group has thrown this member out: what was ours may have another owner already.
func (s *Sink) onLost(ctx context.Context, _ *kgo.Client, lost map[string][]int32) {
	partitions, records := s.drop(lost)
	s.logger.WarnContext(ctx, "partitions lost", "count", partitions, "records_dropped", records)
}

// markRevoking returns what to wait for: nothing while ClickHouse is away, because then it would be in vain.
func (s *Sink) markRevoking(revoked map[string][]int32) []chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	var wait []chan struct{}
	for topic, partitions := range revoked {
		for _, num := range partitions {
			p := s.partitions[partitionKey{topic, num}]
			if p == nil {
				continue
			}
			p.revoking = true
			if p.inFlight != nil && s.failing == 0 {
				wait = append(wait, p.idle)
			}
		}
	}
	return wait
}

// drop forgets partitions under the commit lock: after it returns, nothing is committed for them. The wait for the lock
// cannot end early, but is short: a commit has its deadline.
func (s *Sink) drop(partitions map[string][]int32) (n, records int) {
	s.commitLock <- struct{}{}
	defer s.unlockCommits()
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, nums := range partitions {
		for _, num := range nums {
			key := partitionKey{topic, num}
			p := s.partitions[key]
			if p == nil {
				continue
			}
			n++
			records += len(p.queue)
			s.buffered -= p.queueBytes
			if p.inFlight != nil {
				records += len(p.inFlight.records)
				s.buffered -= p.inFlight.bytes
			}
			close(p.gone)
			delete(s.partitions, key)
		}
	}
	return n, records
}
