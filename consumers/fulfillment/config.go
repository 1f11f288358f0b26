package fulfillment

import (
	"time"

	"millrace/consumers/internal/check"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
)

// Config is the section "fulfillment".
type Config struct {
	Consumer   group.Config        `mapstructure:"consumer"`
	Carrier    outgoing.HTTPConfig `mapstructure:"carrier"`
	ShipOn     string              `mapstructure:"ship_on" help:"When an order is shipped: paid, or created."`
	Early      string              `mapstructure:"early" help:"What happens to a refund that comes before its order: wait for the order, and become a dead letter when consumer.retry.not_ready_max has passed; or remember it with the state of the order until that comes, however long it takes, seen by nobody."`
	Fallback   string              `mapstructure:"fallback" help:"What happens while the carrier's breaker is open: hold, so that all events wait; or provisional, so that orders go on, marked as provisional, and the carrier is asked later."`
	TrackEvery time.Duration       `mapstructure:"track_every" help:"How often a shipment that is not delivered is asked for, at least 1s; 0 for never."`
	TrackFor   time.Duration       `mapstructure:"track_for" help:"How long a shipment is asked for before it is given up; at least track_every."`
	Call       outgoing.Config     `mapstructure:"call"`
}

// Values of the settings that are words.
const (
	ShipPaid            = "paid"
	ShipCreated         = "created"
	EarlyWait           = "wait"
	EarlyRemember       = "remember"
	FallbackHold        = "hold"
	FallbackProvisional = "provisional"
)

// DefaultConfig works against `storesim backends`. There is one carrier for all shops, so there is no breaker per shop. Later events
// of an order whose shipment is a dead letter go on: a cancellation among them must reach the carrier, which may have taken what we
// know nothing of.
func DefaultConfig() Config {
	consumer := group.DefaultConfig("millrace-fulfillment")
	consumer.Activity = true
	call := outgoing.DefaultConfig()
	call.Breaker.PerShop = false
	return Config{
		Consumer:   consumer,
		Carrier:    outgoing.HTTPConfig{URL: "http://127.0.0.1:8093"},
		ShipOn:     ShipPaid,
		Early:      EarlyWait,
		Fallback:   FallbackHold,
		TrackEvery: 15 * time.Minute,
		TrackFor:   30 * 24 * time.Hour,
		Call:       call,
	}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	p.Part("consumer", c.Consumer.Validate())
	p.Part("carrier", c.Carrier.Validate())
	p.Part("call", c.Call.Validate())
	for _, w := range []struct{ key, value, one, other string }{
		{"ship_on", c.ShipOn, ShipPaid, ShipCreated},
		{"early", c.Early, EarlyWait, EarlyRemember},
		{"fallback", c.Fallback, FallbackHold, FallbackProvisional},
	} {
		if w.value != w.one && w.value != w.other {
			p.Report("%s must be %s or %s, is %q", w.key, w.one, w.other, w.value)
		}
	}
	switch {
	case c.TrackEvery != 0 && c.TrackEvery < time.Second:
		p.Report("track_every must be at least 1s, or 0 for never, is %s", c.TrackEvery)
	case c.TrackFor < c.TrackEvery:
		p.Report("track_for must be at least track_every (%s), is %s", c.TrackEvery, c.TrackFor)
	}
	if wait := c.Call.Timeout + c.Call.MaxWait; wait > c.Consumer.HandlerTimeout {
		p.Report("call.timeout and call.max_wait must together be at most consumer.handler_timeout (%s), are %s", c.Consumer.HandlerTimeout, wait)
	}
	return p.Err()
}
