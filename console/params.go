package console

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"millrace/consumers/analytics/reports"
	"millrace/schemas"
)

// errBadParameter is returned (wrapped, with the parameter's name) for one that cannot be read.
var errBadParameter = errors.New("bad parameter")

// maxText bounds a parameter that is text.
const maxText = 300

// parameters reads those of one request. The first problem stays in err, and later reads return zero values.
type parameters struct {
	values url.Values
	now    time.Time
	err    error
}

func (p *parameters) fail(name, must string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s must be %s", errBadParameter, name, must)
	}
}

func (p *parameters) text(name string) string {
	s := p.values.Get(name)
	if len(s) > maxText {
		p.fail(name, fmt.Sprintf("at most %d bytes", maxText))
		return ""
	}
	return s
}

func (p *parameters) required(name string) string {
	s := p.text(name)
	if s == "" {
		p.fail(name, "set")
	}
	return s
}

// shop reads a required domain, which may go without its ending, as in `millrace order show`.
func (p *parameters) shop(name string) string {
	s := strings.ToLower(p.required(name))
	if s != "" && !strings.Contains(s, ".") {
		s += ".myshopify.com"
	}
	return s
}

// id reads the id of an order: digits.
func (p *parameters) id(name string) string {
	n, err := schemas.ParseID(p.required(name))
	if err != nil || n == 0 {
		p.fail(name, "the id of an order: digits")
		return ""
	}
	return n.String()
}

func (p *parameters) limit(otherwise int) int {
	s := p.values.Get("limit")
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > reports.MaxLimit {
		p.fail("limit", fmt.Sprintf("from 1 to %d", reports.MaxLimit))
		return otherwise
	}
	return n
}

func (p *parameters) number(name string, bits int) uint64 {
	n, err := strconv.ParseUint(p.values.Get(name), 10, bits)
	if err != nil {
		p.fail(name, "a whole number")
	}
	return n
}

// time reads seconds since 1970 or RFC 3339.
func (p *parameters) time(name string) time.Time {
	s := p.values.Get(name)
	if s == "" {
		return time.Time{}
	}
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC()
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		p.fail(name, "seconds since 1970 or an RFC 3339 time")
	}
	return t.UTC()
}

// span reads from, to and step. What is not given is the last hour.
func (p *parameters) span() reports.Range {
	r := p.optionalSpan()
	if r.To.IsZero() {
		r.To = p.now.UTC()
	}
	if r.From.IsZero() {
		r.From = r.To.Add(-time.Hour)
	}
	return r
}

// optionalSpan reads from, to and step, and leaves zero what is not given.
func (p *parameters) optionalSpan() reports.Range {
	r := reports.Range{From: p.time("from"), To: p.time("to")}
	if s := p.values.Get("step"); s != "" {
		seconds, err := strconv.ParseInt(s, 10, 32)
		if err != nil || seconds < 1 {
			p.fail("step", "a number of seconds")
		}
		r.Step = time.Duration(seconds) * time.Second
	}
	return r
}
