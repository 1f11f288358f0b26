package group

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends at a time. Most handlers that never wait never ask for Done; the standard library's context would
// start a timer for each of them all the same, at a microsecond or so per event.
type deadline struct {
	parent context.Context //nolint:containedctx // it is a context
	at     time.Time

	mu       sync.Mutex
	child    context.Context //nolint:containedctx // made when Done is asked for
	cancel   context.CancelFunc
	released bool
}

// Deadline is for context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done is for context.Context.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.child == nil {
		d.child, d.cancel = context.WithDeadline(d.parent, d.at)
		if d.released { // whoever has kept the context finds it ended
			d.cancel()
		}
	}
	return d.child.Done()
}

// Err is for context.Context.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.child != nil:
		return d.child.Err()
	case d.parent.Err() != nil:
		return d.parent.Err()
	case d.released:
		return context.Canceled
	case !time.Now().Before(d.at):
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Value is for context.Context. Once there is a child, contexts derived from this one find it, and need no goroutine to follow it.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.child != nil {
		return d.child.Value(key)
	}
	return d.parent.Value(key)
}

func (d *deadline) expired(now time.Time) bool { return !now.Before(d.at) && d.parent.Err() == nil }

// release frees the timer, if there is one.
func (d *deadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.released = true
	if d.cancel != nil {
		d.cancel()
	}
}
