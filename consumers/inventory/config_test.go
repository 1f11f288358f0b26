package inventory

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestTheDefaultsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("Validate() error: %v", err)
	}
	s, err := Service(DefaultConfig(), Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()})
	if err != nil || s.Handler == nil {
		t.Errorf("Service() error: %v", err)
	}
	if _, err := Service(DefaultConfig(), Deps{}); err == nil {
		t.Error("Service() accepted nothing to log to")
	}
	if _, err := Service(Config{}, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()}); err == nil {
		t.Error("Service() accepted no configuration")
	}
}

func TestEveryProblemIsReportedWithItsKey(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"consumer.concurrency ":          func(c *Config) { c.Consumer.Concurrency = 0 },
		"consumer.retry.jitter ":         func(c *Config) { c.Consumer.Retry.Jitter = 2 },
		"stock.url must be http":         func(c *Config) { c.Stock.URL = "stock.example.com:hush" },
		"stock.url must have no user":    func(c *Config) { c.Stock.URL = "http://me:hush@stock.example.com" },
		"stock.url must have no query":   func(c *Config) { c.Stock.URL = "http://stock.example.com?token=hush" },
		"early ":                         func(c *Config) { c.Early = "never" },
		"call.breaker.failure_ratio ":    func(c *Config) { c.Call.Breaker.FailureRatio = 50 },
		"call.timeout and call.max_wait": func(c *Config) { c.Consumer.HandlerTimeout = time.Second },
	} {
		c := DefaultConfig()
		change(&c)
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), key) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want one problem of that key, without secrets", key, err)
		}
	}
	c := DefaultConfig()
	c.Consumer.Concurrency, c.Consumer.BufferBytes, c.Early = 0, 0, ""
	if n := len(strings.Split(c.Validate().Error(), "\n")); n != 3 {
		t.Errorf("%d problems at once, want 3: %v", n, c.Validate())
	}
}
