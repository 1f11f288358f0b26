package outgoing

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// errFull is returned by places.acquire when no place was free in time.
var errFull = errors.New("no place is free")

// places bounds the calls under way. Their number may change meanwhile, which failsafe-go's bulkhead cannot; calls that wait get places
// in their order.
type places struct {
	mu         sync.Mutex
	size, busy int
	waiting    *list.List // of chan struct{}, closed when its place is given
}

func newPlaces(size int) *places { return &places{size: size, waiting: list.New()} }

// resize changes how many there are. When they become fewer, calls under way go on in places that are no more.
func (p *places) resize(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = size
	p.hand()
}

// acquire takes a place, and waits for one until the given time.
func (p *places) acquire(ctx context.Context, until time.Time) error {
	p.mu.Lock()
	if p.busy < p.size && p.waiting.Len() == 0 {
		p.busy++
		p.mu.Unlock()
		return nil
	}
	given := make(chan struct{})
	e := p.waiting.PushBack(given)
	p.mu.Unlock()
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	err := errFull
	select {
	case <-given:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-given: // in the same moment
		return nil
	default:
		p.waiting.Remove(e)
		return err
	}
}

// release gives a place back.
func (p *places) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.hand()
}

// hand gives free places to those that wait. It is called with mu held.
func (p *places) hand() {
	for p.busy < p.size && p.waiting.Len() > 0 {
		p.busy++
		close(p.waiting.Remove(p.waiting.Front()).(chan struct{}))
	}
}
