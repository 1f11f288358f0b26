package faults

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rule is how one backend, or one shop or domain of it, misbehaves. The zero Rule is healthy. The rates are shares of
// requests from 0 to 1; error, timeout, reset and lost answer exclude each other, so together they are at most 1.
type Rule struct {
	Latency          Duration `json:"latency,omitzero"           help:"Time before the effect."`
	Jitter           Duration `json:"jitter,omitzero"            help:"Up to this much more, evenly spread."`
	LatencyP50       Duration `json:"latency_p50,omitzero"       help:"Median of log-normal latencies; with latency_p99, instead of latency."`
	LatencyP99       Duration `json:"latency_p99,omitzero"       help:"99th percentile of them."`
	ErrorRate        float64  `json:"error_rate,omitempty"       help:"Answered 5xx (SMTP 451); no effect."`
	PermanentRate    float64  `json:"permanent_rate,omitempty"   help:"Keys that are refused at every try, 422 (a charge 402; SMTP 554)."`
	TimeoutRate      float64  `json:"timeout_rate,omitempty"     help:"Never answered; no effect."`
	ResetRate        float64  `json:"reset_rate,omitempty"       help:"Connection cut; no effect."`
	LostAnswerRate   float64  `json:"lost_answer_rate,omitempty" help:"Effect done, then the connection is cut."`
	RateLimit        float64  `json:"rate_limit,omitempty"       help:"Requests per second; beyond it 429 with Retry-After (SMTP 421; of a domain 450)."`
	Burst            int      `json:"burst,omitempty"            help:"Requests at once under rate_limit; default: one second's worth."`
	Concurrency      int      `json:"concurrency,omitempty"      help:"Requests under way at once; beyond it 429 with Retry-After. Not of mail."`
	RetryAfter       Duration `json:"retry_after,omitzero"       help:"What Retry-After says, in whole seconds; default 1s."`
	Refuse           bool     `json:"refuse,omitempty"           help:"Everything new is refused, 422 (a charge 402; SMTP 550 to the recipient)."`
	Only             []string `json:"only,omitempty"             help:"Operations that the rates and refuse are about, e.g. charge; all if none is named. Not of mail."`
	Down             bool     `json:"down,omitempty"             help:"Down now, until the rule is changed."`
	Outages          []Outage `json:"outages,omitempty"          help:"Down from+for after the rule was set, e.g. 30s+5m."`
	OutageAs         OutageAs `json:"outage_as,omitempty"        help:"How being down shows: error (503; SMTP 421, of a domain 451), reset or hang."`
	InsufficientSKUs []string `json:"insufficient_skus,omitempty" help:"SKUs of which nothing is in stock: 409. Stock API only."`
}

// maxDelay bounds every latency: a delay that outlasts any client is what timeout_rate is for.
const maxDelay = 10 * time.Minute

// Validate returns all mistakes at once, each with its field.
func (r *Rule) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, d := range []struct {
		name string
		v    Duration
	}{{"latency", r.Latency}, {"jitter", r.Jitter}, {"latency_p50", r.LatencyP50}, {"latency_p99", r.LatencyP99}} {
		bad(d.v < 0 || d.v > Duration(maxDelay), "%s must be between 0 and %v, is %v", d.name, maxDelay, d.v)
	}
	bad((r.LatencyP50 > 0) != (r.LatencyP99 > 0), "latency_p50 and latency_p99 must be set together")
	bad(r.LatencyP99 < r.LatencyP50, "latency_p99 must be at least latency_p50, is %v", r.LatencyP99)
	bad(r.LatencyP50 > 0 && (r.Latency > 0 || r.Jitter > 0), "latency_p50 must not be set together with latency or jitter")
	sum := 0.0
	for _, s := range []struct {
		name string
		v    float64
	}{{"error_rate", r.ErrorRate}, {"timeout_rate", r.TimeoutRate}, {"reset_rate", r.ResetRate}, {"lost_answer_rate", r.LostAnswerRate}} {
		bad(!share(s.v), "%s must be between 0 and 1, is %v", s.name, s.v)
		sum += s.v
	}
	const rounding = 1e-9
	bad(sum > 1+rounding, "error_rate, timeout_rate, reset_rate and lost_answer_rate must be at most 1 together, are %v", sum)
	bad(!share(r.PermanentRate), "permanent_rate must be between 0 and 1, is %v", r.PermanentRate)
	bad(!(r.RateLimit >= 0 && r.RateLimit <= 1e6), "rate_limit must be between 0 and 1000000, is %v", r.RateLimit)
	bad(r.Burst < 0 || r.Burst > 1e6, "burst must be between 0 and 1000000, is %d", r.Burst)
	bad(r.Concurrency < 0 || r.Concurrency > 1e6, "concurrency must be between 0 and 1000000, is %d", r.Concurrency)
	bad(r.RetryAfter < 0 || r.RetryAfter > Duration(time.Hour), "retry_after must be between 0 and 1h, is %v", r.RetryAfter)
	for _, o := range r.Outages {
		bad(o.From < 0 || o.For <= 0, "outages must begin at 0 or later and last longer than 0, is %v+%v", o.From, o.For)
	}
	switch r.OutageAs {
	case "", OutageError, OutageReset, OutageHang:
	default:
		bad(true, "outage_as must be error, reset or hang, is %q", r.OutageAs)
	}
	return errors.Join(errs...)
}

// fits tells what of the rule the backend does not have: it would do nothing.
func (r *Rule) fits(backend string) error {
	var errs []error
	if len(r.InsufficientSKUs) > 0 && backend != Stock {
		errs = append(errs, errors.New("insufficient_skus must not be set: only stock has them"))
	}
	if r.Concurrency > 0 && backend == SMTP {
		errs = append(errs, errors.New("concurrency must not be set: mail has none"))
	}
	for _, name := range r.Only {
		if all := operations(backend); !slices.Contains(all, name) {
			errs = append(errs, fmt.Errorf("only must name operations of %s (%s), names %q", backend, cmp.Or(strings.Join(all, ", "), "it has none"), name))
		}
	}
	return errors.Join(errs...)
}

// share tells whether v is between 0 and 1; NaN is not.
func share(v float64) bool { return v >= 0 && v <= 1 }
