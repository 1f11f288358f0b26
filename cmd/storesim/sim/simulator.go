package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Simulator is one run of a simulated Shopify.
type Simulator struct {
	cfg   Config
	now   func() time.Time
	log   *slog.Logger
	rec   Recorder
	gen   *generator
	disp  *dispatcher
	tally *tally
	warn  *rate.Sometimes
}

// New checks cfg and builds a simulator; it sends nothing yet. Errors are those of Config.Validate.
func New(cfg Config, deps Deps) (*Simulator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("simulator settings: %w", err)
	}
	if deps.Logger == nil {
		return nil, errors.New("simulator needs a logger")
	}
	now := deps.Now
	if now == nil {
		now = time.Now
	}
	s := &Simulator{
		cfg: cfg, now: now, log: deps.Logger.With("component", "storesim"), rec: deps.Recorder, gen: newGenerator(cfg, now), tally: &tally{},
		// A receiver that is away fails every delivery: say so, but not each time.
		warn: &rate.Sometimes{First: 1, Interval: 5 * time.Second},
	}
	if cfg.AdminListen != "" {
		s.gen.keepCatalogue()
	}
	s.tally.s = Stats{Seed: s.gen.seed, Statuses: map[int]int64{}}
	s.disp = newDispatcher(cfg, newSender(cfg, deps.Transport), deps.Recorder, s.tally, s.report)
	return s, nil
}

// Stats returns what the run has done so far. It may be called at any time.
func (s *Simulator) Stats() Stats { return s.tally.snapshot() }

// Run makes events until a bound of the Config is reached and then delivers what is pending, with all retries; or until
// ctx ends, and then only finishes the attempts in flight (at most RequestTimeout). Both are a nil error: failed
// deliveries are in Stats and in the ledger. An error means that the account could not be kept. Run may be called once.
func (s *Simulator) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var once sync.Once
	var failure error // why the account could not be kept
	fail := func(err error) {
		once.Do(func() { failure = err })
		cancel()
	}
	var workers sync.WaitGroup
	for range s.cfg.Concurrency {
		workers.Go(func() {
			if err := s.disp.work(ctx); err != nil {
				fail(err)
			}
		})
	}
	workers.Go(func() { s.flushRegularly(ctx, fail) })

	err := s.make(ctx)
	if err == nil {
		s.disp.drained(ctx)
	}
	cancel()
	workers.Wait()
	s.disp.sender.client.CloseIdleConnections()
	s.gen.end()
	errs := []error{err, failure, s.disp.abandon(s.gen.ready)}
	if s.rec != nil {
		errs = append(errs, s.rec.Flush())
	}
	return errors.Join(errs...)
}

// make feeds the dispatcher. It ends without an error when a bound is reached or ctx has ended.
func (s *Simulator) make(ctx context.Context) error {
	span := ctx
	if s.cfg.Duration > 0 {
		var cancel context.CancelFunc
		span, cancel = context.WithTimeout(ctx, s.cfg.Duration)
		defer cancel()
	}
	limit := rate.NewLimiter(rate.Inf, 1)
	if s.cfg.Rate > 0 {
		limit = rate.NewLimiter(rate.Limit(s.cfg.Rate), max(1, int(s.cfg.Rate/20)))
	}
	for ctx.Err() == nil {
		if span.Err() != nil {
			s.gen.end()
		}
		p, more, err := s.gen.next()
		if err != nil || !more {
			return err
		}
		s.count()
		if p.event.Forgotten {
			if err := s.disp.forget(p.event); err != nil {
				return err
			}
			continue
		}
		// A second copy is not a new event, and the end of the span frees what was held back: neither waits for the rate.
		if !p.copied && limit.Wait(span) != nil {
			s.gen.end() // Wait refuses when the next event would come after the span
		}
		if !s.disp.add(ctx, p) {
			s.gen.ready = append(s.gen.ready, p)
			return nil
		}
	}
	return nil
}

// count brings the generator's side of the tally up to date.
func (s *Simulator) count() {
	s.tally.update(func(t *Stats) {
		t.Orders, t.Events, t.Duplicates, t.Late = s.gen.orders, s.gen.events, s.gen.faults.doubled, s.gen.faults.late
		t.Forgotten = s.gen.forgotten
	})
}

// flushRegularly keeps a slow run's ledger up to date.
func (s *Simulator) flushRegularly(ctx context.Context, fail func(error)) {
	if s.rec == nil {
		return
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.rec.Flush(); err != nil {
				fail(err)
				return
			}
		}
	}
}

// report logs a failed attempt.
func (s *Simulator) report(p *parcel, r result, again time.Duration) {
	e := p.event
	attrs := []any{"webhook_id", e.WebhookID, "shop", e.Shop, "topic", e.Topic, "entity", e.Entity, "attempt", p.delivery.Attempts, "status", r.code, "err", p.delivery.Error}
	if again > 0 {
		s.log.Debug("delivery failed, will be retried", append(attrs, "wait", again)...)
		s.warn.Do(func() {
			s.log.Warn("deliveries fail; Shopify would retry them", "url", s.cfg.URL, "status", r.code, "err", p.delivery.Error)
		})
		return
	}
	s.log.Warn("event given up after its last retry", attrs...)
}
