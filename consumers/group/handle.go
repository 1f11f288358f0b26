package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"millrace/consumers/group/internal/verdict"

	"millrace/consumers/group/internal/logread"
	"millrace/consumers/group/internal/schedule"
	"millrace/schemas"
)

// outcome is what becomes of an item.
type outcome struct {
	kind   outcomeKind
	due    time.Time
	writes *writes
	size   int       // bytes of writes
	at     time.Time // when it was known
	result result    // for the record of activity; without an outcome there is none
}

type outcomeKind uint8

const (
	toSettle   outcomeKind = iota
	toWait                 // in memory
	toAside                // in memory, and later events of the key pass
	toPutAside             // in the retry topic, and later events of the key pass
	toSleep                // in the retry topic, where it is already; nothing is written
	toPut                  // into the retry topic
	toBury                 // into the dead-letter topic
	toRelease              // cut off by a stop or a rebalance: as if it had not run
)

// apply is called with r.mu held.
func (r *Runtime) apply(it *schedule.Item, o outcome, now time.Time) {
	p := it.Partition() // a settled item is not ours any more
	var written any     // nil, and not a nil pointer, for nothing
	if o.writes != nil {
		written = o.writes
	}
	switch o.kind {
	case toSettle:
		r.sched.Done(it, written, o.size, now)
	case toWait:
		r.sched.Wait(it, o.due, now)
	case toAside, toPutAside:
		r.sched.Aside(it, o.kind == toPutAside, o.due, now)
	case toSleep:
		r.sched.Sleep(it, o.due, now)
	case toPut:
		r.sched.Defer(it, written, o.size, o.due, now)
	case toBury:
		r.sched.Dead(it, r.cfg.DeadLetter == DeadLetterPark, now)
	case toRelease:
		r.sched.Wait(it, now, now)
	}
	if !o.due.IsZero() && (r.nextDue.IsZero() || o.due.Before(r.nextDue)) {
		signal(r.rearm)
	}
	r.afterChange(p)
}

// afterChange is called with r.mu held, after a change that may have made events ready to be loaded.
func (r *Runtime) afterChange(p *schedule.Partition) {
	owner := ownerOf(p)
	if p.WantsLoad() {
		signal(owner.load)
	}
	if r.full && r.sched.Bytes() < r.cfg.BufferBytes/4*3 || owner.paused && !p.Full(r.cfg.BufferBytes/stagedShare, true) {
		r.member.Wake()
	}
}

// handle runs the service's handler and turns its verdict into an outcome.
func (r *Runtime) handle(it *schedule.Item, began time.Time) outcome {
	p := ownerOf(it.Partition())
	u := &unit{runtime: r, partition: p}
	o := r.judge(it, u, began)
	if o.kind == toWait || o.kind == toAside {
		it.Record = logread.Detach(it.Record) // it must not keep its whole batch alive while it waits
	}
	if o.at.IsZero() {
		o.at = time.Now()
	}
	if r.activity != nil && o.result.outcome != "" {
		r.tell(it, u, &o, began)
	}
	return o
}

// tell writes what became of a try: after the commit where there is one to come, and at once where nothing is written.
func (r *Runtime) tell(it *schedule.Item, u *unit, o *outcome, began time.Time) {
	o.result.due = o.due
	rec := r.activity.report(it, u, o.result, began, o.at)
	switch {
	case rec == nil:
	case o.kind == toWait, o.kind == toAside, o.kind == toSleep, o.kind == toSettle && o.writes == nil && it.Log < 0:
		r.activity.send(rec)
	default:
		it.Report = rec
	}
}

