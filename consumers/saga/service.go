package saga

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
	"millrace/schemas/secret"
)

// Name of the service: label of metrics and logs, and OrderEvent.By.
const Name = "saga"

// Deps is what the program hands to the service.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	HTTP       *http.Client // nil: one of its own for each partner, which keeps as many connections as it has calls at once
	// The partners; nil: the HTTP APIs of the configuration.
	Stock    Stock
	Payment  Payment
	Carrier  Carrier
	Endpoint Endpoint // of every step with the action http
}

// Topics are the Kafka topics that the service reads, and writes.
func Topics() []string { return []string{schemas.OrderEventsTopic} }

// Service builds the service. It connects to nothing; the error tells which setting, file or line is at fault.
func Service(cfg Config, d Deps) (group.Service, error) {
	h, err := newHandler(cfg, d)
	if err != nil {
		return group.Service{}, fmt.Errorf("saga: %w", err)
	}
	// A partner that is away must not hold up the steps at others.
	return group.Service{Name: Name, Topics: Topics(), Emits: Topics(), Handler: h, State: true, Gate: outgoing.Open(h.clients...)}, nil
}

func newHandler(cfg Config, d Deps) (*handler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if d.Logger == nil || d.Registerer == nil {
		return nil, errors.New("logger and registerer are needed")
	}
	definitions, err := cfg.Definitions()
	if err != nil {
		return nil, err
	}
	b := &builder{cfg: cfg, deps: d}
	h := &handler{definitions: definitions, steps: map[stepKey]actions{}, now: time.Now, m: newMetrics(d.Registerer)}
	for i := range definitions {
		for _, s := range definitions[i].Steps {
			var a actions
			if a.do, err = b.action(s.Name, &s.Do, false); err != nil {
				return nil, err
			}
			if s.Undo.Name != "" {
				if a.undo, err = b.action(s.Name, &s.Undo, true); err != nil {
					return nil, err
				}
			}
			h.steps[stepKey{definitions[i].Version, s.Name}] = a
		}
	}
	h.clients = b.clients
	return h, nil
}

type metrics struct {
	runs, steps *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	return &metrics{
		runs: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_saga_runs_total", Help: "Runs that started, turned round to be undone, and ended or were parked. After a crash one may be counted again.",
		}, []string{"phase"}),
		steps: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_saga_steps_total", Help: "Steps that were done, passed over, undone, or failed, by class of the failure. After a crash one may be counted again.",
		}, []string{"step", "outcome"}),
	}
}

// builder makes the actions of a definition, with one client per partner.
type builder struct {
	cfg  Config
	deps Deps

	stock     *partner[Stock]
	payment   *partner[Payment]
	carrier   *partner[Carrier]
	endpoints map[string]partner[Endpoint] // by address and token
	clients   []*outgoing.Client           // of all of them
}

func (b *builder) action(step string, a *Action, undo bool) (action, error) {
	switch a.Name {
	case actionReserve, actionRelease:
		p, err := gateway(b, &b.stock, "stock", b.cfg.Stock, b.deps.Stock, func(o over) Stock { return httpStock{o} })
		if undo {
			return release(p), err
		}
		return reserve(p), err
	case actionCharge, actionRefund:
		p, err := gateway(b, &b.payment, "payment", b.cfg.Payment, b.deps.Payment, func(o over) Payment { return httpPayment{o} })
		if undo {
			return refund(p), err
		}
		return charge(p, a.Amount), err
	case actionShip, actionCancel:
		p, err := gateway(b, &b.carrier, "carrier", b.cfg.Carrier, b.deps.Carrier, func(o over) Carrier { return httpCarrier{o} })
		if undo {
			return cancel(p), err
		}
		return ship(p), err
	case actionHTTP:
		p, err := b.endpoint(step, a)
		return endpoint(p, undo), err
	default:
		return confirm, nil
	}
}

// gateway makes a partner when it is first asked for.
func gateway[G comparable](b *builder, made **partner[G], name string, cfg PartnerConfig, given G, over func(over) G) (partner[G], error) {
	if *made == nil {
		p, err := newPartner(b, name, cfg, given, over)
		if err != nil {
			return p, err
		}
		*made = &p
	}
	return **made, nil
}

func newPartner[G comparable](b *builder, name string, cfg PartnerConfig, given G, make func(over) G) (p partner[G], err error) {
	// Beside a service for the same partner, in one process: the names of clients must differ.
	if p.call, err = outgoing.New("saga-"+name, cfg.Call, outgoing.Deps{Logger: b.deps.Logger, Registerer: b.deps.Registerer}); err != nil {
		return p, err
	}
	b.clients = append(b.clients, p.call)
	var none G
	if p.gateway = given; given != none {
		return p, nil
	}
	client := b.deps.HTTP
	if client == nil {
		client = outgoing.NewHTTPClient(cfg.Call.Concurrency)
	}
	p.gateway = make(over{outgoing.NewAPI(cfg.HTTPConfig, outgoing.APIDeps{Service: Name, Setting: Name + "." + name, HTTP: client, Logger: b.deps.Logger})})
	return p, nil
}

// endpoint makes the partner of an http action. Steps with the same address share it, with its breaker and limits.
func (b *builder) endpoint(step string, a *Action) (partner[Endpoint], error) {
	id := a.URL + " " + a.TokenFile
	if p, ok := b.endpoints[id]; ok {
		return p, nil
	}
	cfg := PartnerConfig{HTTPConfig: outgoing.HTTPConfig{URL: a.URL}, Call: b.cfg.HTTP}
	if err := cfg.Validate(); err != nil {
		return partner[Endpoint]{}, fmt.Errorf("definition_file: step %s: %w", step, err)
	}
	if a.TokenFile != "" {
		text, err := os.ReadFile(a.TokenFile)
		if err != nil {
			return partner[Endpoint]{}, fmt.Errorf("definition_file: step %s: token_file: %w", step, err)
		}
		cfg.Token = secret.Secret(strings.TrimSpace(string(text)))
	}
	name := fmt.Sprintf("http-%d", len(b.endpoints)+1)
	p, err := newPartner(b, name, cfg, b.deps.Endpoint, func(o over) Endpoint { return httpEndpoint{o} })
	if err != nil {
		return p, err
	}
	if b.endpoints == nil {
		b.endpoints = map[string]partner[Endpoint]{}
	}
	b.endpoints[id] = p
	return p, nil
}
