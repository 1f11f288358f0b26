package grouptest

import (
	"time"

	"millrace/consumers/group/internal/verdict"
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
	Kept   bool          // of Unavailable: what was emitted and stored is kept, see group.Keep
	Err    error         // as the handler returned it
}

// Verdict reads a handler's error as the runtime does.
func Verdict(err error) Outcome {
	out := Outcome{Kind: Retry, Kept: verdict.Keeps(err), Err: err}
	v := verdict.Of(err)
	if v != nil {
		out.Reason, out.After = v.Reason, v.After
	}
	switch {
	case err == nil:
		out.Kind = Done
	case v == nil: // any other error
	case v.Kind == verdict.Skip:
		out.Kind = Skipped
	case v.Kind == verdict.Permanent:
		out.Kind = Permanent
	case v.Kind == verdict.NotReady:
		out.Kind = NotReady
	case v.Kind == verdict.Unavailable:
		out.Kind = Unavailable
	}
	return out
}
