package member

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// partition is what the member knows of one partition between its assignment and its drop. Member.mu guards all fields.
type partition struct {
	TP
	ready     bool          // Prepare has succeeded: it is fetched, and may be committed
	releasing bool          // on its way out: no Accept any more
	throttled bool          // paused by the work
	next      int64         // offset after the last record accepted, at first the committed one; -1 unknown
	cancel    func()        // ends Prepare
	prepared  chan struct{} // closed when the goroutine that prepares has ended; nil when none was started
}

// onAssigned takes partitions in. It comes before their offsets are fetched, so the client has not read anything of them:
// paused now, they stay untouched until they are ready. A pause is of the client and outlives the assignment.
func (m *Member) onAssigned(ctx, work context.Context, client *kgo.Client, tps []TP) {
	if len(tps) == 0 {
		return
	}
	client.PauseFetchPartitions(byTopic(tps))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return
	}
	if len(m.partitions) == 0 { // else they are ours under the id that they have, or not at all
		id, _ := client.GroupMetadata()
		m.identity.Store(&id)
	}
	for _, tp := range tps {
		m.partitions[tp] = &partition{TP: tp, next: -1, cancel: func() {}}
	}
	m.sessionError = ""
	m.assignedAt = time.Now()
	m.metrics.rebalances.WithLabelValues(rebalanceAssigned).Inc()
	m.gauges()
	m.logger.InfoContext(ctx, "partitions assigned", "count", len(tps), "partitions", tps)
	m.background.Go(func() { m.watchUnstable(work, tps) })
}

// onOffsetsFetched learns what the group has committed, and starts to prepare. An error ends the membership, which then is
// begun again after a back-off: the client would otherwise leave a partition without an offset unread for ever.
func (m *Member) onOffsetsFetched(work context.Context, client *kgo.Client, r *kmsg.OffsetFetchResponse) error {
	committed, err := committedOf(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for tp, c := range committed {
		p := m.partitions[tp]
		if p == nil || p.releasing || p.prepared != nil {
			continue
		}
		p.next = c.Offset
		p.prepared = make(chan struct{})
		ctx, cancel := context.WithCancel(work)
		p.cancel = cancel
		go func() {
			defer cancel()
			defer close(p.prepared)
			m.prepare(ctx, client, p, c)
		}()
	}
	return nil
}

func committedOf(r *kmsg.OffsetFetchResponse) (map[TP]Committed, error) {
	out := make(map[TP]Committed)
	var errs []error
	for _, g := range r.Groups {
		errs = append(errs, kerr.ErrorForCode(g.ErrorCode))
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				tp := TP{t.Topic, p.Partition}
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					errs = append(errs, fmt.Errorf("fetch committed offset of %s: %w", tp, err))
					continue
				}
				c := Committed{Offset: max(p.Offset, -1)}
				if c.Offset >= 0 && p.Metadata != nil {
					c.Metadata = *p.Metadata
				}
				out[tp] = c
			}
		}
	}
	return out, errors.Join(errs...)
}

