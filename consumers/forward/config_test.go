package forward

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestTheDefaultsAreValidAndGiveAService(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("Validate() error: %v", err)
	}
	s, err := Service(DefaultConfig(), Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()})
	if err != nil || s.Name != Name || !s.State || s.Gate == nil || s.Dedupe.WebhookIDs == 0 || len(s.Topics) != 1 {
		t.Errorf("Service() = %+v, %v", s, err)
	}
	if _, err := Service(DefaultConfig(), Deps{}); err == nil {
		t.Error("Service() accepted nothing to log to")
	}
	if _, err := Service(Config{}, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()}); err == nil {
		t.Error("Service() accepted no configuration")
	}
}

func TestAnotherNameIsAnotherServiceAndGroup(t *testing.T) {
	c := DefaultConfig()
	if got := c.Service() + " " + c.Group(); got != "forward millrace-forward" {
		t.Errorf("without a name: %s", got)
	}
	c.Name, c.Consumer.Member.Group = "crm", "ours"
	if got := c.Service() + " " + c.Group(); got != "forward-crm ours-crm" {
		t.Errorf("with a name: %s", got)
	}
}

func TestEveryProblemIsReportedWithItsKey(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"consumer.concurrency ":          func(c *Config) { c.Consumer.Concurrency = 0 },
		"name ":                          func(c *Config) { c.Name = "My CRM" },
		"url must be http":               func(c *Config) { c.URL = "crm.example.com:hush" },
		"url must have no user":          func(c *Config) { c.URL = "http://me:hush@crm.example.com" },
		"topics[0] ":                     func(c *Config) { c.Topics = []string{"order/create"} },
		"topics ":                        func(c *Config) { c.Topics = nil },
		"endpoint_errors[0] ":            func(c *Config) { c.EndpointErrors = []string{"500"} },
		"endpoint_errors[1] ":            func(c *Config) { c.EndpointErrors = []string{"404", "409"} },
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
	c.Consumer.Concurrency, c.Name, c.Topics = 0, "?", []string{"x/y", "y/z"}
	if n := len(strings.Split(c.Validate().Error(), "\n")); n != 4 {
		t.Errorf("%d problems at once, want 4: %v", n, c.Validate())
	}
}
