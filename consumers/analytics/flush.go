package analytics

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"millrace/consumers/internal/pause"
)

// dispatch starts the insert of due batches, the oldest first, until ctx ends. Two bounds shape the load on ClickHouse: the
// slots bound inserts under way, the limiter bounds inserts per second. Every insert makes at least one part per table, so
// with many quiet partitions the limiter, not the linger, decides: batches wait their turn and grow.
func (s *Sink) dispatch(ctx context.Context, running *sync.WaitGroup) {
	for ctx.Err() == nil {
		wait, due := s.nextDue(time.Now())
		if !due {
			s.await(ctx, wait)
			continue
		}
		if !s.isStopping() && s.limiter.Wait(ctx) != nil {
			return
		}
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		// Chosen only now: while this waited for its turn, an older batch may have become due, or the partition gone.
		p, b := s.take(time.Now())
		if b == nil {
			<-s.slots
			continue
		}
		running.Go(func() {
			s.flush(ctx, p, b)
			s.signal()
			s.member.Wake() // there may be room again
		})
	}
}

// await returns when something changed or wait is over; a negative wait has no end.
func (s *Sink) await(ctx context.Context, wait time.Duration) {
	var timeout <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-timeout:
	}
}

func (s *Sink) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// nextDue reports whether a batch is due, else how long until the first is; negative when none is waiting.
func (s *Sink) nextDue(now time.Time) (wait time.Duration, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, at := s.earliest()
	switch {
	case p == nil:
		return -1, false
	case s.stopping || !at.After(now):
		return 0, true
	default:
		return at.Sub(now), false
	}
}

// take cuts the batch that is due first, for the slot that the caller holds.
func (s *Sink) take(now time.Time) (*partition, *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, at := s.earliest()
	if p == nil || (at.After(now) && !s.stopping) {
		return nil, nil
	}
	b := p.cut(s.cfg)
	b.slot = true
	return p, b
}

// earliest returns the partition whose queue is due first. While ClickHouse fails as a whole there is none: the batches that
// failed are its probes, and more would only hurt it.
func (s *Sink) earliest() (first *partition, at time.Time) {
	if s.failing > 0 {
		return nil, time.Time{}
	}
	for _, p := range s.partitions {
		if t, ok := p.dueAt(s.cfg); ok && (first == nil || t.Before(at)) {
			first, at = p, t
		}
	}
	return first, at
}

// flush takes one batch through its life: commit its bounds, bring it in. It is called with a slot held. When it returns early
// (partition gone, grace over) the batch is not finalised, and the partition's next owner replays it.
func (s *Sink) flush(ctx context.Context, p *partition, b *batch) {
	ctx, cancel := p.whileOurs(ctx)
	defer cancel()
	defer s.release(b)
	err := s.commitMark(ctx, p, b)
	if err == nil {
		err = s.land(ctx, b, false)
	}
	s.finish(p, b, err == nil)
}

