package outgoing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"millrace/consumers/group"
)

// ErrRefused is wrapped by the errors of Do that say that the call was not made. They are group.Unavailable.
var ErrRefused = errors.New("call refused")

// ErrOpen is what an error of Do is beside ErrRefused when a breaker has refused the call, that of the dependency or that of the shop: it
// is away, or on trial. It is for services that have something else to do then.
var ErrOpen = errors.New("breaker is open")

// refusal is why a call was not made.
type refusal struct{ name, reason string }

func (r *refusal) Error() string {
	return fmt.Sprintf("%s: %s by its %s", r.name, ErrRefused, r.reason)
}

// Is is for package errors.
func (r *refusal) Is(target error) bool {
	return target == ErrRefused || target == ErrOpen && (r.reason == refusedBreaker || r.reason == refusedShopBreaker)
}

// errTimeout is the cause of a call's context that has run out.
var errTimeout = errors.New("call took too long")

// answered marks an error; see Answered.
type answered struct{ err error }

func (a *answered) Error() string { return a.err.Error() }
func (a *answered) Unwrap() error { return a.err }

// Answered marks err as an answer: what was called works, and said no. Within Do it counts as a success of the dependency. The
// verdict that err carries, group.Permanent for instance, stays what it is. Answered(nil) is nil.
func Answered(err error) error {
	if err == nil {
		return nil
	}
	return &answered{err}
}

// IsAnswer tells whether err is an answer: what was called works, and said no. Any other error of Do is a call that failed or was not made.
func IsAnswer(err error) bool {
	var a *answered
	return errors.As(err, &a)
}

// refuse returns the verdict of a call that is not made. A share of the wait is added at random: what was refused together does
// not come back together.
func (c *Client) refuse(reason string, wait time.Duration) error {
	c.m.refused[reason].Inc()
	return group.Unavailable(spread(wait), &refusal{c.name, reason})
}

// spread adds the random share.
func spread(wait time.Duration) time.Duration {
	wait = max(wait, minRefusal)
	return wait + time.Duration(rand.Float64()*openJitter*float64(wait)) //nolint:gosec // jitter is no secret
}

// outage returns the error of a call whose failure is an outage's. A verdict that err has comes first among the wrapped ones, so that
// it is the one that counts. The wait is beyond that of a refusal: what has had a trial comes back after what has had none, so that an
// event that fails by itself does not end every trial before another has begun.
func outage(err error, wait time.Duration) error {
	return &outageError{err: err, unavailable: group.Unavailable(spread(wait+time.Duration(openJitter*float64(wait))), err)}
}

// outageError reads as err.
type outageError struct{ err, unavailable error }

func (e *outageError) Error() string   { return e.err.Error() }
func (e *outageError) Unwrap() []error { return []error{e.err, e.unavailable} }

// minRefusal keeps a refused event from coming back before anything can have changed.
const minRefusal = 10 * time.Millisecond
