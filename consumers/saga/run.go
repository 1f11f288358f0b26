package saga

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// Values of StepFailed.Class.
const (
	classTransient = "transient" // it is tried again
	classPermanent = "permanent"
	classTimeout   = "timeout"   // its time is over
	classExhausted = "exhausted" // its attempts are used up
)

// next numbers the next event of the run.
func (w *work) next() schemas.SagaRef {
	w.run.Seq++
	w.changed = true
	return schemas.SagaRef{Saga: w.run.Saga, Seq: w.run.Seq}
}

func (w *work) step(i int, undo bool) schemas.SagaStep {
	return schemas.SagaStep{SagaRef: w.next(), Step: w.run.Steps[i].Name, Compensation: undo}
}

// spec is the definition of a step of the run.
func (w *work) spec(i int) *Step { return &w.def.Steps[w.def.index(w.run.Steps[i].Name)] }

func (w *work) actions(i int) actions {
	return w.steps[stepKey{w.def.Version, w.run.Steps[i].Name}]
}

func (w *work) task(i int) *task {
	return &task{saga: w.run.Saga, step: w.run.Steps[i].Name, of: w.of, order: w.run.Order, ref: w.run.Steps[i].Ref, currency: w.run.Currency}
}

// start begins the run.
func (w *work) start(v *schemas.OrderVersion) {
	r := w.run
	r.Saga, r.Version, r.Phase, r.Since, r.Order = w.def.Saga, w.def.Version, Running, w.at, v
	names := make([]string, len(w.def.Steps))
	for i, s := range w.def.Steps {
		names[i] = s.Name
		r.Steps = append(r.Steps, StepRun{Name: s.Name})
	}
	w.m.runs.WithLabelValues("started").Inc()
	w.unit.Note("started the saga " + r.Saga)
	w.emit("", &schemas.SagaStarted{SagaRef: w.next(), Version: r.Version, Steps: names})
	w.request(0)
}

// request asks for a step, with the order as it is now: all attempts at it will have this content.
func (w *work) request(i int) {
	w.run.newest()
	w.run.Currency = w.run.Order.Currency
	// From here on it may have its effect, whatever is heard of it.
	w.run.Steps[i].Outcome = Requested
	w.ask(Asked{Step: i, Attempt: 1, Deadline: w.at.Add(w.spec(i).Timeout)})
}

// ask makes a the request that counts.
func (w *work) ask(a Asked) {
	step := w.step(a.Step, a.Undo)
	a.Seq = step.Seq
	w.run.Asked = &a
	w.run.Steps[a.Step].Attempts = a.Attempt
	w.emit("", &schemas.StepRequested{SagaStep: step, Attempt: a.Attempt, NotBefore: a.NotBefore, Deadline: a.Deadline})
}

// again asks for one more attempt after a wait; a part of that is random, so that what failed together does not come back together.
func (w *work) again(a Asked, wait time.Duration) {
	const jitter = 0.1
	wait += time.Duration(jitter * rand.Float64() * float64(wait)) //nolint:gosec // jitter needs no secrecy
	a.Attempt++
	a.NotBefore = w.now().Add(wait)
	w.ask(a)
}

// do makes one attempt at a step.
func (w *work) do(ctx context.Context, a *Asked) error {
	spec := w.spec(a.Step)
	res, err := w.actions(a.Step).do(ctx, w.task(a.Step))
	wait, putOff := group.Wait(err)
	backoff, more := spec.wait(a.Attempt)
	switch {
	case err == nil:
		w.done(a.Step, res)
		return nil
	case cutOff(ctx):
		return err
	case putOff && w.within(a, wait):
		return group.NotReady(wait, "step %s: %w", spec.Name, err)
	case group.IsPermanent(err):
		w.fail(a, classPermanent, err)
	case putOff, more && !w.within(a, backoff):
		w.fail(a, classTimeout, err)
	case !more:
		w.fail(a, classExhausted, err)
	default:
		w.failed(a, classTransient, err)
		w.again(*a, backoff)
	}
	return nil
}

