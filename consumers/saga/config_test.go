package saga

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"millrace/consumers/group"

	"github.com/prometheus/client_golang/prometheus"
)

func TestTheDefaultsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("Validate() error: %v", err)
	}
	s, err := Service(DefaultConfig(), Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()})
	if err != nil || s.Handler == nil || !s.State || s.Topics[0] != "millrace.order_events" || s.Emits[0] != s.Topics[0] {
		t.Errorf("Service() = %+v, %v", s, err)
	}
	if _, err := Service(DefaultConfig(), Deps{}); err == nil {
		t.Error("Service() accepted nothing to log to")
	}
}

func TestEveryProblemIsReportedWithItsKey(t *testing.T) {
	missing := t.TempDir() + "/nothing"
	step := func(do string) func(*Config) {
		return defined(t, "saga: a\nversion: 1\nstarts_on: OrderCreated\ntimeout: 1m\ncompensate_for: 1h\nsteps:\n- {step: s, do: "+do+"}\n")
	}
	for key, change := range map[string]func(*Config){
		"saga: consumer.concurrency ":                     func(c *Config) { c.Consumer.Concurrency = 0 },
		"saga: consumer.dead_letter must be continue":     func(c *Config) { c.Consumer.DeadLetter = "park" },
		"saga: payment.url must be http":                  func(c *Config) { c.Payment.URL = "payment.example:hush" },
		"saga: stock.call.breaker.failure_ratio ":         func(c *Config) { c.Stock.Call.Breaker.FailureRatio = 50 },
		"saga: carrier.call.timeout and carrier.call.max": func(c *Config) { c.Carrier.Call.Timeout = time.Minute },
		"saga: http.timeout and http.max_wait":            func(c *Config) { c.HTTP.Timeout = time.Minute },
		"saga: definition_file: open ":                    func(c *Config) { c.DefinitionFile = missing },
		"saga: definition_file /":                         step("nothing"),
		"saga: definition_file: step s: url must be http": step("{http: {url: hush}}"),
		"saga: definition_file: step s: token_file: open": step("{http: {url: 'http://h.example', token_file: " + missing + "}}"),
		"saga: consumer.retry.not_ready_max must be abov": func(c *Config) { c.Consumer.Retry.NotReadyMax = time.Hour },
	} {
		c := DefaultConfig()
		change(&c)
		_, err := Service(c, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()})
		if err == nil || !strings.HasPrefix(err.Error(), key) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want one problem of that key, without secrets", key, err)
		}
	}
}

// A limit of the group lets nothing through before the service's gate has told each client its share.
func TestLimitsOfTheGroupReachEveryPartner(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Stock.Call.GroupRate = 5
	s, err := Service(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Gate.(group.Shared); !ok || s.Gate.Permits() != -1 {
		t.Errorf("the gate is %T", s.Gate)
	}
	if h := s.Handler.(*handler); len(h.clients) != 3 {
		t.Errorf("%d clients are told, want those of stock, payment and carrier", len(h.clients))
	}
}
