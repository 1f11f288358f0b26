package outgoing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// admission is one call on its way: what it holds, and what came of it.
type admission struct {
	client *Client
	name   string    // of the shop, "" for none
	shop   *shop     // nil for none
	until  time.Time // the end of all waiting before the call

	shopPermit, wholePermit permit
	hasShop, hasWhole       bool
	began                   time.Time
	result                  string
}

// enter passes the breakers and limits. The shop's come first: a shop that is away must not use up trials of the dependency.
func (a *admission) enter(ctx context.Context) error {
	c := a.client
	a.result = "" // not a call
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	if wait := a.hold().remaining(); wait > 0 {
		return c.refuse(refusedHold, wait)
	}
	var wait time.Duration
	if a.shop != nil && a.shop.breaker != nil {
		if a.shopPermit, wait, a.hasShop = a.shop.breaker.acquire(); !a.hasShop {
			return c.refuse(refusedShopBreaker, wait)
		}
	}
	if a.wholePermit, wait, a.hasWhole = c.whole.acquire(); !a.hasWhole {
		return c.refuse(refusedBreaker, wait)
	}
	if err := a.waitForRate(ctx); err != nil {
		return err
	}
	if err := a.waitForPace(ctx); err != nil {
		return err
	}
	if wait := a.hold().remaining(); wait > 0 { // asked for meanwhile
		return c.refuse(refusedHold, wait)
	}
	return nil
}

func (a *admission) hold() *hold {
	if a.shop != nil {
		return &a.shop.hold
	}
	return &a.client.hold
}

// waitForRate takes a place in both limits, or in none.
func (a *admission) waitForRate(ctx context.Context) error {
	c := a.client
	var taken [2]*rate.Reservation
	var wait time.Duration
	reason := refusedRate
	// One instant for all: a reservation that is due now is given back only if it is cancelled at the same instant.
	now := time.Now()
	if c.rate != nil {
		taken[0] = c.rate.ReserveN(now, 1)
		wait = taken[0].DelayFrom(now)
	}
	if a.shop != nil && a.shop.limiter != nil {
		taken[1] = a.shop.limiter.ReserveN(now, 1)
		if d := taken[1].DelayFrom(now); d > wait {
			wait, reason = d, refusedShopRate
		}
	}
	if wait == 0 {
		return nil
	}
	giveBack := func(at time.Time) {
		for _, r := range taken {
			if r != nil {
				r.CancelAt(at)
			}
		}
	}
	if deadline, ok := ctx.Deadline(); now.Add(wait).After(a.until) || (ok && deadline.Before(now.Add(wait))) {
		giveBack(now)
		return c.refuse(reason, wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		giveBack(time.Now())
		return fmt.Errorf("%s: wait for the rate limit: %w", c.name, ctx.Err())
	}
}

// waitForPace takes the call's time in the share of the group's rate. It comes last, since it cannot be given back.
func (a *admission) waitForPace(ctx context.Context) error {
	c := a.client
	if c.pace == nil {
		return nil
	}
	until := a.until
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	wait, err := c.pace.take(ctx, until)
	switch {
	case errors.Is(err, errTooSlow):
		c.gate.rest(wait)
		return c.refuse(refusedGroupRate, wait)
	case err != nil:
		return fmt.Errorf("%s: wait for the group's rate limit: %w", c.name, err)
	default:
		return nil
	}
}

// call makes the call and finds out what its end means.
func (a *admission) call(ctx context.Context, f func(context.Context) error) error {
	c := a.client
	a.began, a.result = time.Now(), resultPanic // until f has returned
	timed, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errTimeout)
	defer cancel()
	err := f(timed)
	var answer *answered
	switch {
	case err == nil:
		a.result = resultOK
	case errors.As(err, &answer):
		a.result = resultAnswered
	case errors.Is(ctx.Err(), context.Canceled):
		a.result = resultStopped
	case timed.Err() != nil:
		a.result = resultTimeout
		err = fmt.Errorf("%s: no answer in %s: %w", c.name, time.Since(a.began).Round(time.Millisecond), err)
	default:
		a.result = resultFailed
	}
	var http *HTTPError
	if errors.As(err, &http) && http.RetryAfter > 0 {
		a.hold().extend(http.RetryAfter)
	}
	return err
}

// settle hands back what the call holds, with what was learned, and returns what err is then. It runs deferred, also when f panics:
// that says nothing about the dependency, but the permits must not be lost.
func (a *admission) settle(err error) error {
	c := a.client
	v := unknown
	switch a.result {
	case resultOK, resultAnswered:
		v = healthy
	case resultFailed, resultTimeout:
		v = failed
	}
	if a.result != "" {
		c.m.calls[a.result].Inc()
		c.m.seconds.Observe(time.Since(a.began).Seconds())
	}
	bad := v == failed
	var shopWait, wholeWait time.Duration
	var shopOutage, wholeOutage bool
	if a.hasShop {
		shopWait, shopOutage = a.shop.breaker.settle(a.shopPermit, v)
		if v != unknown && c.blame.own(a.name, v, time.Now()) {
			v = unknown
		}
	}
	if a.hasWhole {
		wholeWait, wholeOutage = c.whole.settle(a.wholePermit, v)
	}
	if bad && (shopOutage || wholeOutage) {
		return outage(err, max(shopWait, wholeWait))
	}
	return err
}
