package outgoing

import (
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestTheDefaultsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("Validate() error: %v", err)
	}
}

func TestEveryProblemIsReportedWithItsKey(t *testing.T) {
	bad := map[string]func(*Config){
		"timeout ":                      func(c *Config) { c.Timeout = 0 },
		"concurrency ":                  func(c *Config) { c.Concurrency = 0 },
		"max_wait ":                     func(c *Config) { c.MaxWait = time.Minute },
		"rate ":                         func(c *Config) { c.Rate = math.NaN() },
		"burst ":                        func(c *Config) { c.Burst = 0 },
		"shop_rate ":                    func(c *Config) { c.ShopRate = -1 },
		"shop_burst ":                   func(c *Config) { c.ShopBurst = 0 },
		"group_rate ":                   func(c *Config) { c.GroupRate = math.Inf(1) },
		"group_concurrency ":            func(c *Config) { c.GroupConcurrency = -1 },
		"max_shops ":                    func(c *Config) { c.MaxShops = 0 },
		"breaker.failures_in_row ":      func(c *Config) { c.Breaker.FailuresInRow = 0 },
		"breaker.shop_failures_in_row ": func(c *Config) { c.Breaker.ShopFailuresInRow = 0 },
		"breaker.failure_ratio ":        func(c *Config) { c.Breaker.FailureRatio = 50 }, // the library panics
		"breaker.minimum_calls ":        func(c *Config) { c.Breaker.MinimumCalls = 0 },
		"breaker.window ":               func(c *Config) { c.Breaker.Window = 0 },
		"breaker.open_delay ":           func(c *Config) { c.Breaker.OpenDelay = 0 },
		"breaker.open_delay_max ":       func(c *Config) { c.Breaker.OpenDelayMax = -1 },
		"breaker.half_open_calls ":      func(c *Config) { c.Breaker.HalfOpenCalls = 0 },
	}
	all := DefaultConfig()
	for key, change := range bad {
		c := DefaultConfig()
		change(&c)
		change(&all)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), key) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one problem of that key", key, err)
		}
	}
	lines := strings.Split(all.Validate().Error(), "\n")
	if len(lines) != len(bad) {
		t.Errorf("%d problems at once, want %d: %q", len(lines), len(bad), lines)
	}
}

func TestNewRefusesWhatItCannotRunWith(t *testing.T) {
	ok := Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()}
	if _, err := New("a", DefaultConfig(), ok); err != nil {
		t.Errorf("New() error: %v", err)
	}
	if _, err := New("b", DefaultConfig(), ok); err != nil { // two dependencies in one process
		t.Errorf("New() error for a second dependency: %v", err)
	}
	for name, try := range map[string]func() (*Client, error){
		"name":          func() (*Client, error) { return New("", DefaultConfig(), ok) },
		"logger":        func() (*Client, error) { return New("c", DefaultConfig(), Deps{Registerer: ok.Registerer}) },
		"registerer":    func() (*Client, error) { return New("c", DefaultConfig(), Deps{Logger: ok.Logger}) },
		"configuration": func() (*Client, error) { return New("c", Config{}, ok) },
	} {
		if _, err := try(); err == nil {
			t.Errorf("New() accepted a bad %s", name)
		}
	}
}
