package notifications

import (
	"strings"
	"testing"
	"time"
)

func TestTheDefaultsAreValid(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("Validate() error: %v", err)
	}
}

func TestEachProblemIsToldWithItsKey(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*Config){
		"consumer.group must not be empty":                      func(c *Config) { c.Consumer.Member.Group = "" },
		"consumer.retry.schedule must have":                     func(c *Config) { c.Consumer.Retry.Schedule = nil },
		"smtp.address must be host:port, is \"mail\"":           func(c *Config) { c.SMTP.Address = "mail" },
		"smtp.tls must be none, starttls or tls, is \"ssl\"":    func(c *Config) { c.SMTP.TLS = "ssl" },
		"smtp.tls must be starttls or tls where there is a use": func(c *Config) { c.SMTP.Address, c.SMTP.Username = "mail.example:25", "u" },
		"smtp.username must not be empty":                       func(c *Config) { c.SMTP.Password = "hush" },
		"smtp.idle_connections must be from 0":                  func(c *Config) { c.SMTP.IdleConnections = -1 },
		"smtp.idle_timeout must be at least 10ms":               func(c *Config) { c.SMTP.IdleTimeout = 0 },
		"from.address must be an e-mail address, is \"nobody\"": func(c *Config) { c.From.Address = "nobody" },
		"reply_to must be an e-mail address":                    func(c *Config) { c.ReplyTo = "A <a@b.example>" },
		"order_on must be created, paid or saga":                func(c *Config) { c.OrderOn = "" },
		"shipping_on must be tracked or created":                func(c *Config) { c.ShippingOn = "never" },
		"max_age must not be negative":                          func(c *Config) { c.MaxAge = -time.Second },
		"call.timeout and call.max_wait must together be":       func(c *Config) { c.Call.Timeout = c.Consumer.HandlerTimeout },
		"call.timeout must be at least 1ms":                     func(c *Config) { c.Call.Timeout = 0 },
	} {
		cfg := DefaultConfig()
		spoil(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Validate() = %v, want %q alone", err, want)
		}
	}
	cfg := DefaultConfig()
	cfg.SMTP.Address, cfg.ReplyTo = "", "x"
	cfg.Consumer.Concurrency = 0
	if err := cfg.Validate(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("Validate() = %v, want three problems at once", err)
	}
}

func TestTheSenderMayNameTheShop(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.From, cfg.ReplyTo = FromConfig{Address: "{shop}@mail.example", Name: "Team {shop}"}, "help+{shop}@mail.example"
	if err := cfg.Validate(); err != nil {
		t.Fatalf("Validate() error: %v", err)
	}
	m := (&handler{cfg: cfg}).message("acme.myshopify.com", "order_confirmation/1", 1, "ada@example.com", content{})
	if m.From.Name != "Team acme" || m.From.Address != "acme@mail.example" || m.ReplyTo != "help+acme@mail.example" || !strings.HasSuffix(m.ID, "@mail.example") ||
		m.EventKey != "acme.myshopify.com/order_confirmation/1" || m.Shop != "acme.myshopify.com" || m.Order != "1" {
		t.Errorf("message() = %+v", m)
	}
}
