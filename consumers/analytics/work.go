package analytics

import (
	"context"
	"time"

	"millrace/consumers/internal/pause"

	"millrace/consumers/group/member"
)

// work is the Sink as its member of the group calls it.
type work struct{ *Sink }

// Prepare replays the batch that a predecessor has left pending, however long that takes.
func (w work) Prepare(ctx context.Context, tp member.TP, c member.Committed) error {
	p := newPartition(tp, c.Offset)
	w.mu.Lock()
	w.partitions[tp] = p
	w.mu.Unlock()
	if m, ok := w.pendingOf(ctx, tp, c); ok {
		return w.replay(ctx, p, m)
	}
	return nil
}

// Accept queues records. It never inserts, so the member answers its group however long ClickHouse takes.
func (w work) Accept(_ context.Context, fetched []member.Fetched) {
	now := time.Now()
	w.mu.Lock()
	for _, f := range fetched {
		p := w.partitions[f.TP]
		p.highWater = f.End
		if p.inFlight == nil && len(p.queue) == 0 {
			p.skipTo(f.LogStart)
		}
		for _, r := range f.Records {
			w.buffered += p.push(r, now)
		}
	}
	w.mu.Unlock()
	w.signal()
}

// revokeWait is how long a revocation waits for the batch in flight, so that its rows are not read and inserted again by
// the next owner.
const revokeWait = 5 * time.Second

// Release inserts all that is held when the sink stops. In a revocation no new batch begins, and the one in flight has a moment.
// What has landed is finalised, so that the next owner has nothing to replay.
func (w work) Release(ctx context.Context, tps []member.TP) {
	if w.stopped() {
		w.drain(ctx)
	} else {
		w.awaitIdle(ctx, w.markRevoking(tps))
	}
	w.settle(ctx, time.Now(), tps)
}

func (w work) awaitIdle(ctx context.Context, wait []chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, revokeWait)
	defer cancel()
	for _, idle := range wait {
		select {
		case <-idle:
		case <-ctx.Done():
			return
		}
	}
}

// markRevoking returns what to wait for: nothing while ClickHouse is away, because then it would be in vain.
func (s *Sink) markRevoking(tps []member.TP) []chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	var wait []chan struct{}
	for _, tp := range tps {
		p := s.partitions[tp]
		p.revoking = true
		if p.inFlight != nil && s.failing == 0 {
			wait = append(wait, p.idle)
		}
	}
	return wait
}

// Drop forgets partitions; an insert under way is cancelled.
func (w work) Drop(tps []member.TP, _ bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	records := 0
	for _, tp := range tps {
		p := w.partitions[tp]
		if p == nil { // its Prepare was never called
			continue
		}
		records += len(p.queue)
		w.buffered -= p.queueBytes
		if p.inFlight != nil {
			records += len(p.inFlight.records)
			w.buffered -= p.inFlight.bytes
		}
		close(p.gone)
		delete(w.partitions, tp)
	}
	if records > 0 {
		w.logger.Info("records dropped: their next owner reads them", "records", records)
	}
}

// Room is false while ClickHouse fails as a whole and while the buffer is full, with hysteresis. A full buffer is the rule in a
// catch-up, several times a second, and nothing that an operator need see.
func (w work) Room() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	limit := w.cfg.BufferBytes
	if w.allPaused {
		limit = limit / 4 * 3
	}
	pause := w.failing > 0 || w.buffered >= limit
	if pause == w.allPaused {
		return !pause
	}
	w.allPaused = pause
	switch {
	case w.failing > 0:
		w.logger.Warn("fetching paused", "clickhouse_failing", w.failing, "buffered_bytes", w.buffered)
	case pause:
		w.logger.Debug("fetching paused: the buffer is full", "buffered_bytes", w.buffered)
	default:
		w.logger.Debug("fetching resumed", "buffered_bytes", w.buffered)
	}
	return !pause
}

// Throttle pauses a partition that holds two batches beside the one in flight, so that a partition whose batch is refused
// cannot fill the buffer of all.
//
// Pausing drops what the client has fetched and not yet handed out; it is fetched again. So the pause has hysteresis.
func (w work) Throttle() (pause, resume []member.TP) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for tp, p := range w.partitions {
		switch full := p.full(w.cfg); {
		case full && !p.paused:
			p.paused = true
			pause = append(pause, tp)
		case !full && p.paused && len(p.queue) < w.cfg.BatchRows && p.queueBytes < w.cfg.BatchBytes:
			p.paused = false
			resume = append(resume, tp)
		}
	}
	return pause, resume
}

// observing sets the gauges four times a second until ctx ends.
func (s *Sink) observing(ctx context.Context) {
	for pause.Sleep(ctx, 250*time.Millisecond) == nil {
		s.observe(time.Now())
	}
}

func (s *Sink) observe(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lag, age := map[string]float64{}, map[string]float64{}
	for _, t := range Topics() {
		lag[t], age[t] = -1, -1
	}
	paused := 0
	for _, p := range s.partitions {
		lag[p.Topic] = max(lag[p.Topic], 0) + float64(max(p.lag(), 0))
		age[p.Topic] = max(age[p.Topic], 0)
		if r := p.oldest(); r != nil {
			age[p.Topic] = max(age[p.Topic], now.Sub(r.Timestamp).Seconds())
		}
		if p.paused || s.allPaused {
			paused++
		}
	}
	for _, t := range Topics() {
		s.metrics.lagRecords.WithLabelValues(t).Set(lag[t])
		s.metrics.lagSeconds.WithLabelValues(t).Set(age[t])
	}
	s.metrics.paused.Set(float64(paused))
	s.metrics.buffered.Set(float64(s.buffered))
}
