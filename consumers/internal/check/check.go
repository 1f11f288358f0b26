// Package check collects what is wrong with a configuration, each problem beginning with its key.
package check

import (
	"errors"
	"fmt"
	"time"
)

// Problems is what was found.
type Problems []error

// Report adds a problem.
func (p *Problems) Report(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

// Between reports a value out of its bounds.
func (p *Problems) Between(key string, value, least, most int) {
	if value < least || value > most {
		p.Report("%s must be from %d to %d, is %d", key, least, most, value)
	}
}

// AtLeast reports a duration that is too short.
func (p *Problems) AtLeast(key string, value, least time.Duration) {
	if value < least {
		p.Report("%s must be at least %s, is %s", key, least, value)
	}
}

// Part adds the problems of a section, with its name before their keys.
func (p *Problems) Part(section string, err error) {
	if err == nil {
		return
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		p.Report("%s.%w", section, err)
		return
	}
	for _, one := range joined.Unwrap() {
		p.Part(section, one)
	}
}

// Err returns all of them joined, nil for none.
func (p *Problems) Err() error { return errors.Join(*p...) }
