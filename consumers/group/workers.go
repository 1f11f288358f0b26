package group

import (
	"context"
	"time"

	"millrace/consumers/group/internal/schedule"
)

// worker runs heads until the runtime ends.
func (r *Runtime) worker() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for {
		var it *schedule.Item
		if it, now = r.next(now); it == nil {
			return
		}
		r.mu.Unlock()
		o := r.handle(it, now)
		now = o.at
		r.mu.Lock()
		r.apply(it, o, now)
	}
}

// next waits for an event that may run; nil means the end. It is called with r.mu held. It returns the time, since to ask for it
// several times per event is not for nothing.
func (r *Runtime) next(now time.Time) (*schedule.Item, time.Time) {
	for !r.ended {
		// One that has stood still for longer than its session must not go on with what others may be handling now.
		if r.permitted() && r.member.Alive(now) {
			if it := r.sched.Next(now); it != nil {
				return it, now
			}
		}
		r.idle++
		r.cond.Wait()
		r.idle--
		now = time.Now()
	}
	return nil, now
}

// paceEvery is how often the pacer looks.
const paceEvery = time.Millisecond

// pacer wakes further workers while there is something to run and those that are awake are busy in their handlers. Handlers that never
// wait need no more workers than there are processors: hundreds of them would do nothing but take the lock from each other
// (measured: twice the CPU per event).
func (r *Runtime) pacer(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.pace:
			timer.Reset(paceEvery)
		case <-timer.C:
			if r.wakeMore() {
				timer.Reset(paceEvery)
			}
		}
	}
}

// wakeMore tells whether there is something left to run.
func (r *Runtime) wakeMore() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	runnable := r.sched.Runnable()
	awake := r.cfg.Concurrency - r.idle
	if runnable > 0 && r.idle > 0 && 4*r.sched.Running() >= 3*awake {
		for range min(r.idle, runnable, max(awake, atOnce)) {
			r.cond.Signal()
		}
	}
	return runnable > 0 && r.idle > 0
}

func (r *Runtime) permitted() bool {
	if r.svc.Gate == nil {
		return true
	}
	n := r.svc.Gate.Permits()
	return n < 0 || r.sched.Running() < n
}

// watchGate wakes workers and the member when the gate opens or closes.
func (r *Runtime) watchGate(ctx context.Context) {
	for {
		changed := r.svc.Gate.Changed()
		open := r.svc.Gate.Permits() != 0
		r.metrics.gate.Set(boolean(open))
		if open {
			signal(r.rearm) // loads that were held back go on, too
			r.mu.Lock()
			r.wakeWorkers()
			r.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
			r.logger.DebugContext(ctx, "gate changed", "permits", r.svc.Gate.Permits())
		}
	}
}

// atOnce is how many workers are woken without waiting to see what they do; the pacer wakes the others.
const atOnce = 4

// wakeWorkers is called with r.mu held, when something may have become runnable.
func (r *Runtime) wakeWorkers() {
	runnable := r.sched.Runnable()
	// Those that are awake and not in a handler come by themselves.
	free := r.cfg.Concurrency - r.idle - r.sched.Running()
	for range min(r.idle, runnable, max(atOnce-free, 0)) {
		r.cond.Signal()
	}
	if runnable > atOnce && r.idle > 0 {
		signal(r.pace)
	}
}
