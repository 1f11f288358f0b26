package member

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// poll hands records to the work until ctx ends or a fault is final.
func (m *Member) poll(ctx context.Context) {
	for ctx.Err() == nil && m.failure() == nil && !m.renamed() {
		m.mu.Lock()
		m.wakePending = false // before the questions: a Wake during them asks them again
		m.mu.Unlock()
		m.throttle(m.work.Throttle())
		if m.work.Room() {
			m.pollOnce(ctx)
			continue
		}
		wait, done := m.waiting(ctx)
		<-wait.Done()
		done()
	}
}

func (m *Member) pollOnce(ctx context.Context) {
	// First what is there already: a member that is woken all the time would otherwise never poll to the end.
	fetches := m.client().PollRecords(nil, pollRecords) //nolint:staticcheck,contextcheck // nil is kgo's word for "do not wait"
	if len(fetches) == 0 {
		wait, done := m.waiting(ctx)
		fetches = m.client().PollRecords(wait, pollRecords)
		done()
	}
	// Between the poll and AllowRebalance no partition can be taken away: what is accepted is ours.
	m.accept(ctx, fetches)
	m.client().AllowRebalance()
}

// waiting returns a context that ends with ctx, with pollWait, and with the next Wake or Fail.
func (m *Member) waiting(ctx context.Context) (wait context.Context, done func()) {
	wait, cancel := context.WithTimeout(ctx, pollWait)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cancelPoll = cancel
	if m.wakePending || m.fatal != nil {
		cancel()
	}
	return wait, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.cancelPoll = nil
		cancel()
	}
}

func (m *Member) accept(ctx context.Context, fetches kgo.Fetches) {
	if out := m.sort(ctx, fetches); len(out) > 0 {
		m.work.Accept(ctx, out)
	}
}

// sort keeps what belongs to ready partitions, and reports errors and losses. A partition can come with an error and with
// the records before it: the client has moved past them, so they must not be lost here.
func (m *Member) sort(ctx context.Context, fetches kgo.Fetches) []Fetched {
	var out []Fetched
	m.mu.Lock()
	defer m.mu.Unlock()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if f.Err != nil {
			m.fetchError(ctx, f)
		}
		tp := TP{f.Topic, f.Partition}
		p := m.partitions[tp]
		if p == nil || p.releasing || (f.Err != nil && len(f.Records) == 0) {
			return
		}
		if !p.ready {
			// It was paused before the client knew where to fetch it. Going on would skip these records for good.
			if len(f.Records) > 0 {
				m.failLocked(fmt.Errorf("%d records of %s came before it was ready", len(f.Records), tp))
			}
			return
		}
		m.noticeLoss(ctx, p, f.LogStartOffset)
		end := f.LastStableOffset
		if end < 0 {
			end = f.HighWatermark
		}
		if n := len(f.Records); n > 0 {
			p.next = f.Records[n-1].Offset + 1
		}
		out = append(out, Fetched{TP: tp, Records: f.Records, End: end, LogStart: f.LogStartOffset})
	})
	return out
}

// noticeLoss reports records that retention removed before they were read. Only with offset_out_of_range earliest can
// reading have gone on after that.
func (m *Member) noticeLoss(ctx context.Context, p *partition, logStart int64) {
	if p.next < 0 || logStart <= p.next {
		return
	}
	m.metrics.lost.Add(float64(logStart - p.next))
	m.logger.ErrorContext(ctx, "records were removed from kafka before they were read",
		"topic", p.Topic, "partition", p.Partition, "from_offset", p.next, "to_offset", logStart)
	p.next = logStart
}

// fetchError counts and, where reading cannot go on without a loss, ends Run. All else the client retries by itself. It is
// called with mu held.
func (m *Member) fetchError(ctx context.Context, f kgo.FetchTopicPartition) {
	var session *kgo.ErrGroupSession
	var truncated *kgo.ErrDataLoss
	switch {
	case errors.Is(f.Err, context.Canceled), errors.Is(f.Err, context.DeadlineExceeded), errors.Is(f.Err, kgo.ErrClientClosed):
		return
	case errors.As(f.Err, &session):
		m.sessionEnded(ctx, session.Err)
		return
	}
	m.metrics.fetchErrors.Inc()
	if lost := errors.Is(f.Err, kerr.OffsetOutOfRange) || errors.As(f.Err, &truncated); lost && m.cfg.OffsetOutOfRange == OutOfRangeStop {
		m.failLocked(fmt.Errorf("%w: topic %s partition %d: %w; set offset_out_of_range to earliest to go on at the oldest record that is left",
			ErrEventsLost, f.Topic, f.Partition, f.Err))
		return
	}
	m.logger.ErrorContext(ctx, "fetch", "topic", f.Topic, "partition", f.Partition, "err", f.Err)
}

// sessionEnded is told why the group has given this member up, or does not let it in. The client joins again by itself, for
// as long as it takes: rights can be granted, brokers come back. It is called with mu held.
func (m *Member) sessionEnded(ctx context.Context, err error) {
	m.metrics.sessionErrors.Inc()
	if errors.Is(err, kerr.FencedInstanceID) {
		m.failLocked(fmt.Errorf("%w (%s)", ErrFenced, m.cfg.InstanceID))
		return
	}
	if text := err.Error(); text != m.sessionError {
		m.sessionError = text
		m.logger.ErrorContext(ctx, "membership ended, joining again", "err", err)
	}
}

// throttle pauses and resumes partitions as the work asks.
func (m *Member) throttle(pause, resume []TP) {
	if len(pause)+len(resume) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	change := func(tps []TP, throttled bool) map[string][]int32 {
		var now []TP
		for _, tp := range tps {
			p := m.partitions[tp]
			if p == nil || p.releasing {
				continue
			}
			p.throttled = throttled
			if p.ready { // else it is paused anyway, and follows when it is
				now = append(now, tp)
			}
		}
		return byTopic(now)
	}
	m.client().PauseFetchPartitions(change(pause, true))
	m.client().ResumeFetchPartitions(change(resume, false))
}