// whileOurs returns a context that ends with ctx and when the partition is given up.
func (p *partition) whileOurs(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-p.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// land brings the rows of a batch into ClickHouse, each once, and what cannot be a row into the dead letters. again says that
// a member before may have tried the same bounds. The only errors are ctx's.
func (s *Sink) land(ctx context.Context, b *batch, again bool) error {
	rows, dead := rowsOf(b.topic, b.records)
	tries, err := s.insert(ctx, b, rows, b.token())
	if errors.Is(err, errRefused) {
		var refused []rejected
		if refused, err = s.insertApart(ctx, b, without(b.records, dead)); err != nil {
			return err
		}
		dead = append(dead, refused...)
		rows, _ = rowsOf(b.topic, without(b.records, dead))
		again = true
	}
	if err != nil {
		return err
	}
	if rows.rows() > 0 && (again || tries > 1) && !s.skipReadBack {
		if err := s.verify(ctx, b, rows); err != nil {
			return err
		}
	}
	return s.setAside(ctx, dead)
}

// acquire takes a slot for an insert, unless the batch holds one.
func (s *Sink) acquire(ctx context.Context, b *batch) error {
	if b.slot {
		return nil
	}
	select {
	case s.slots <- struct{}{}:
		b.slot = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Sink) release(b *batch) {
	if b.slot {
		<-s.slots
		b.slot = false
	}
}

// errRefused is returned by insert when ClickHouse does not take a value in the rows.
var errRefused = errors.New("clickhouse refuses a value")

// insert repeats the insert until it succeeds and returns how often it tried; the slot is free while it waits between tries.
// The only other errors are errRefused, with ClickHouse's reason, and ctx's.
func (s *Sink) insert(ctx context.Context, b *batch, rows rowBlock, token string) (tries int, err error) {
	defer s.release(b)
	if rows.rows() == 0 {
		return 0, nil
	}
	failing := false // this batch counts in s.failing
	defer func() { s.countFailing(&failing, false) }()
	for n := 0; ; n++ {
		if err := s.acquire(ctx, b); err != nil {
			return n, err
		}
		err := s.tryInsert(ctx, rows, token)
		s.release(b)
		if err == nil {
			s.succeeded(ctx, &failing, b, rows)
			return n + 1, nil
		}
		if ctx.Err() != nil {
			return n + 1, ctx.Err()
		}
		class := classify(err)
		s.metrics.insertFailures.WithLabelValues(string(class)).Inc()
		if class == failValue {
			return n + 1, fmt.Errorf("%w: %w", errRefused, err)
		}
		s.reportFailure(ctx, &failing, class, n, b, err)
		if err := s.pauseBeforeRetry(ctx, n); err != nil {
			return n + 1, err
		}
	}
}

func (s *Sink) tryInsert(ctx context.Context, rows rowBlock, token string) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	begin := time.Now()
	err := s.store.insert(ctx, rows, token)
	result := resultOK
	if err != nil {
		result = resultFailed
		// The driver does not always say that it was the deadline.
		if ctxErr := ctx.Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
			err = errors.Join(ctxErr, err)
		}
	}
	s.metrics.insertSeconds.WithLabelValues(result).Observe(time.Since(begin).Seconds())
	return err
}

// pauseBeforeRetry waits for the backoff, or a moment after another batch has found ClickHouse well again.
func (s *Sink) pauseBeforeRetry(ctx context.Context, n int) error {
	s.mu.Lock()
	recovered := s.recovered
	s.mu.Unlock()
	timer := time.NewTimer(pause.Backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	case <-recovered:
		return pause.Sleep(ctx, pause.Backoff(0, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMin))
	}
}

// countFailing keeps s.failing right: failing is whether this batch counts in it.
func (s *Sink) countFailing(failing *bool, now bool) (first, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case now && !*failing:
		s.failing++
		first = s.failing == 1
	case !now && *failing:
		s.failing--
		last = s.failing == 0
	}
	*failing = now
	return first, last
}

func (s *Sink) reportFailure(ctx context.Context, failing *bool, class failure, n int, b *batch, err error) {
	first, _ := s.countFailing(failing, class.everywhere())
	if class.everywhere() {
		s.metrics.up.Set(0)
	}
	switch {
	case first:
		s.logger.ErrorContext(ctx, "clickhouse fails: fetching pauses, batches are kept and tried again", "class", string(class), "err", err)
	case n == 0 && !class.everywhere():
		s.logger.ErrorContext(ctx, "clickhouse refuses a batch: it is kept and tried again", "class", string(class),
			"topic", b.topic, "partition", b.partition, "offset", b.start, "end_offset", b.end, "err", err)
	}
}

func (s *Sink) succeeded(ctx context.Context, failing *bool, b *batch, rows rowBlock) {
	now := time.Now()
	s.metrics.rows.Add(float64(rows.rows()))
	s.metrics.batches.Inc()
	s.metrics.batchRows.Observe(float64(rows.rows()))
	s.metrics.batchBytes.Observe(float64(b.bytes))
	for _, t := range rows.receivedTimes() {
		s.metrics.endToEnd.Observe(now.Sub(t).Seconds())
	}
	for kind, n := range rows.problemCounts() {
		if n > 0 {
			s.metrics.extractProblems.WithLabelValues(problem(kind).String()).Add(float64(n))
		}
	}
	s.metrics.up.Set(1)
	wasFailing := *failing
	_, last := s.countFailing(failing, false)
	if wasFailing {
		s.mu.Lock()
		close(s.recovered)
		s.recovered = make(chan struct{})
		s.mu.Unlock()
	}
	if last {
		s.logger.InfoContext(ctx, "clickhouse is back")
	}
}

// finish ends the batch in flight: landed says that it is in ClickHouse.
func (s *Sink) finish(p *partition, b *batch, landed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !isClosed(p.gone) { // else its bytes went with it
		s.buffered -= b.bytes
	}
	if landed {
		p.landed, p.landedAt = b.end, time.Now()
	}
	p.inFlight = nil
	close(p.idle)
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
