package inventory

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// Name of the service: label of metrics and logs.
const Name = "inventory"

// rememberedIDs is how many webhook ids of an order are remembered: it has some ten events in its life.
const rememberedIDs = 32

// Deps is what the program hands to the service.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	HTTP       *http.Client // nil: one of its own, which keeps as many connections as Config.Call has calls at once
	Stock      Stock        // nil: the HTTP API of the configuration
}

// Topics are the Kafka topics that the service reads.
func Topics() []string { return []string{schemas.DomainOrders.KafkaTopic()} }

// Emits are the topics that the service writes to: what it did for an order is an event of the order.
func Emits() []string { return []string{schemas.OrderEventsTopic} }

// Service builds the service. It connects to nothing; the error tells which setting is at fault.
func Service(cfg Config, d Deps) (group.Service, error) {
	if err := cfg.Validate(); err != nil {
		return group.Service{}, fmt.Errorf("inventory: %w", err)
	}
	if d.Logger == nil || d.Registerer == nil {
		return group.Service{}, errors.New("inventory: logger and registerer are needed")
	}
	call, err := outgoing.New("stock", cfg.Call, outgoing.Deps{Logger: d.Logger, Registerer: d.Registerer})
	if err != nil {
		return group.Service{}, fmt.Errorf("inventory: %w", err)
	}
	stock := d.Stock
	if stock == nil {
		client := d.HTTP
		if client == nil {
			client = outgoing.NewHTTPClient(cfg.Call.Concurrency)
		}
		stock = &httpStock{outgoing.NewAPI(cfg.Stock, outgoing.APIDeps{Service: Name, Setting: Name + ".stock", HTTP: client, Logger: d.Logger})}
	}
	effects := promauto.With(d.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_inventory_effects_total", Help: "What the stock system has confirmed: orders reserved, and releases by cancellation and by refund. After a crash one may be counted again.",
	}, []string{"effect"})
	h := &handler{
		cfg: cfg, stock: stock, call: call,
		reserved: effects.WithLabelValues("reserved"), cancelled: effects.WithLabelValues("released_cancelled"), refunded: effects.WithLabelValues("released_refunded"),
		early: promauto.With(d.Registerer).NewCounter(prometheus.CounterOpts{
			Name: "millrace_inventory_early_total", Help: "Events remembered because they came before their order.",
		}),
	}
	return group.Service{
		Name: Name, Topics: Topics(), Handler: h, Emits: Emits(), State: true, Gate: call,
		Dedupe: group.Dedupe{WebhookIDs: rememberedIDs}, // no UpdatedAt: see the package comment
	}, nil
}
