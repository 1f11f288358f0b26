package outgoing

import (
	"context"
	"errors"
	"sync"

	"millrace/consumers/group"
)

// Fallback is two Clients for one purpose: what the breaker of the main one refuses is called at the other. Trials go to the main one,
// so that it is used again once it works. It is the Gate of its service, which is closed while neither can be called.
type Fallback struct {
	main, other *Client

	mu      sync.Mutex
	changed chan struct{}
}

var (
	_ group.Gate   = (*Fallback)(nil)
	_ group.Shared = (*Fallback)(nil)
)

// NewFallback joins two Clients, which are to be used by nothing else.
func NewFallback(main, other *Client) *Fallback {
	f := &Fallback{main: main, other: other, changed: make(chan struct{})}
	main.gate.changes, other.gate.changes = f.change, f.change
	return f
}

// Do calls main, or other when the breaker of the main Client refuses that. What main returns is not tried again at the other: it may
// have had its effect.
func (f *Fallback) Do(ctx context.Context, shop string, main, other func(ctx context.Context) error) error {
	err := f.main.Do(ctx, shop, main)
	if !errors.Is(err, ErrOpen) {
		return err
	}
	return f.other.Do(ctx, shop, other)
}

// Permits implements group.Gate.
func (f *Fallback) Permits() int {
	// The limits of the main one's group close the gate, whatever the other could do: it stands in for one that is away.
	return fewer(int(f.main.gate.through.Load()), more(f.main.Permits(), f.other.Permits()))
}

// Changed implements group.Gate.
func (f *Fallback) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *Fallback) change() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changed)
	f.changed = make(chan struct{})
}

// Share implements group.Shared.
func (f *Fallback) Share(owned, all int) {
	f.main.Share(owned, all)
	f.other.Share(owned, all)
}
