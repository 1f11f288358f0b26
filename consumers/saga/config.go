package saga

import (
	"fmt"
	"os"
	"time"

	"millrace/consumers/internal/check"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
)

// Config is the section "saga".
type Config struct {
	Consumer       group.Config    `mapstructure:"consumer"`
	DefinitionFile string          `mapstructure:"definition_file" help:"File with the steps, as consumers/saga/order.yaml explains them; empty for that one: reserve, charge, fulfil, confirm."`
	Stock          PartnerConfig   `mapstructure:"stock"`
	Payment        PartnerConfig   `mapstructure:"payment"`
	Carrier        PartnerConfig   `mapstructure:"carrier"`
	HTTP           outgoing.Config `mapstructure:"http"`
}

// PartnerConfig is how a partner is reached, and how much it is asked.
type PartnerConfig struct {
	outgoing.HTTPConfig `mapstructure:",squash"`

	Call outgoing.Config `mapstructure:"call"`
}

// DefaultConfig works against `storesim backends`. A step may wait for long without burning an attempt, for a partner that is away: its
// definition says when that is over, and not the runtime.
func DefaultConfig() Config {
	consumer := group.DefaultConfig("millrace-saga")
	consumer.Activity = true
	consumer.Retry.NotReadyMax = 30 * 24 * time.Hour
	at := func(url string) PartnerConfig {
		return PartnerConfig{HTTPConfig: outgoing.HTTPConfig{URL: url}, Call: outgoing.DefaultConfig()}
	}
	return Config{
		Consumer: consumer,
		Stock:    at("http://127.0.0.1:8090"),
		Payment:  at("http://127.0.0.1:8092"),
		Carrier:  at("http://127.0.0.1:8093"),
		HTTP:     outgoing.DefaultConfig(),
	}
}

// Validate returns every problem at once, each with its key. The definition is looked at by Definitions.
func (c Config) Validate() error {
	var p check.Problems
	p.Part("consumer", c.Consumer.Validate())
	if c.Consumer.DeadLetter != group.DeadLetterContinue {
		p.Report("consumer.dead_letter must be %s: a run that is parked waits for later events of its order", group.DeadLetterContinue)
	}
	limits := func(key string, call outgoing.Config) {
		p.Part(key, call.Validate())
		if call.Timeout+call.MaxWait > c.Consumer.HandlerTimeout {
			p.Report("%[1]s.timeout and %[1]s.max_wait must together be at most consumer.handler_timeout (%[2]s), are %[3]s",
				key, c.Consumer.HandlerTimeout, (call.Timeout + call.MaxWait).Round(time.Millisecond))
		}
	}
	for _, partner := range []struct {
		name string
		cfg  PartnerConfig
	}{{"stock", c.Stock}, {"payment", c.Payment}, {"carrier", c.Carrier}} {
		p.Part(partner.name, partner.cfg.Validate())
		limits(partner.name+".call", partner.cfg.Call)
	}
	limits("http", c.HTTP)
	return p.Err()
}

// Definitions reads the definition: the versions of one saga, with the newest last. The error begins with the key.
func (c Config) Definitions() ([]Definition, error) {
	text := orderDefinition
	if c.DefinitionFile != "" {
		var err error
		if text, err = os.ReadFile(c.DefinitionFile); err != nil {
			return nil, fmt.Errorf("definition_file: %w", err)
		}
	}
	all, err := ParseDefinitions(text)
	if err != nil {
		return nil, fmt.Errorf("definition_file %s: %w", c.DefinitionFile, err)
	}
	for i := range all {
		longest := all[i].CompensateFor
		for _, s := range all[i].Steps {
			longest = max(longest, s.Timeout)
		}
		if longest >= c.Consumer.Retry.NotReadyMax {
			return nil, fmt.Errorf("consumer.retry.not_ready_max must be above the longest time of the definition (%s), is %s", longest, c.Consumer.Retry.NotReadyMax)
		}
	}
	return all, nil
}
