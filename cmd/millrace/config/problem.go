package config

import (
	"errors"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Key    string // the full key, or the name of the environment variable or file where no key is concerned
	Text   string // completes a sentence that begins with Key
	Origin Origin // where the value came from
	Advice string // what to do, where Text does not say it
}

// String is the problem as one line.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Key + " " + p.Text)
	if from := p.Origin.String(); from != "" {
		b.WriteString(" (from " + from + ")")
	}
	if p.Advice != "" {
		b.WriteString("; " + p.Advice)
	}
	return b.String()
}

// Error is everything that is wrong with a configuration. Load returns it.
type Error struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("configuration is not usable:")
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// leaves takes joined errors apart. An error with a single cause is kept whole: its text is the sentence.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	// Joined errors show themselves by this method only; errors.As would look past them.
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, leaves(e)...)
	}
	return out
}

// asError returns nil for no problems.
func asError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &Error{Problems: problems}
}

// Problems returns what Load or Loaded.Check found wrong, or nil where err is of another kind.
func Problems(err error) []Problem {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Problems
	}
	return nil
}
