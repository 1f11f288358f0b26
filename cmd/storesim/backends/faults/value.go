package faults

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Duration is a time.Duration that is text in JSON: "250ms".
type Duration time.Duration

// String formats like time.Duration.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the text form.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the text form.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 250ms or 5m", text)
	}
	*d = Duration(v)
	return nil
}

// Outage is a window of time, measured from when its rule was set.
type Outage struct {
	From Duration `json:"from"`
	For  Duration `json:"for"`
}

// parseOutage reads the short form of flags: 30s+5m begins after 30 s and lasts 5 minutes.
func parseOutage(text string) (o Outage, err error) {
	from, length, ok := strings.Cut(text, "+")
	if !ok {
		return o, fmt.Errorf("%q is not an outage such as 30s+5m, its begin and its length", text)
	}
	return o, errors.Join(o.From.UnmarshalText([]byte(from)), o.For.UnmarshalText([]byte(length)))
}

// OutageAs is how an outage shows.
type OutageAs string

// The ways in which a backend can be away.
const (
	OutageError OutageAs = "error" // answers 503, SMTP 421 or 451; the default
	OutageReset OutageAs = "reset" // cuts the connection
	OutageHang  OutageAs = "hang"  // never answers
)
