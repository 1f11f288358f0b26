package gate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// Op is what a member asks of a partner.
type Op string

// The operations, and Confirm, which asks nobody: it is done in the commit of its step.
const (
	Reserve Op = "reserve"
	Charge  Op = "charge"
	Ship    Op = "ship"
	Confirm Op = "confirm"
	Cancel  Op = "cancel"
	Refund  Op = "refund"
	Release Op = "release"
)

// Ops are all of them, in the order of a run that is undone in the end.
func Ops() []Op { return []Op{Reserve, Charge, Ship, Confirm, Cancel, Refund, Release} }

// Boundary is where a member is killed; see the package comment.
type Boundary string

// The boundaries.
const (
	Asked     Boundary = "asked"
	Done      Boundary = "done"
	Heard     Boundary = "heard"
	Written   Boundary = "written"
	Committed Boundary = "committed"
)

// boundaries of an operation. Confirm has no answer.
func boundaries(op Op) []Boundary {
	if op == Confirm {
		return []Boundary{Asked, Written, Committed}
	}
	return []Boundary{Asked, Done, Heard, Written, Committed}
}

// Order names an order.
type Order struct{ Shop, ID string }

func (o Order) String() string { return o.Shop + " " + o.ID }

// Kill is one that was done.
type Kill struct {
	Op     Op
	At     Boundary
	Order  Order
	Key    string // idempotency key of the call; of Confirm empty
	Member string
	Time   time.Time
}

func (k Kill) String() string {
	return fmt.Sprintf("%s kill %s, %s %s, %s", k.Time.UTC().Format("15:04:05.000"), k.Member, k.Op, k.At, k.Order)
}

// aim is a cell of the plan.
type aim struct {
	op Op
	at Boundary
}

// plan hands out the kills: each aim gets its share, one kill at a time, with a time between two.
type plan struct {
	every time.Duration
	dice  *rand.Rand

	mu    sync.Mutex
	left  map[aim]int
	total int
	busy  bool
	next  time.Time
	done  chan struct{} // closed when nothing is left
}

// newPlan spreads at least n kills evenly.
func newPlan(n int, every time.Duration, dice *rand.Rand) *plan {
	p := &plan{every: every, dice: dice, left: map[aim]int{}, done: make(chan struct{})}
	var all []aim
	for _, op := range Ops() {
		for _, at := range boundaries(op) {
			all = append(all, aim{op, at})
		}
	}
	each := (n + len(all) - 1) / len(all)
	for _, a := range all {
		p.left[a] = each
		p.total += each
	}
	if p.total == 0 {
		close(p.done)
	}
	return p
}

// take returns the boundary at which the member that does op is to be killed. Each is to be settled, done or not.
func (p *plan) take(op Op, among ...Boundary) (Boundary, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy || time.Now().Before(p.next) {
		return "", false
	}
	most, best := 0, Boundary("")
	for _, at := range among {
		// The fullest share first, and among equals by chance.
		if n := p.left[aim{op, at}]; n > most || n == most && n > 0 && p.dice.IntN(2) == 0 {
			most, best = n, at
		}
	}
	if most == 0 {
		return "", false
	}
	p.busy = true
	return best, true
}

// settle notes that a taken kill was done, or was not, and lets the next one come after its time.
func (p *plan) settle(op Op, at Boundary, killed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
	if !killed {
		return
	}
	p.next = time.Now().Add(p.every/2 + time.Duration(p.dice.Int64N(int64(p.every)+1)))
	p.left[aim{op, at}]--
	if p.total--; p.total == 0 {
		close(p.done)
	}
}

// chance returns a number from 0 to 1.
func (p *plan) chance() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dice.Float64()
}

// leftover says what is still to be done, for people.
func (p *plan) leftover() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var text strings.Builder
	for _, op := range Ops() {
		for _, at := range boundaries(op) {
			if n := p.left[aim{op, at}]; n > 0 {
				fmt.Fprintf(&text, " %s/%s %d", op, at, n)
			}
		}
	}
	return text.String()
}
