package forward

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// rememberedIDs is how many webhook ids of an entity are remembered, so that what Shopify repeats is not sent again.
const rememberedIDs = 32

// Deps is what the program hands to the service.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	HTTP       *http.Client // nil: one of its own, which keeps as many connections as Config.Call has calls at once
}

// Service builds the service, which is to run in the consumer group Config.Group. It connects to nothing; the error tells which
// setting is at fault.
func Service(cfg Config, d Deps) (group.Service, error) {
	if err := cfg.Validate(); err != nil {
		return group.Service{}, fmt.Errorf("forward: %w", err)
	}
	if d.Logger == nil || d.Registerer == nil {
		return group.Service{}, errors.New("forward: logger and registerer are needed")
	}
	name := cfg.Service()
	call, err := outgoing.New(name, cfg.Call, outgoing.Deps{Logger: d.Logger, Registerer: d.Registerer})
	if err != nil {
		return group.Service{}, fmt.Errorf("forward: %w", err)
	}
	topics, err := Topics(cfg.Topics)
	if err != nil {
		return group.Service{}, fmt.Errorf("forward: %w", err)
	}
	endpoints, err := statuses(cfg.EndpointErrors)
	if err != nil {
		return group.Service{}, fmt.Errorf("forward: %w", err)
	}
	client := d.HTTP
	if client == nil {
		client = outgoing.NewHTTPClient(cfg.Call.Concurrency)
	}
	h := &handler{
		chosen: cfg.Topics, call: call, log: d.Logger.With("service", name),
		target: &target{
			client: client, url: cfg.URL, key: []byte(cfg.Secret.Reveal()), token: cfg.Token,
			agent: "millrace-" + name, endpoints: endpoints,
		},
		misplaced: &rate.Sometimes{Interval: time.Minute},
	}
	return group.Service{
		Name: name, Topics: topics, Handler: h, State: true, Gate: call, Priority: priority,
		Dedupe: group.Dedupe{WebhookIDs: rememberedIDs}, // no UpdatedAt: the endpoint shall see every event
	}, nil
}

// priority lets payments and orders go before carts when the service is behind.
func priority(topic string) group.Priority {
	t, _ := schemas.Lookup(topic)
	switch t.Priority {
	case schemas.PriorityCritical, schemas.PriorityHigh:
		return group.High
	case schemas.PriorityLow:
		return group.Low
	default:
		return group.Normal
	}
}