// prepare calls Work.Prepare until it succeeds or the partition is taken away, and opens the gate.
func (m *Member) prepare(ctx context.Context, client *kgo.Client, p *partition, c Committed) {
	begin := time.Now()
	for n := 0; ; n++ {
		err := m.work.Prepare(ctx, p.TP, c)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			break
		}
		m.logger.ErrorContext(ctx, "prepare partition: tried again", "topic", p.Topic, "partition", p.Partition, "try", n+1, "err", err)
		if pause.Sleep(ctx, backoff(n)) != nil {
			return
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.releasing {
		return
	}
	p.ready = true
	if !p.throttled {
		client.ResumeFetchPartitions(byTopic([]TP{p.TP}))
	}
	m.logger.DebugContext(ctx, "partition ready", "topic", p.Topic, "partition", p.Partition, "offset", c.Offset,
		"metadata_bytes", len(c.Metadata), "took", time.Since(begin))
	if ready := m.gauges(); ready == len(m.partitions) {
		m.logger.InfoContext(ctx, "partitions ready", "count", ready, "took", time.Since(m.assignedAt))
	}
}

// onRevoked lets go of partitions in order: the work finishes and commits what is under way, then they are dropped. A member
// that takes longer than the rebalance timeout is thrown out, so the work has half of it.
func (m *Member) onRevoked(work context.Context, tps []TP) {
	m.transition <- struct{}{}
	defer func() { <-m.transition }()
	ready, all := m.markReleasing(tps)
	if len(all) == 0 {
		return
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(work, m.cfg.rebalanceTimeout()/2)
	defer cancel()
	m.release(ctx, ready)
	m.drop(all, false)
	m.metrics.rebalances.WithLabelValues(rebalanceRevoked).Inc()
	m.logger.InfoContext(ctx, "partitions revoked", "count", len(all), "partitions", all, "took", time.Since(begin))
}

// onLost is called when the group has thrown this member out: what was ours may have another owner already. A Release under
// way is in vain.
func (m *Member) onLost(work context.Context, tps []TP) {
	m.mu.Lock()
	if m.cancelRelease != nil {
		m.cancelRelease(errLost)
	}
	m.mu.Unlock()
	m.transition <- struct{}{}
	defer func() { <-m.transition }()
	_, all := m.markReleasing(tps)
	if len(all) == 0 {
		return
	}
	m.drop(all, true)
	m.metrics.rebalances.WithLabelValues(rebalanceLost).Inc()
	m.logger.WarnContext(work, "partitions lost", "count", len(all), "partitions", all)
}

func (m *Member) assigned() []TP {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.partitions))
}

// markReleasing stops Prepare of the partitions, and Accept. It returns those that are known, and the ready ones among them.
func (m *Member) markReleasing(tps []TP) (ready, all []TP) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tp := range tps {
		p := m.partitions[tp]
		if p == nil {
			continue
		}
		p.releasing = true
		p.cancel()
		all = append(all, tp)
		if p.ready {
			ready = append(ready, tp)
		}
	}
	return ready, all
}

// release calls Work.Release so that onLost can end it.
func (m *Member) release(ctx context.Context, tps []TP) {
	if len(tps) == 0 {
		return
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m.mu.Lock()
	m.cancelRelease = cancel
	m.mu.Unlock()
	m.work.Release(ctx, tps)
	m.mu.Lock()
	m.cancelRelease = nil
	m.mu.Unlock()
}

// drop forgets partitions under the commit lock: once it has returned, nothing is committed for them. The wait for the lock
// has no end of its own, but whoever holds it has a deadline.
func (m *Member) drop(tps []TP, lost bool) {
	for _, p := range m.known(tps) {
		if p.prepared != nil {
			<-p.prepared
		}
	}
	m.commitLock <- struct{}{}
	defer func() { <-m.commitLock }()
	m.mu.Lock()
	for _, tp := range tps {
		delete(m.partitions, tp)
	}
	if len(m.partitions) == 0 {
		m.identity.Store(nil)
	}
	m.gauges()
	m.mu.Unlock()
	m.work.Drop(tps, lost)
}

func (m *Member) known(tps []TP) []*partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*partition
	for _, tp := range tps {
		if p := m.partitions[tp]; p != nil {
			out = append(out, p)
		}
	}
	return out
}

// gauges returns how many partitions are ready. It is called with mu held.
func (m *Member) gauges() (ready int) {
	for _, p := range m.partitions {
		if p.ready {
			ready++
		}
	}
	m.metrics.assigned.Set(float64(len(m.partitions)))
	m.metrics.ready.Set(float64(ready))
	return ready
}

// backoff returns how long to wait before try n+1, n from 0: from 100 ms to 5 s, the upper half of it random.
func backoff(n int) time.Duration {
	return pause.Backoff(n, 100*time.Millisecond, 5*time.Second)
}
