package analytics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/schemas"
)

const (
	// pollWait bounds a poll, so that gauges and pauses follow also while nothing comes.
	pollWait = 250 * time.Millisecond
	// pollRecords and fetchMaxBytes bound what one poll can add beyond buffer_bytes.
	pollRecords   = 5000
	fetchMaxBytes = 16 << 20
)

// options completes the connection options.
//
// A group without commits starts at the oldest record. A committed offset that is gone is another matter: franz-go's
// default would go back or forth on its own, so the reset is off unless the operator has chosen it.
func (s *Sink) options(connection []kgo.Opt) []kgo.Opt {
	reset := kgo.NoResetOffset()
	if s.cfg.OffsetOutOfRange == outOfRangeEarliest {
		reset = kgo.NewOffset().AtStart()
	}
	own := []kgo.Opt{
		kgo.ConsumerGroup(s.cfg.Group),
		kgo.ConsumeTopics(topics()...),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(reset),
		kgo.SessionTimeout(s.cfg.SessionTimeout),
		kgo.HeartbeatInterval(s.cfg.SessionTimeout / 10),
		kgo.RebalanceTimeout(max(30*time.Second, s.cfg.SessionTimeout)),
		kgo.FetchMaxBytes(fetchMaxBytes),
		// A topic or partition that is created later is noticed soon, not after the default of five minutes.
		kgo.MetadataMaxAge(15 * time.Second),
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.UnknownTopicRetries(-1),
		kgo.ProducerLinger(0),
		// Quarantined records may be as large as any event; the default of 1 MB would refuse them here.
		kgo.ProducerBatchMaxBytes(schemas.MaxBodyBytes + 1<<20),
		kgo.OnPartitionsAssigned(s.onAssigned),
		kgo.OnPartitionsRevoked(s.onRevoked),
		kgo.OnPartitionsLost(s.onLost),
		kgo.OnOffsetsFetched(s.onOffsetsFetched),
	}
	return append(append(make([]kgo.Opt, 0, len(connection)+len(own)), connection...), own...)
}

// poll hands records to the partitions' queues until ctx ends or a fault is final. It never inserts, so the member answers
// its group however long ClickHouse takes.
func (s *Sink) poll(ctx context.Context) {
	for ctx.Err() == nil {
		wait, cancel := context.WithTimeout(ctx, pollWait)
		fetches := s.client.PollRecords(wait, pollRecords)
		cancel()
		// Between the poll and AllowRebalance no partition can be taken away: what is accepted is ours.
		s.accept(ctx, fetches)
		s.client.AllowRebalance()
		if s.failed() {
			return
		}
		s.signal()
		s.throttle(ctx)
		s.observe(time.Now())
	}
}

func (s *Sink) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fatal != nil
}

func (s *Sink) accept(ctx context.Context, fetches kgo.Fetches) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if f.Err != nil {
			s.fetchError(ctx, f)
			return
		}
		p := s.partitions[partitionKey{f.Topic, f.Partition}]
		if p == nil {
			return
		}
		s.noticeLoss(ctx, p, f.LogStartOffset)
		// The last stable offset: what lies beyond it is not committed by its producer and cannot be read yet.
		p.highWater = f.LastStableOffset
		if p.highWater < 0 {
			p.highWater = f.HighWatermark
		}
		for _, r := range f.Records {
			s.buffered += p.push(r, now)
		}
	})
}

// noticeLoss reports records that retention removed before they were read. Only with offset_out_of_range earliest can
// reading have gone on after that.
func (s *Sink) noticeLoss(ctx context.Context, p *partition, logStart int64) {
	from := p.next
	if from < 0 {
		from = p.committed
	}
	if len(p.queue) > 0 {
		from = p.queue[len(p.queue)-1].Offset + 1
	}
	if from < 0 || logStart <= from {
		return
	}
	s.metrics.lost.Add(float64(logStart - from))
	s.logger.ErrorContext(ctx, "records were removed from kafka before they were read",
		"topic", p.topic, "partition", p.partition, "from_offset", from, "to_offset", logStart)
	p.next = max(p.next, logStart)
	p.committed = max(p.committed, logStart)
}

