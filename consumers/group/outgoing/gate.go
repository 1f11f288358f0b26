package outgoing

import (
	"sync"
	"sync/atomic"
	"time"

	"millrace/consumers/group"
)

// gate is what Permits says, made of what has a say in it.
type gate struct {
	permits atomic.Int64
	through atomic.Int64 // the same if the breaker has no say

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when one of them has changed
	changes func()        // called then, without mu held; nil: nothing

	breaker   int // 0 while it is open, the trials while it is half open, -1 while it is closed
	places    int // of the group's concurrency; -1 without such a limit
	restUntil time.Time
}

func newGate() *gate {
	g := &gate{changed: make(chan struct{}), breaker: -1, places: -1}
	g.permits.Store(-1)
	g.through.Store(-1)
	return g
}

// update changes a part.
func (g *gate) update(change func(*gate)) {
	if g.set(change) && g.changes != nil {
		g.changes()
	}
}

func (g *gate) set(change func(*gate)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
	through := g.places
	if !g.restUntil.IsZero() {
		through = 0
	}
	permits := fewer(g.breaker, through)
	before, beforeThrough := g.permits.Swap(int64(permits)), g.through.Swap(int64(through))
	if before == int64(permits) && beforeThrough == int64(through) {
		return false
	}
	close(g.changed)
	g.changed = make(chan struct{})
	return true
}

// fewer and more compare permits, of which -1 is no limit.
func fewer(a, b int) int {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

func more(a, b int) int {
	if a < 0 || b < 0 {
		return -1
	}
	return max(a, b)
}

// rest closes the gate for a while: what would be dispatched would be refused, one event after the other, for as long as there are any.
func (g *gate) rest(d time.Duration) {
	g.update(func(g *gate) { g.restUntil = time.Now().Add(d) })
	time.AfterFunc(d, func() {
		g.update(func(g *gate) {
			if !time.Now().Before(g.restUntil) { // else another rest has begun
				g.restUntil = time.Time{}
			}
		})
	})
}

// Permits implements group.Gate: 0 while the breaker of the whole dependency is open, and while the share of the group's rate is used
// up for longer than an event may wait; the number of trials while the breaker is half open; the places where the group's concurrency is
// limited; else -1. To wait for a change, call Changed first.
func (c *Client) Permits() int { return int(c.gate.permits.Load()) }

// Changed implements group.Gate.
func (c *Client) Changed() <-chan struct{} {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	return c.gate.changed
}

// Through is the Gate of a service that has something to do with its events while the breaker is open, see ErrOpen. The limits of
// the group still close it.
func (c *Client) Through() group.Gate { return through{c} }

type through struct{ *Client }

// Permits implements group.Gate.
func (t through) Permits() int { return int(t.gate.through.Load()) }
