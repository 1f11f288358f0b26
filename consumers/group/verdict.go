package group

import (
	"errors"
	"fmt"
	"time"

	"millrace/consumers/group/internal/verdict"
)

// A handler's error is its verdict:
//
//	nil          done
//	Skip         done, and counted by its reason
//	Permanent    to the dead-letter topic now
//	NotReady     out of order: later events of the key go first; again after one of them or a wait, no attempt burned, at most
//	             Config.Retry.NotReadyMax in all
//	Unavailable  what the handler needs is away (an open breaker, a rate limit): again after a wait, no attempt burned, without limit
//	any other    again by Config.Retry.Schedule, and to the dead-letter topic after the last attempt
//
// All of them may be wrapped; the outermost counts.

// Skip means that there is nothing to do for the event. The reason becomes a label of a metric: one of a few constant words.
// What the handler emitted or stored before is kept.
func Skip(reason string) error { return &verdict.Error{Kind: verdict.Skip, Reason: reason} }

// Permanent means that no repeat can help: the event goes to the dead-letter topic now. A nil err is a mistake of the handler
// and is permanent too.
func Permanent(err error) error {
	if err == nil {
		err = errors.New("permanent failure without a reason")
	}
	return &verdict.Error{Kind: verdict.Permanent, Err: err}
}

// NotReady means that the event came before one it needs. It steps aside: later events of its key are handled, since the one it
// needs may be among them, and it comes back, before those after it, when one of them is done or the wait is over. No attempt is burned;
// when it has waited for Config.Retry.NotReadyMax in all, it goes to the dead-letter topic.
func NotReady(after time.Duration, format string, args ...any) error {
	return &verdict.Error{Kind: verdict.NotReady, After: after, Err: fmt.Errorf(format, args...)}
}

// Unavailable means that the handler could not try at all, err says why. The event comes back after the wait, without burning an
// attempt and without limit: an outage is not the event's fault.
func Unavailable(after time.Duration, err error) error {
	if err == nil {
		err = errors.New("unavailable")
	}
	return &verdict.Error{Kind: verdict.Unavailable, After: after, Err: err}
}

// A handler whose own work is to repeat and to undo, as a saga's is, has to know what an error would mean to the runtime.

// IsPermanent reports whether err is the verdict Permanent.
func IsPermanent(err error) bool {
	v := verdict.Of(err)
	return v != nil && v.Kind == verdict.Permanent
}

// Wait returns the wait of a verdict that burns no attempt, NotReady or Unavailable; ok is false for any other error.
func Wait(err error) (after time.Duration, ok bool) {
	v := verdict.Of(err)
	if v == nil || v.Kind != verdict.NotReady && v.Kind != verdict.Unavailable {
		return 0, false
	}
	return v.After, true
}

// Keep lets an Unavailable keep what the handler has emitted and stored before, for what is true while the event waits. The event then
// waits in the retry topic, which is written in the same transaction; so do it once and not with every try. Any other verdict stays what
// it is.
func Keep(err error) error {
	if err == nil {
		return nil
	}
	return &verdict.KeptError{Err: err}
}
