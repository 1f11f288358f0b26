package erp

import (
	"time"

	"millrace/consumers/internal/check"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
)

// Config is the section "erp".
type Config struct {
	Consumer    group.Config        `mapstructure:"consumer"`
	API         outgoing.HTTPConfig `mapstructure:"api"`
	Mapping     []string            `mapstructure:"mapping" help:"Fields of an order's document that you add, or replace: field=path, where the path is a gjson path into the webhook's body, such as cost_centre=note_attributes.#(name==\"cost_centre\").value. A field whose path finds nothing, or is empty, is left out."`
	Fallback    string              `mapstructure:"fallback" help:"What happens to events while the ERP is away: hold them; provisional, which tells in the story of each order that the ERP has yet to get it, and holds them; or alternative, which sends the documents to alternative.url until the ERP is back: another way to the same ERP."`
	Alternative outgoing.HTTPConfig `mapstructure:"alternative"`
	Call        outgoing.Config     `mapstructure:"call"`
}

// Values of Config.Fallback.
const (
	FallbackHold        = "hold"
	FallbackProvisional = "provisional"
	FallbackAlternative = "alternative"
)

// calls is how many calls a process has under way. A handler does nothing but call, so there are as many handlers.
const calls = 16

// DefaultConfig works against `storesim backends`. An ERP takes seconds for a call, and may be away for a night: the schedule ends after
// five hours. There is one ERP for all shops, so there is no breaker per shop. An event waits inside a call rather than in the retry
// topic, and a stop lets calls end: one that is cut short is made again.
func DefaultConfig() Config {
	consumer := group.DefaultConfig("millrace-erp")
	consumer.Concurrency = calls
	consumer.Activity = true
	consumer.Member.StopGrace = 20 * time.Second
	consumer.Retry.Schedule = []time.Duration{0, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 4 * time.Hour}
	call := outgoing.DefaultConfig()
	call.Timeout, call.Concurrency, call.MaxWait = 15*time.Second, calls, 10*time.Second
	call.Breaker.Window, call.Breaker.PerShop = time.Minute, false
	return Config{
		Consumer: consumer,
		API:      outgoing.HTTPConfig{URL: "http://127.0.0.1:8094"},
		Fallback: FallbackHold,
		Call:     call,
	}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	p.Part("consumer", c.Consumer.Validate())
	p.Part("api", c.API.Validate())
	p.Part("call", c.Call.Validate())
	if _, err := readMapping(c.Mapping); err != nil {
		p.Report("%w", err)
	}
	switch c.Fallback {
	case FallbackAlternative:
		p.Part("alternative", c.Alternative.Validate())
	case FallbackHold, FallbackProvisional:
		if c.Alternative.URL != "" {
			p.Report("alternative.url is used with fallback %s alone, which is %s", FallbackAlternative, c.Fallback)
		}
	default:
		p.Report("fallback must be %s, %s or %s, is %q", FallbackHold, FallbackProvisional, FallbackAlternative, c.Fallback)
	}
	if wait := c.Call.Timeout + c.Call.MaxWait; wait > c.Consumer.HandlerTimeout {
		p.Report("call.timeout and call.max_wait must together be at most consumer.handler_timeout (%s), are %s", c.Consumer.HandlerTimeout, wait)
	}
	return p.Err()
}
