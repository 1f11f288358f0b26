// Package verdict is what a handler's error means to the runtime.
package verdict

import (
	"errors"
	"time"
)

// Kind is a meaning.
type Kind uint8

// The kinds; any other error is a failure that is tried again.
const (
	Skip Kind = iota + 1
	Permanent
	NotReady
	Unavailable
)

// Error is an error with a meaning.
type Error struct {
	Kind   Kind
	After  time.Duration // of NotReady and Unavailable
	Reason string        // of Skip
	Err    error         // of all others
}

func (v *Error) Error() string {
	if v.Err != nil {
		return v.Err.Error()
	}
	return v.Reason
}

// Unwrap returns why.
func (v *Error) Unwrap() error { return v.Err }

// Of returns the outermost verdict in err, or nil.
func Of(err error) *Error {
	var v *Error
	if errors.As(err, &v) {
		return v
	}
	return nil
}

// KeptError marks an error that keeps what its handler wrote.
type KeptError struct{ Err error }

func (k *KeptError) Error() string { return k.Err.Error() }

// Unwrap returns the error that is marked.
func (k *KeptError) Unwrap() error { return k.Err }

// Keeps tells whether err keeps what its handler wrote: an Unavailable that is marked.
func Keeps(err error) bool {
	v := Of(err)
	return v != nil && v.Kind == Unavailable && errors.As(err, new(*KeptError))
}