// fetchError counts and, where reading cannot go on without a loss, ends Run. All else the client retries by itself.
func (s *Sink) fetchError(ctx context.Context, f kgo.FetchTopicPartition) {
	if errors.Is(f.Err, context.Canceled) || errors.Is(f.Err, context.DeadlineExceeded) || errors.Is(f.Err, kgo.ErrClientClosed) {
		return
	}
	s.metrics.fetchErrors.Inc()
	if errors.Is(f.Err, kerr.OffsetOutOfRange) && s.cfg.OffsetOutOfRange == outOfRangeStop {
		s.fatal = fmt.Errorf("%w: topic %s partition %d: %w; set offset_out_of_range to earliest to go on at the oldest record that is left",
			ErrEventsLost, f.Topic, f.Partition, f.Err)
		return
	}
	s.logger.ErrorContext(ctx, "fetch", "topic", f.Topic, "partition", f.Partition, "err", f.Err)
}

// throttle pauses and resumes fetching. Everything pauses while ClickHouse fails as a whole and while the buffer is full;
// one partition pauses while it holds two batches beside the one in flight, so that a partition whose batch is refused
// cannot fill the buffer of all.
//
// Pausing drops what the client has fetched and not yet handed out; it is fetched again. So the buffer has hysteresis.
func (s *Sink) throttle(ctx context.Context) {
	s.mu.Lock()
	limit := s.cfg.BufferBytes
	if s.allPaused {
		limit = limit / 4 * 3
	}
	pauseAll := s.failing > 0 || s.buffered >= limit
	changed := pauseAll != s.allPaused
	s.allPaused = pauseAll
	pause, resume := map[string][]int32{}, map[string][]int32{}
	for _, p := range s.partitions {
		switch full := p.full(s.cfg); {
		case full && !p.paused:
			p.paused = true
			pause[p.topic] = append(pause[p.topic], p.partition)
		case !full && p.paused && len(p.queue) < s.cfg.BatchRows && p.queueBytes < s.cfg.BatchBytes:
			p.paused = false
			resume[p.topic] = append(resume[p.topic], p.partition)
		}
	}
	failing, buffered := s.failing > 0, s.buffered
	s.mu.Unlock()

	s.client.PauseFetchPartitions(pause)
	s.client.ResumeFetchPartitions(resume)
	switch {
	case changed && pauseAll:
		s.client.PauseFetchTopics(topics()...)
		s.logger.WarnContext(ctx, "fetching paused", "clickhouse_failing", failing, "buffered_bytes", buffered)
	case changed:
		s.client.ResumeFetchTopics(topics()...)
		s.logger.InfoContext(ctx, "fetching resumed", "buffered_bytes", buffered)
	}
}

// observe sets the gauges.
func (s *Sink) observe(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lag, age := map[string]float64{}, map[string]float64{}
	for _, t := range topics() {
		lag[t], age[t] = -1, -1
	}
	paused := 0
	for _, p := range s.partitions {
		lag[p.topic] = max(lag[p.topic], 0) + float64(max(p.lag(), 0))
		age[p.topic] = max(age[p.topic], 0)
		if r := p.oldest(); r != nil {
			age[p.topic] = max(age[p.topic], now.Sub(r.Timestamp).Seconds())
		}
		if p.paused || s.allPaused {
			paused++
		}
	}
	for _, t := range topics() {
		s.metrics.lagRecords.WithLabelValues(t).Set(lag[t])
		s.metrics.lagSeconds.WithLabelValues(t).Set(age[t])
	}
	s.metrics.paused.Set(float64(paused))
	s.metrics.assigned.Set(float64(len(s.partitions)))
	s.metrics.buffered.Set(float64(s.buffered))
}

func (s *Sink) onAssigned(ctx context.Context, client *kgo.Client, assigned map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for topic, partitions := range assigned {
		for _, num := range partitions {
			key := partitionKey{topic, num}
			s.partitions[key] = newPartition(key)
			n++
		}
	}
	// A pause of single partitions is of the client and outlives the assignment; the new state starts without one.
	client.ResumeFetchPartitions(assigned)
	s.logger.InfoContext(ctx, "partitions assigned", "count", n)
}

// onOffsetsFetched learns the committed offsets, for the lag.
func (s *Sink) onOffsetsFetched(_ context.Context, _ *kgo.Client, r *kmsg.OffsetFetchResponse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range r.Groups {
		for _, t := range g.Topics {
			for _, fp := range t.Partitions {
				if p := s.partitions[partitionKey{t.Topic, fp.Partition}]; p != nil && fp.ErrorCode == 0 && p.next < 0 {
					p.committed = fp.Offset
				}
			}
		}
	}
	return nil
}
