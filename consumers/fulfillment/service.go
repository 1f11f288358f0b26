package fulfillment

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
const Name = "fulfillment"

// rememberedIDs is how many webhook ids of an order are remembered: it has some ten events in its life.
const rememberedIDs = 32

// Deps is what the program hands to the service.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	HTTP       *http.Client // nil: one of its own, which keeps as many connections as Config.Call has calls at once
	Carrier    Carrier      // nil: the HTTP API of the configuration
}

// Topics are the Kafka topics that the service reads.
func Topics() []string { return []string{schemas.DomainOrders.KafkaTopic(), TasksTopic} }

// Emits are the Kafka topics that the service writes to.
func Emits() []string { return []string{TasksTopic, schemas.OrderEventsTopic} }

// Service builds the service. It connects to nothing; the error tells which setting is at fault.
func Service(cfg Config, d Deps) (group.Service, error) {
	if err := cfg.Validate(); err != nil {
		return group.Service{}, fmt.Errorf("fulfillment: %w", err)
	}
	if d.Logger == nil || d.Registerer == nil {
		return group.Service{}, errors.New("fulfillment: logger and registerer are needed")
	}
	call, err := outgoing.New("carrier", cfg.Call, outgoing.Deps{Logger: d.Logger, Registerer: d.Registerer})
	if err != nil {
		return group.Service{}, fmt.Errorf("fulfillment: %w", err)
	}
	carrier := d.Carrier
	if carrier == nil {
		client := d.HTTP
		if client == nil {
			client = outgoing.NewHTTPClient(cfg.Call.Concurrency)
		}
		carrier = &httpCarrier{outgoing.NewAPI(cfg.Carrier, outgoing.APIDeps{Service: Name, Setting: Name + ".carrier", HTTP: client, Logger: d.Logger})}
	}
	effects := promauto.With(d.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_fulfillment_effects_total", Help: "What the carrier has confirmed: shipments created, orders cancelled, and cancellations that came too late; and what was put off because it was away (provisional). After a crash one may be counted again.",
	}, []string{"effect"})
	h := &handler{
		cfg: cfg, carrier: carrier, call: call,
		created: effects.WithLabelValues("created"), cancelled: effects.WithLabelValues("cancelled"),
		late: effects.WithLabelValues("too_late"), provisional: effects.WithLabelValues("provisional"),
		early: promauto.With(d.Registerer).NewCounter(prometheus.CounterOpts{
			Name: "millrace_fulfillment_early_total", Help: "Refunds remembered because they came before their order.",
		}),
	}
	s := group.Service{
		Name: Name, Topics: Topics(), Emits: Emits(), Handler: h, State: true,
		Dedupe: group.Dedupe{WebhookIDs: rememberedIDs}, // no UpdatedAt: a late creation is needed, however old
	}
	if s.Gate = call; cfg.Fallback == FallbackProvisional {
		s.Gate = call.Through() // events are handled while the carrier is away
	}
	return s, nil
}
