package grouptest

import (
	"errors"
	"reflect"
	"time"
)

// Kind is what a handler's error means to the runtime.
type Kind string

// The kinds.
const (
	Done        Kind = "done"
	Skipped     Kind = "skip"
	Permanent   Kind = "permanent"
	NotReady    Kind = "not_ready"
	Unavailable Kind = "unavailable"
	Retry       Kind = "retry"
)

// Outcome is a verdict with its parts.
type Outcome struct {
	Kind   Kind
	Reason string        // of Skipped
	After  time.Duration // of NotReady and Unavailable
	Err    error         // as the handler returned it
}

// Verdict reads a handler's error. Package group keeps the type of its verdicts to itself; this is the one place that looks
// inside, and its test goes red when the inside changes.
func Verdict(err error) Outcome {
	if err == nil {
		return Outcome{Kind: Done}
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if out, ok := inspect(e); ok {
			out.Err = err
			return out
		}
		// errors.Join and several %w: the first that has a verdict counts, as with errors.As.
		if many, ok := e.(interface{ Unwrap() []error }); ok {
			for _, one := range many.Unwrap() {
				if out := Verdict(one); out.Kind != Retry && out.Kind != Done {
					out.Err = err
					return out
				}
			}
		}
	}
	return Outcome{Kind: Retry, Err: err}
}

func inspect(err error) (Outcome, bool) {
	v := reflect.ValueOf(err)
	if v.Type().String() != "*group.verdict" {
		return Outcome{}, false
	}
	v = v.Elem()
	// In the order of the constants of package group.
	kinds := []Kind{"", Skipped, Permanent, NotReady, Unavailable}
	return Outcome{
		Kind:   kinds[v.FieldByName("kind").Uint()],
		Reason: v.FieldByName("reason").String(),
		After:  time.Duration(v.FieldByName("after").Int()),
	}, true
}
