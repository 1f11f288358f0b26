package inventory

import (
	"time"

	"millrace/consumers/internal/check"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
)

// Config is the section "inventory".
type Config struct {
	Consumer group.Config        `mapstructure:"consumer"`
	Stock    outgoing.HTTPConfig `mapstructure:"stock"`
	Early    string              `mapstructure:"early" help:"What happens to a cancellation, refund or shipment that comes before its order: wait for the order, and become a dead letter when consumer.retry.not_ready_max has passed; or remember it with the state of the order until that comes, however long it takes, seen by nobody."`
	Call     outgoing.Config     `mapstructure:"call"`
}

// Values of Config.Early.
const (
	EarlyWait     = "wait"
	EarlyRemember = "remember"
)

// DefaultConfig works against `storesim backends`. Later events of an order whose reservation is a dead letter are parked: they are
// about goods that were never reserved, and would all become dead letters too.
func DefaultConfig() Config {
	consumer := group.DefaultConfig("millrace-inventory")
	consumer.DeadLetter = group.DeadLetterPark
	consumer.Activity = true
	return Config{
		Consumer: consumer,
		Stock:    outgoing.HTTPConfig{URL: "http://127.0.0.1:8090"},
		Early:    EarlyWait,
		Call:     outgoing.DefaultConfig(),
	}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	p.Part("consumer", c.Consumer.Validate())
	p.Part("stock", c.Stock.Validate())
	p.Part("call", c.Call.Validate())
	if c.Early != EarlyWait && c.Early != EarlyRemember {
		p.Report("early must be %s or %s, is %q", EarlyWait, EarlyRemember, c.Early)
	}
	if c.Call.Timeout+c.Call.MaxWait > c.Consumer.HandlerTimeout {
		p.Report("call.timeout and call.max_wait must together be at most consumer.handler_timeout (%s), are %s",
			c.Consumer.HandlerTimeout, (c.Call.Timeout + c.Call.MaxWait).Round(time.Millisecond))
	}
	return p.Err()
}
