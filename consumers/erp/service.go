package erp

import (
	"context"
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
const Name = "erp"

// rememberedIDs is how many webhook ids of an order are remembered: it has some ten events in its life.
const rememberedIDs = 32

// Deps is what the program hands to the service.
type Deps struct {
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
	HTTP        *http.Client // nil: one of its own, which keeps as many connections as Config.Call has calls at once
	ERP         ERP          // nil: the HTTP API of the configuration
	Alternative ERP          // likewise
}

// Topics are the Kafka topics that the service reads.
func Topics() []string {
	return []string{schemas.DomainOrders.KafkaTopic(), schemas.DomainCustomers.KafkaTopic()}
}

// Emits are the topics that the service writes to: what it did for an order is an event of the order.
func Emits() []string { return []string{schemas.OrderEventsTopic} }

// Service builds the service. It connects to nothing; the error tells which setting is at fault.
func Service(cfg Config, d Deps) (group.Service, error) {
	if err := cfg.Validate(); err != nil {
		return group.Service{}, fmt.Errorf("erp: %w", err)
	}
	if d.Logger == nil || d.Registerer == nil {
		return group.Service{}, errors.New("erp: logger and registerer are needed")
	}
	fields, err := readMapping(cfg.Mapping)
	if err != nil {
		return group.Service{}, fmt.Errorf("erp: %w", err)
	}
	documents := promauto.With(d.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_erp_documents_total", Help: "Documents that the ERP has confirmed. After a crash one may be counted again.",
	}, []string{"kind"})
	h := &handler{
		mapping: fields, provisional: cfg.Fallback == FallbackProvisional,
		orders: documents.WithLabelValues(string(Order)), customers: documents.WithLabelValues(string(Customer)),
		provisionals: promauto.With(d.Registerer).NewCounter(prometheus.CounterOpts{
			Name: "millrace_erp_provisional_total", Help: "Orders and customers of which was told that the ERP is away and has yet to get them.",
		}),
	}
	gate, err := h.connect(cfg, d)
	if err != nil {
		return group.Service{}, fmt.Errorf("erp: %w", err)
	}
	return group.Service{
		Name: Name, Topics: Topics(), Emits: Emits(), Handler: h, State: true, Gate: gate, Supersedes: h.supersedes,
		Dedupe: group.Dedupe{WebhookIDs: rememberedIDs}, // no UpdatedAt: the state knows more, see the package comment
	}, nil
}

// connect makes what calls are made by, and the gate of the service: what is known of the ERP's health.
func (h *handler) connect(cfg Config, d Deps) (group.Gate, error) {
	http := d.HTTP
	if http == nil {
		http = outgoing.NewHTTPClient(cfg.Call.Concurrency)
	}
	at := func(erp ERP, key string, where outgoing.HTTPConfig) ERP {
		if erp != nil {
			return erp
		}
		return &httpERP{outgoing.NewAPI(where, outgoing.APIDeps{Service: Name, Setting: Name + "." + key, HTTP: http, Logger: d.Logger})}
	}
	deps := outgoing.Deps{Logger: d.Logger, Registerer: d.Registerer}
	client, err := outgoing.New("erp", cfg.Call, deps)
	if err != nil {
		return nil, err
	}
	main := at(d.ERP, "api", cfg.API)
	if cfg.Fallback != FallbackAlternative {
		h.call = func(ctx context.Context, shop string, f func(context.Context, ERP) error) error {
			return client.Do(ctx, shop, func(ctx context.Context) error { return f(ctx, main) })
		}
		if h.provisional { // while the ERP is away there is something to be told of each event
			return client.Through(), nil
		}
		return client, nil
	}
	second, err := outgoing.New("erp_alternative", cfg.Call, deps)
	if err != nil {
		return nil, err
	}
	alternative, pair := at(d.Alternative, "alternative", cfg.Alternative), outgoing.NewFallback(client, second)
	h.call = func(ctx context.Context, shop string, f func(context.Context, ERP) error) error {
		return pair.Do(ctx, shop,
			func(ctx context.Context) error { return f(ctx, main) },
			func(ctx context.Context) error { return f(ctx, alternative) })
	}
	return pair, nil
}
