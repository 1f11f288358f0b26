// Package supervise runs the parts of a program: it starts them in order, each when the one before is ready, and stops
// them in the reverse order, one at a time, so that no part loses what it writes to before it has written.
//
// It restarts nothing: a part that fails takes the others down in order, and whoever started the process decides.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Component is one part. Every function is optional.
type Component struct {
	Name string
	// Prepare does what must be done once, after the parts before are ready and before Run. Its context ends with the
	// program's.
	Prepare func(context.Context) error
	// Run blocks until its context ends, and then until the part has finished what it had begun. Its context ends when it
	// is this part's turn to stop. To return before that, even nil, is a failure of the part.
	Run func(context.Context) error
	// Ready returns nil once the part after this one may start. It is polled.
	Ready func(context.Context) error
}

// Options are about all parts.
type Options struct {
	Logger *slog.Logger
	// ReadyTimeout is how long one part may take to become ready.
	ReadyTimeout time.Duration
	// StopTimeout is how long one part may take to stop. After it the part is left behind and named in the error.
	StopTimeout time.Duration
	// Started is called once all parts are ready. Optional.
	Started func()
}

// readyEvery is the pause between two looks at Ready.
const readyEvery = 20 * time.Millisecond

// running is a part that was started.
type running struct {
	name string
	stop context.CancelFunc
	done chan struct{} // closed when Run has returned
	err  error         // what Run returned; read after done
	told bool          // err is in the error that Run will return
}

// Run runs the components until ctx ends or one of them fails, and returns when all have stopped. It returns nil when
// ctx ended and every part stopped cleanly and in time; the end of ctx while parts still start is no failure either.
func Run(ctx context.Context, o Options, components ...Component) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts []*running
	// Buffered for all: a part that ends must never wait for somebody to look.
	ended := make(chan *running, len(components))
	err := start(ctx, o, components, func(c Component) *running {
		// A part outlives ctx until its turn to stop.
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := &running{name: c.Name, stop: stop, done: make(chan struct{})}
		parts = append(parts, r)
		go func() {
			defer func() { close(r.done); ended <- r }()
			r.err = c.Run(own)
		}()
		return r
	})
	switch {
	case err == nil:
		if o.Started != nil {
			o.Started()
		}
		select {
		case <-ctx.Done():
		case r := <-ended:
			err = early(r)
		}
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = nil
	}
	return errors.Join(err, stopAll(ctx, o, parts))
}

// start brings the components up in order.
func start(ctx context.Context, o Options, components []Component, launch func(Component) *running) error {
	var started []*running
	for _, c := range components {
		began := time.Now()
		if c.Prepare != nil {
			if err := c.Prepare(ctx); err != nil {
				return fmt.Errorf("prepare %s: %w", c.Name, err)
			}
		}
		if c.Run != nil {
			started = append(started, launch(c))
		}
		if c.Ready != nil {
			if err := awaitReady(ctx, o.ReadyTimeout, c, started); err != nil {
				return err
			}
		}
		o.Logger.DebugContext(ctx, "part started", "part", c.Name, "took", time.Since(began))
	}
	return nil
}

func awaitReady(ctx context.Context, timeout time.Duration, c Component, started []*running) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		err := c.Ready(bounded)
		if err == nil {
			return nil
		}
		for _, r := range started {
			select {
			case <-r.done:
				return early(r)
			default:
			}
		}
		select {
		case <-tick.C:
		case <-bounded.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%s is not ready after %v: %w", c.Name, timeout, err)
		}
	}
}

// early is the error of a part that ended before it was told to.
func early(r *running) error {
	r.told = true
	if r.err != nil {
		return fmt.Errorf("run %s: %w", r.name, r.err)
	}
	return fmt.Errorf("run %s: it ended by itself", r.name)
}

// stopAll stops the parts in reverse order and returns what went wrong in them, but for what early has told.
func stopAll(ctx context.Context, o Options, parts []*running) error {
	var errs []error
	for i := len(parts) - 1; i >= 0; i-- {
		r := parts[i]
		select {
		case <-r.done:
			r.stop()
			if !r.told {
				errs = append(errs, early(r))
			}
			continue
		default:
		}
		began := time.Now()
		r.stop()
		timer := time.NewTimer(o.StopTimeout)
		select {
		case <-r.done:
			timer.Stop()
			if r.err != nil && !errors.Is(r.err, context.Canceled) {
				errs = append(errs, fmt.Errorf("stop %s: %w", r.name, r.err))
			}
			o.Logger.DebugContext(ctx, "part stopped", "part", r.name, "took", time.Since(began))
		case <-timer.C:
			errs = append(errs, fmt.Errorf("stop %s: it still runs after %v and is left behind", r.name, o.StopTimeout))
		}
	}
	return errors.Join(errs...)
}
