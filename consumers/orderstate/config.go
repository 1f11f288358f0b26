package orderstate

import (
	"time"

	"millrace/consumers/internal/check"

	"millrace/consumers/group"
)

// Config is the section "orderstate": the fold.
type Config struct {
	Consumer group.Config `mapstructure:"consumer"`
}

// TranslateConfig is the section "translate".
type TranslateConfig struct {
	Consumer group.Config `mapstructure:"consumer"`
	Contact  bool         `mapstructure:"contact" help:"Keep the customer's mail address, phone number and delivery address in the events of orders, for services that send goods and mails by them. They stay for topics.order_events_retention; false leaves them out."`
}

// DefaultConfig waits for an order for longer than Shopify repeats a webhook, which is four hours.
func DefaultConfig() Config {
	consumer := group.DefaultConfig("millrace-orderstate")
	consumer.Retry.NotReadyMax = 6 * time.Hour
	return Config{Consumer: consumer}
}

// DefaultTranslateConfig returns the settings of the translation.
func DefaultTranslateConfig() TranslateConfig {
	return TranslateConfig{Consumer: group.DefaultConfig("millrace-translate"), Contact: true}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	p.Part("consumer", c.Consumer.Validate())
	return p.Err()
}

// Validate returns every problem at once, each with its key.
func (c TranslateConfig) Validate() error {
	var p check.Problems
	p.Part("consumer", c.Consumer.Validate())
	return p.Err()
}