// cutOff reports whether a call ended because this process stops or has given the order away: its successor makes it again.
func cutOff(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// within reports whether there is time to wait.
func (w *work) within(a *Asked, wait time.Duration) bool {
	return w.now().Add(wait).Before(a.Deadline)
}

// done notes that a step is done, and asks for the next one.
func (w *work) done(i int, res result) {
	s := &w.run.Steps[i]
	s.Outcome, s.Ref, s.Error = Done, res.ref, ""
	reason := ""
	if res.nothing {
		s.Outcome, reason = Passed, res.note
	}
	w.m.steps.WithLabelValues(s.Name, string(s.Outcome)).Inc()
	w.unit.Note(res.note)
	w.emit("", res.facts...)
	w.emit(reason, &schemas.StepCompleted{SagaStep: w.step(i, false)})
	if i+1 < len(w.run.Steps) {
		w.request(i + 1)
		return
	}
	w.end(Completed, &schemas.SagaCompleted{SagaRef: w.next()}, "")
}

// failed notes a failed attempt.
func (w *work) failed(a *Asked, class string, err error) {
	s := &w.run.Steps[a.Step]
	s.Error = errorText(err)
	label := s.Name
	if a.Undo {
		label += " undo"
	}
	w.m.steps.WithLabelValues(label, class).Inc()
	w.unit.Note(fmt.Sprintf("%s failed, %s: %s", label, class, s.Error))
	w.emit("", &schemas.StepFailed{SagaStep: w.step(a.Step, a.Undo), Class: class, Attempt: a.Attempt, Error: s.Error})
}

// fail gives a step up.
func (w *work) fail(a *Asked, class string, err error) {
	w.run.Steps[a.Step].Outcome = Failed
	w.failed(a, class, err)
	w.compensate(fmt.Sprintf("step %s failed, %s: %s", w.run.Steps[a.Step].Name, class, w.run.Steps[a.Step].Error))
}

// compensate turns the run round.
func (w *work) compensate(why string) {
	r := w.run
	r.enter(Compensating, w.at)
	r.Reason = why
	w.m.runs.WithLabelValues("turned").Inc()
	w.unit.Note("undoing: " + why)
	w.emit(why, &schemas.SagaCompensating{SagaRef: w.next()})
	w.undoNext()
}

// undoNext asks for the last step that may have had its effect to be undone.
func (w *work) undoNext() {
	for i := len(w.run.Steps) - 1; i >= 0; i-- {
		switch w.run.Steps[i].Outcome {
		case Requested, Done, Failed:
			if w.actions(i).undo == nil {
				continue
			}
			w.ask(Asked{Step: i, Undo: true, Attempt: 1, Deadline: w.at.Add(w.def.CompensateFor)})
			return
		case Passed, Undone:
		}
	}
	w.end(Compensated, &schemas.SagaCompensated{SagaRef: w.next()}, w.run.Reason)
}

// undo makes one attempt to undo a step.
func (w *work) undo(ctx context.Context, a *Asked) error {
	spec := w.spec(a.Step)
	res, err := w.actions(a.Step).undo(ctx, w.task(a.Step))
	wait, putOff := group.Wait(err)
	backoff := spec.undoWait(a.Attempt)
	switch {
	case err == nil:
		w.undone(a.Step, res)
		return nil
	case cutOff(ctx):
		return err
	case putOff && w.within(a, wait):
		return group.NotReady(wait, "undo step %s: %w", spec.Name, err)
	case group.IsPermanent(err):
		w.park(a, classPermanent, err)
	case putOff, !w.within(a, backoff):
		w.park(a, classTimeout, err)
	default:
		w.failed(a, classTransient, err)
		w.again(*a, backoff)
	}
	return nil
}

// undone notes that a step is undone, and asks for the one before it.
func (w *work) undone(i int, res result) {
	s := &w.run.Steps[i]
	s.Outcome, s.Error = Undone, ""
	w.m.steps.WithLabelValues(s.Name, string(Undone)).Inc()
	w.unit.Note(res.note)
	w.emit(w.run.Reason, res.facts...)
	w.emit("", &schemas.StepCompleted{SagaStep: w.step(i, true)})
	w.undoNext()
}

// park leaves the run to a person.
func (w *work) park(a *Asked, class string, err error) {
	w.failed(a, class, err)
	s := w.run.Steps[a.Step]
	w.run.Problem = s.Error
	w.end(Parked, &schemas.SagaParked{SagaRef: w.next(), Step: s.Name}, "step "+s.Name+" cannot be undone: "+s.Error)
}

// end enters a phase in which nothing is asked for.
func (w *work) end(phase Phase, data schemas.OrderEventData, reason string) {
	w.run.enter(phase, w.at)
	w.m.runs.WithLabelValues(string(phase)).Inc()
	w.unit.Note("saga " + string(phase))
	w.emit(reason, data)
}

// maxErrorText bounds what an event says of an error: it is kept for long, and each failed attempt has one.
const maxErrorText = 300

// errorText is what may be kept of an error: of an answer its status and code, since its body may repeat what it was asked, names and
// addresses among it.
func errorText(err error) string {
	var answer *outgoing.HTTPError
	text := err.Error()
	if errors.As(err, &answer) {
		text = strings.TrimSpace(fmt.Sprintf("answer %d %s", answer.Status, answer.Code))
	}
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "")
	}
	return text
}