func (r *Runtime) judge(it *schedule.Item, u *unit, began time.Time) outcome {
	p := u.partition
	u.event = Event{
		Body: it.Record.Value, KafkaTopic: p.tp.Topic, Partition: p.tp.Partition, Offset: it.Offset,
		Attempt: it.Attempts + 1, FirstFailure: it.FirstFailure, Replay: it.Replay,
	}
	if it.Replay != "" {
		u.Note("replay " + it.Replay)
	}
	var err error
	u.event.Event, err = schemas.ParseHeaders(it.Record.Headers)
	// What decides about order is the record's key; the header that repeats it saves a copy.
	if key := entityKey(it); string(key) == u.event.PartitionKey {
		u.event.Key = u.event.PartitionKey
	} else {
		u.event.Key = string(key)
	}
	if err != nil {
		return r.dead(it, u, classUnreadable, err, began)
	}
	reason := ""
	if r.svc.State {
		if err := u.loadState(); err != nil {
			return r.retry(it, u, classState, fmt.Errorf("read the state: %w", err), began)
		}
		if it.Replay == "" { // to see it again is what a replay is for
			reason = u.repeated(&u.event, r.svc.Dedupe)
		}
	}
	if reason == "" && r.superseded(it, u) {
		reason = reasonSuperseded
	}
	if reason != "" {
		r.metrics.verdicts.With(reason).Inc()
		return r.settled(it, u, reason, began, time.Now(), false)
	}
	r.transition(slog.LevelDebug, "started", it, u, began)
	ctx := &u.deadline
	ctx.parent, ctx.at = p.ctx, began.Add(r.cfg.HandlerTimeout)
	err = r.call(ctx, u)
	ended := time.Now()
	timedOut := ctx.expired(ended)
	ctx.release()
	u.finish()
	r.metrics.handler.Observe(ended.Sub(began).Seconds())
	switch v := verdict.Of(err); {
	case err == nil:
		r.metrics.verdicts.done.Inc()
		return r.settled(it, u, "done", began, ended, true)
	case v != nil && v.Kind == verdict.Skip:
		r.metrics.verdicts.With(v.Reason).Inc()
		return r.settled(it, u, v.Reason, began, ended, true)
	case p.ctx.Err() != nil:
		return outcome{kind: toRelease}
	case v != nil && v.Kind == verdict.Permanent:
		return r.dead(it, u, classPermanent, err, began)
	case v != nil && v.Kind == verdict.NotReady:
		return r.notReady(it, u, v, began)
	case v != nil && v.Kind == verdict.Unavailable:
		return r.unavailable(it, u, v, verdict.Keeps(err), began)
	case errors.As(err, new(*panicked)):
		return r.retry(it, u, classPanic, err, began)
	case timedOut:
		return r.retry(it, u, classTimeout, err, began)
	default:
		return r.retry(it, u, classError, err, began)
	}
}

// panicked is a handler's panic as an error.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("the handler panicked: %v", p.value) }

// call keeps a panic of the handler from taking down the services and events beside it.
func (r *Runtime) call(ctx context.Context, u *unit) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p := &panicked{value: v, stack: debug.Stack()}
			r.logger.ErrorContext(ctx, "handler panicked", "panic", fmt.Sprint(v), "stack", string(p.stack), slog.Group("", eventAttrs(u)...))
			err = p
		}
	}()
	return r.svc.Handler.Handle(ctx, &u.event, u)
}

// settled makes an item done, with what it wrote.
func (r *Runtime) settled(it *schedule.Item, u *unit, verdict string, began, ended time.Time, keep bool) outcome {
	if !u.event.Received.IsZero() && it.Replay == "" { // of a replay it says nothing: the event came long ago
		r.metrics.endToEnd.Observe(ended.Sub(u.event.Received).Seconds())
	}
	r.transition(slog.LevelDebug, "done", it, u, began, "verdict", verdict)
	o := outcome{kind: toSettle, at: ended, result: result{outcome: schemas.OutcomeDone}}
	if verdict != schemas.OutcomeDone {
		o.result = result{outcome: schemas.OutcomeSkipped, class: verdict}
	}
	if keep {
		d := r.svc.Dedupe
		if it.Replay != "" {
			// Its id is remembered, or was forgotten for newer ones, whose repeats may still come.
			d.WebhookIDs = 0
		}
		o.writes, o.size = u.writes(d)
	}
	return o
}

func (r *Runtime) retry(it *schedule.Item, u *unit, class string, err error, began time.Time) outcome {
	r.metrics.verdicts.With(class).Inc()
	failed(it, class, err)
	it.Attempts++
	if it.Attempts >= len(r.cfg.Retry.Schedule) {
		return r.dead(it, u, classExhausted, err, began)
	}
	after := r.jitter(r.cfg.Retry.Schedule[it.Attempts])
	o := r.later(it, after)
	if o.kind == toSleep {
		o.kind = toPut // the attempt must be kept
	}
	o.result = result{outcome: schemas.OutcomeRetry, class: class, err: err}
	r.metrics.retries.With(o.where()).Inc()
	r.transition(slog.LevelInfo, "retry", it, u, began, "class", class, "err", err, "after", after, "where", o.where())
	return o
}

