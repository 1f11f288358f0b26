package fulfillment

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/schemas"
)

func TestTheDefaultsAreValidAndGiveAService(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("Validate() error: %v", err)
	}
	s, err := Service(DefaultConfig(), Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()})
	if err != nil || s.Name != Name || !s.State || s.Dedupe.WebhookIDs == 0 || !slices.Equal(s.Topics, []string{"shopify.orders", TasksTopic}) || !slices.Contains(s.Emits, schemas.OrderEventsTopic) {
		t.Errorf("Service() = %+v, %v", s, err)
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
		"carrier.url must be http":       func(c *Config) { c.Carrier.URL = "carrier" },
		"ship_on ":                       func(c *Config) { c.ShipOn = "never" },
		"early ":                         func(c *Config) { c.Early = "" },
		"fallback ":                      func(c *Config) { c.Fallback = "pray" },
		"track_every ":                   func(c *Config) { c.TrackEvery = time.Millisecond },
		"track_for ":                     func(c *Config) { c.TrackFor = time.Minute },
		"call.breaker.failure_ratio ":    func(c *Config) { c.Call.Breaker.FailureRatio = 50 },
		"call.timeout and call.max_wait": func(c *Config) { c.Consumer.HandlerTimeout = time.Second },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), key) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one problem of that key", key, err)
		}
	}
}
