package outgoing

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// verdict is what a call says about the health of what was called.
type verdict uint8

const (
	unknown verdict = iota // nothing: it was not made, or cut short from our side
	healthy
	failed
)

// state of a breaker; the value is what the metric shows.
type state int32

const (
	closed state = iota
	halfOpen
	open
)

func (s state) String() string {
	switch s {
	case closed:
		return "closed"
	case halfOpen:
		return "half-open"
	default:
		return "open"
	}
}

// openJitter is the share of an open delay that is random: what broke together is not tried together.
const openJitter = 0.2

// transition is what a listener gets to know.
type transition struct {
	from, to    state
	failureRate float64       // in the state that was left
	inRow       int           // failures since the last success
	delay       time.Duration // until a trial, when to is open
}

// breaker adds to failsafe-go's what its standalone form lacks:
//
//   - a permit can be handed back with nothing learned (there a permit of the half-open state is freed by a result alone);
//   - a result counts only in the state in which its call began (there a call from before the outage that ends during the trial
//     counts as a trial, and adds a permit);
//   - the open delay grows while trials fail (there a function for the delay is not asked outside of an executor);
//   - it opens after failures in a row as well (there it is a share of a window or a count, not both). What fails stops calling:
//     each of its events waits longer after each attempt, so that a window holds the successes from before the outage, and soon
//     after too few calls to judge by;
//   - the successes of trials add up until it closes (there each trial begins anew). An event that fails by itself is a trial like
//     any other and ends it each time; where others are few they would never get all their successes in between.
type breaker struct {
	cfg     BreakerConfig
	mostRow int // failures in a row at which it opens
	// changed is called with mu held, so that listeners see transitions in their order.
	changed func(transition)

	mu         sync.Mutex
	cb         circuitbreaker.CircuitBreaker[any]
	state      state
	generation uint64 // transitions so far
	spare      int    // permits of the half-open state that came back with nothing learned
	inRow      int    // failures since the last success
	failures   int    // openings since it was last closed
	recovered  int    // successes of trials since it was last closed
	openUntil  time.Time
}

// permit is the right to make one call.
type permit struct{ generation uint64 }

func newBreaker(cfg BreakerConfig, mostRow int, changed func(transition)) *breaker {
	b := &breaker{cfg: cfg, mostRow: mostRow, changed: changed}
	b.cb = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(cfg.FailureRatio, uint(cfg.MinimumCalls), cfg.Window).
		WithSuccessThreshold(uint(cfg.HalfOpenCalls)).
		WithDelay(cfg.OpenDelay).
		OnStateChanged(b.onStateChanged). // called by the calls on cb below: with mu held
		Build()
	return b
}

func (b *breaker) onStateChanged(e circuitbreaker.StateChangedEvent) {
	t := transition{from: b.state, failureRate: e.Metrics().FailureRate(), inRow: b.inRow}
	switch e.NewState {
	case circuitbreaker.OpenState:
		t.to = open
		t.delay = b.nextDelay()
		b.openUntil = time.Now().Add(t.delay)
		b.failures++
	case circuitbreaker.HalfOpenState:
		t.to = halfOpen
	default:
		t.to = closed
		b.failures, b.recovered = 0, 0
	}
	b.state, b.spare = t.to, 0
	b.generation++
	b.changed(t)
}

// nextDelay is never less than the delay that cb itself keeps.
func (b *breaker) nextDelay() time.Duration {
	d := b.cfg.OpenDelay
	for i := 0; i < b.failures && d < b.cfg.OpenDelayMax; i++ {
		d *= 2
	}
	d = min(d, b.cfg.OpenDelayMax)
	return d + time.Duration(rand.Float64()*openJitter*float64(d)) //nolint:gosec // jitter is no secret
}

// acquire returns a permit, or the time after which asking again makes sense.
func (b *breaker) acquire() (p permit, wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == open {
		if wait := time.Until(b.openUntil); wait > 0 {
			return permit{}, wait, false
		}
	}
	if b.spare > 0 {
		b.spare--
		return permit{b.generation}, 0, true
	}
	if b.cb.TryAcquirePermit() { // half-opens it when the time has come
		return permit{b.generation}, 0, true
	}
	return permit{}, b.untilTrial(), false
}

// untilTrial is the time after which a call has a chance.
func (b *breaker) untilTrial() time.Duration {
	if b.state == open {
		return max(0, time.Until(b.openUntil))
	}
	// Half open, with all trials under way. Nobody knows how long they take; the first delay is what the operator holds for a sensible
	// distance between trials, so come back sooner than that.
	return b.cfg.OpenDelay / 4
}

// settle hands the permit back with what was learned. It reports whether a failure of this call is the outage's and not the event's:
// the call was a trial, or its failure opened the breaker, or the breaker has opened since it began. Then wait is the time after which
// a call has a chance.
func (b *breaker) settle(p permit, v verdict) (wait time.Duration, outage bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.generation == b.generation { // else the call began before the last transition: old news
		b.learn(v)
	}
	if p.generation == b.generation && b.state == closed {
		return 0, false
	}
	return b.untilTrial(), true
}

func (b *breaker) learn(v verdict) {
	switch {
	case v == healthy:
		b.inRow = 0
		if b.state == halfOpen {
			b.recovered++
		}
		if b.recovered >= b.cfg.HalfOpenCalls {
			b.cb.Close()
			return
		}
		b.cb.RecordSuccess()
	case v == failed:
		b.inRow++
		b.cb.RecordFailure()
		if b.state == closed && b.inRow >= b.mostRow {
			b.cb.Open()
		}
	case b.state == halfOpen:
		b.spare++
	}
}

// tryHalfOpen begins the trial if its time has come.
func (b *breaker) tryHalfOpen() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == open && time.Until(b.openUntil) <= 0 {
		b.cb.HalfOpen()
	}
}

// retire ends the reports of a breaker that is forgotten while calls may still hold it, and returns its last state.
func (b *breaker) retire() state {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed = func(transition) {}
	return b.state
}
