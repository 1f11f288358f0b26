package outgoing

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errTooSlow is returned by pace.take when the time of a call does not come soon enough.
var errTooSlow = errors.New("the rate is used up")

// pace starts calls one by one at a rate that may change at any moment, also for those that wait: it is the share that a process has of
// the rate of its group. x/time/rate hands out times in advance, and these stand when the limit is lowered; here a call has its time
// when it starts, and not before. In any time t the process starts at most rate × (t + 2 ms) calls, and one more.
type pace struct {
	turn chan struct{} // holds the one that goes next; the others queue for it in order

	mu      sync.Mutex
	rate    float64 // calls per second; 0: none
	debt    float64 // calls that were started ahead of the rate; the next one may start when there is none
	at      time.Time
	waiting int
	changed chan struct{} // closed and replaced when rate has changed
}

// lateness is how late a timer may be without slowing the pace down: Go's are up to a millisecond late.
const lateness = 2 * time.Millisecond

// newPace returns a pace that has nothing saved up: processes that start again and again get nothing out of it.
func newPace() *pace {
	return &pace{turn: make(chan struct{}, 1), debt: 1, at: time.Now(), changed: make(chan struct{})}
}

// set changes the rate. Once it has returned nothing starts at the old one.
func (p *pace) set(perSecond float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(time.Now())
	p.rate = perSecond
	close(p.changed)
	p.changed = make(chan struct{})
}

// advance pays the debt off. It is called with mu held.
func (p *pace) advance(now time.Time) {
	paid := p.rate * max(0, now.Sub(p.at).Seconds())
	p.debt, p.at = max(p.debt-paid, -p.rate*lateness.Seconds()), now
}

// delay is the time until n more calls than the debt have been paid for. It is called with mu held, after advance, with a rate.
func (p *pace) delay(n int) time.Duration {
	return time.Duration(min((p.debt+float64(n))/p.rate, maxDelay.Seconds()) * float64(time.Second))
}

// maxDelay keeps times within their type.
const maxDelay = 24 * time.Hour

// take waits for the time of a call, until the given time at the latest. With errTooSlow, wait is the time after which to try again.
func (p *pace) take(ctx context.Context, until time.Time) (wait time.Duration, err error) {
	if wait, err := p.join(until); err != nil {
		return wait, err
	}
	defer p.leave()
	select {
	case p.turn <- struct{}{}:
	default:
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		select {
		case p.turn <- struct{}{}:
		case <-timer.C: // those before it were late, or the rate has become lower
			return p.refusal(), errTooSlow
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	defer func() { <-p.turn }()
	return p.await(ctx, until)
}

// await waits as the one that goes next.
func (p *pace) await(ctx context.Context, until time.Time) (wait time.Duration, err error) {
	for {
		wait, changed := p.start()
		if wait <= 0 {
			return 0, nil
		}
		if time.Now().Add(wait).After(until) {
			return wait, errTooSlow
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return 0, ctx.Err()
		}
	}
}

// join counts a call among those that wait, unless its turn cannot come in time.
func (p *pace) join(until time.Time) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.advance(now)
	if p.rate == 0 {
		return noShareWait, errTooSlow
	}
	if wait := p.delay(p.waiting); wait > 0 && now.Add(wait).After(until) {
		return wait, errTooSlow
	}
	p.waiting++
	return 0, nil
}

func (p *pace) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
}

// refusal is the wait of a call that has waited in vain.
func (p *pace) refusal() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(time.Now())
	if p.rate == 0 {
		return noShareWait
	}
	return p.delay(p.waiting - 1)
}

// start takes the time of a call, or returns how long it has to wait, unless the rate changes.
func (p *pace) start() (wait time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(time.Now())
	if p.rate == 0 {
		return noShareWait, p.changed
	}
	if wait = p.delay(0); wait > 0 {
		return wait, p.changed
	}
	p.debt++
	return 0, nil
}
