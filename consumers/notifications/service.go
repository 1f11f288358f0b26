package notifications

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// Name of the service: label of metrics and logs.
const Name = "notifications"

// rememberedIDs is how many webhook ids of an order are remembered: it has some ten events in its life.
const rememberedIDs = 32

// Deps is what the program hands to the service.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Mailer     Mailer // nil: the SMTP server of the configuration
}

// Topics are the Kafka topics that the service reads.
func (c Config) Topics() []string {
	topics := []string{schemas.DomainOrders.KafkaTopic()}
	if c.OrderOn == OrderSaga {
		topics = append(topics, schemas.OrderEventsTopic)
	}
	return topics
}

// orderTopic is the topic of the event that an order is confirmed by.
func (c Config) orderTopic() string {
	switch c.OrderOn {
	case OrderPaid:
		return "orders/paid"
	case OrderSaga:
		return schemas.OrderEventTopic(schemas.TypeConfirmationRequested)
	default:
		return "orders/create"
	}
}

// Emits are the topics that the service writes to: a mail about an order is an event of the order.
func Emits() []string { return []string{schemas.OrderEventsTopic} }

// Service builds the service. It connects to nothing; the error tells which setting, file or template is at fault.
func Service(cfg Config, d Deps) (group.Service, error) {
	if err := cfg.Validate(); err != nil {
		return group.Service{}, fmt.Errorf("notifications: %w", err)
	}
	t, err := loadTemplates(cfg.Templates)
	if err != nil {
		return group.Service{}, fmt.Errorf("notifications: templates: %w", err)
	}
	mailer := d.Mailer
	if mailer == nil {
		if mailer, err = newSMTP(cfg.SMTP, cfg.Call.Timeout); err != nil {
			return group.Service{}, fmt.Errorf("notifications: %w", err)
		}
	}
	call, err := outgoing.New("smtp", cfg.Call, outgoing.Deps{Logger: d.Logger, Registerer: d.Registerer})
	if err != nil {
		return group.Service{}, fmt.Errorf("notifications: %w", err)
	}
	sent := promauto.With(d.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_notifications_mails_sent_total", Help: "Mails that the mail server has taken, by kind.",
	}, []string{"kind"})
	h := &handler{
		cfg: cfg, templates: t, mailer: mailer, call: call, log: d.Logger, now: time.Now,
		sentOrders: sent.WithLabelValues(kindOrder), sentShipments: sent.WithLabelValues(kindShipping),
		loginLog: &rate.Sometimes{Interval: time.Minute},
	}
	return group.Service{
		Name: Name, Topics: cfg.Topics(), Handler: h, Emits: Emits(), State: true, Gate: call,
		Dedupe: group.Dedupe{WebhookIDs: rememberedIDs},
	}, nil
}
