package erp

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
	if err != nil || s.Handler == nil || s.Gate == nil || strings.Join(s.Topics, " ") != "shopify.orders shopify.customers" {
		t.Errorf("Service() = %+v, error: %v", s, err)
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
		"consumer.concurrency ":               func(c *Config) { c.Consumer.Concurrency = 0 },
		"api.url must be http":                func(c *Config) { c.API.URL = "erp.example.com:hush" },
		"fallback must be hold, provisional ": func(c *Config) { c.Fallback = "skip" },
		"alternative.url must be http":        func(c *Config) { c.Fallback = FallbackAlternative },
		"alternative.url is used with ":       func(c *Config) { c.Alternative.URL = "http://other" },
		"call.group_rate ":                    func(c *Config) { c.Call.GroupRate = -1 },
		"call.timeout and call.max_wait":      func(c *Config) { c.Consumer.HandlerTimeout = time.Second },
		"mapping[0] must be field=path":       func(c *Config) { c.Mapping = []string{"a b=name"} },
		"mapping[1] must name each field":     func(c *Config) { c.Mapping = []string{"a=name", "a=note"} },
		"mapping[1] must have a plain path":   func(c *Config) { c.Mapping = []string{"a=name", "b=@this"} },
		"mapping must have at most":           func(c *Config) { c.Mapping = make([]string, maxMapped+1) },
	} {
		c := DefaultConfig()
		change(&c)
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), key) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want one problem of that key, without secrets", key, err)
		}
	}
	c := DefaultConfig()
	c.Consumer.Concurrency, c.API.URL, c.Fallback = 0, "", ""
	if n := len(strings.Split(c.Validate().Error(), "\n")); n != 3 {
		t.Errorf("%d problems at once, want 3: %v", n, c.Validate())
	}
}