// later is where an item waits: in memory only for a short time in all, since later events of its key are held there as well.
func (r *Runtime) later(it *schedule.Item, after time.Duration) outcome {
	now := time.Now()
	o := outcome{kind: toPut, due: now.Add(after)}
	switch {
	case it.Log >= 0:
		o.kind = toSleep
	case after <= r.cfg.Retry.InlineMax:
		o.kind = toWait
	}
	return o
}

func (o outcome) where() string {
	if o.kind == toWait || o.kind == toAside {
		return "memory"
	}
	return "topic"
}

// notReady puts an item off for an event that it needs.
func (r *Runtime) notReady(it *schedule.Item, u *unit, v *verdict.Error, began time.Time) outcome {
	r.metrics.verdicts.With(classNotReady).Inc()
	first := it.Since.IsZero()
	if waited := sinceFirst(it); waited >= r.cfg.Retry.NotReadyMax {
		return r.dead(it, u, classNotReady, fmt.Errorf("waited for %s: %w", waited.Round(time.Millisecond), v), began)
	}
	o := r.putOff(it, v.After)
	o.waiting(first, classNotReady, v)
	// What it waits for may have the same key.
	if o.kind == toWait {
		o.kind = toAside
	} else {
		o.kind = toPutAside
	}
	r.transition(slog.LevelDebug, "not ready", it, u, began, "err", v, "after", v.After, "where", o.where())
	return o
}

func (r *Runtime) unavailable(it *schedule.Item, u *unit, v *verdict.Error, keep bool, began time.Time) outcome {
	r.metrics.verdicts.With(classUnavailable).Inc()
	first := it.Since.IsZero()
	o := r.putOff(it, v.After)
	if keep {
		// Nothing is remembered of the event itself, which is to come again.
		if o.writes, o.size = u.writes(Dedupe{}); o.writes != nil {
			o.kind = toPut
		}
	}
	o.waiting(first, classUnavailable, v)
	r.transition(slog.LevelDebug, "unavailable", it, u, began, "err", v, "after", v.After, "where", o.where())
	return o
}

// sinceFirst is how long an item is put off already.
func sinceFirst(it *schedule.Item) time.Duration {
	if it.Since.IsZero() {
		it.Since = time.Now()
	}
	return time.Since(it.Since)
}

// putOff lets an item wait without an attempt burned: in memory for as long as inline_max in all, then in the retry topic.
func (r *Runtime) putOff(it *schedule.Item, after time.Duration) outcome {
	waited := sinceFirst(it)
	o := r.later(it, r.jitter(max(after, time.Millisecond)))
	if o.kind == toWait && waited+after > r.cfg.Retry.InlineMax {
		o.kind = toPut
	}
	return o
}

// waiting notes the first of an event's waits for the record of activity: it may be asked many times a minute.
func (o *outcome) waiting(first bool, class string, err error) {
	if first {
		o.result = result{outcome: schemas.OutcomeWaiting, class: class, err: err}
	}
}

// dead gives an item up.
func (r *Runtime) dead(it *schedule.Item, u *unit, class string, err error, began time.Time) outcome {
	if class != classExhausted { // counted as what it is by retry
		r.metrics.verdicts.With(class).Inc()
		it.Attempts++
		failed(it, class, err)
	}
	it.Class = class
	r.metrics.deadLetters.With(class).Inc()
	r.transition(slog.LevelWarn, "dead-lettered", it, u, began, "class", class, "err", err)
	return outcome{kind: toBury, result: result{outcome: schemas.OutcomeDeadLettered, class: class, err: err}}
}

// maxErrorText is how much of an error's text a record carries.
const maxErrorText = 1000

func failed(it *schedule.Item, class string, err error) {
	now := time.Now()
	if it.FirstFailure.IsZero() {
		it.FirstFailure = now
	}
	it.LastFailure, it.Class, it.Err = now, class, err.Error()
	if len(it.Err) > maxErrorText {
		it.Err = it.Err[:maxErrorText]
	}
}

func (r *Runtime) jitter(d time.Duration) time.Duration {
	if r.cfg.Retry.Jitter == 0 || d <= 0 {
		return d
	}
	return d - time.Duration(r.cfg.Retry.Jitter*rand.Float64()*float64(d)) //nolint:gosec // jitter needs no secrecy
}
