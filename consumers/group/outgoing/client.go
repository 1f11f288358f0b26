package outgoing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"millrace/consumers/group"
)

// Deps is what the program hands to a Client.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Client guards the calls to one dependency. It is safe for concurrent use, has no goroutines and needs no closing.
type Client struct {
	name string
	cfg  Config
	log  *slog.Logger
	m    *metrics

	places *places
	whole  *breaker
	rate   *rate.Limiter // nil without a limit
	pace   *pace         // nil without a limit of the group
	hold   hold          // for calls without a shop
	shops  *shops
	blame  blame
	gate   *gate
	owned  atomic.Int64 // partitions, as Share was told
}

var (
	_ group.Gate   = (*Client)(nil)
	_ group.Shared = (*Client)(nil)
)

// New returns a Client for the dependency called name, which must be another for each Client of a Registerer.
func New(name string, cfg Config, d Deps) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure calls to %s: %w", name, err)
	}
	if name == "" || d.Logger == nil || d.Registerer == nil {
		return nil, errors.New("configure calls: name, logger and registerer are needed")
	}
	c := &Client{
		name: name, cfg: cfg, log: d.Logger.With("dependency", name), m: newMetrics(name, d.Registerer),
		places: newPlaces(cfg.placesOf(0, 0)),
		rate:   limiter(cfg.Rate, cfg.Burst),
		blame:  blame{window: cfg.Breaker.Window},
		gate:   newGate(),
	}
	if cfg.GroupRate > 0 {
		c.pace = newPace()
	}
	c.whole = newBreaker(cfg.Breaker, cfg.Breaker.FailuresInRow, c.onWhole)
	c.shops = newShops(cfg.MaxShops, c.newShop, c.forgetShop)
	return c, nil
}

func limiter(perSecond float64, burst int) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), burst)
}

// Do calls f, for an event of shop; "" stands for none. It returns f's error, or, when the call was not made, group.Unavailable
// wrapping ErrRefused, or ctx's error when ctx ended before the call. The context of f ends with Config.Timeout. f must obey it,
// and must not call Do.
//
// An error of f is a failure of the dependency unless it is marked with Answered, or ctx was cancelled. The deadline of ctx counts
// like the timeout: a dependency that hangs must not pass for healthy because the handler's time is shorter.
//
// A failure that opens a breaker, that of a trial, and that of a call during which a breaker has opened are the outage's and not the
// event's: Do makes them group.Unavailable until the next trial, wrapping f's error, unless that has a verdict of its own.
func (c *Client) Do(ctx context.Context, shop string, f func(ctx context.Context) error) (err error) {
	if c.cfg.grouped() && c.owned.Load() == 0 {
		return c.refuse(refusedNoShare, noShareWait)
	}
	until := time.Now().Add(c.cfg.MaxWait)
	if err := c.places.acquire(ctx, until); err != nil {
		if errors.Is(err, errFull) {
			return c.refuse(refusedBulkhead, c.cfg.MaxWait)
		}
		return fmt.Errorf("%s: wait for a place: %w", c.name, err)
	}
	defer c.places.release()
	a := admission{client: c, name: shop, until: until, result: resultPanic}
	if shop != "" {
		a.shop = c.shops.get(shop)
	}
	defer func() { err = a.settle(err) }()
	if err := a.enter(ctx); err != nil {
		return err
	}
	return a.call(ctx, f)
}

func (c *Client) newShop(name string) *shop {
	s := &shop{name: name, limiter: limiter(c.cfg.ShopRate, c.cfg.ShopBurst)}
	if c.cfg.Breaker.PerShop {
		s.breaker = newBreaker(c.cfg.Breaker, c.cfg.Breaker.ShopFailuresInRow, func(t transition) {
			switch {
			case t.from == closed:
				c.m.openShops.Inc()
			case t.to == closed:
				c.m.openShops.Dec()
			}
			c.logTransition(t, slog.String("shop", name))
		})
	}
	return s
}

func (c *Client) forgetShop(s *shop) {
	if s.breaker != nil && s.breaker.retire() != closed {
		c.m.openShops.Dec()
	}
}

// onWhole follows the breaker of the whole dependency. While it is open nothing is dispatched, so that no call would begin the
// trial: a timer does.
func (c *Client) onWhole(t transition) {
	permits := -1
	switch t.to {
	case open:
		permits = 0
		time.AfterFunc(t.delay, c.whole.tryHalfOpen)
	case halfOpen:
		permits = c.cfg.Breaker.HalfOpenCalls
	case closed:
	}
	c.m.state.Set(float64(t.to))
	c.gate.update(func(g *gate) { g.breaker = permits })
	c.logTransition(t)
}

func (c *Client) logTransition(t transition, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("from", t.from.String()), slog.String("to", t.to.String()))
	level := slog.LevelInfo
	if t.to == open {
		level = slog.LevelWarn
		attrs = append(attrs, slog.Float64("failure_rate", t.failureRate), slog.Int("failures_in_row", t.inRow), slog.Duration("trial_in", t.delay))
	}
	c.log.LogAttrs(context.Background(), level, "breaker changed", attrs...)
}
