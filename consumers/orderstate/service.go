package orderstate

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"millrace/consumers/group"
	"millrace/schemas"
)

// Names of the two services: labels of metrics and logs. Name is also who tells that an order is awaited.
const (
	Name          = "orderstate"
	TranslateName = "translate"
)

// rememberedIDs is how many webhook ids of an order the translation remembers: it has some ten events in its life.
const rememberedIDs = 32

// Topics are the Kafka topics that the fold reads.
func Topics() []string { return []string{schemas.OrderEventsTopic} }

// TranslateTopics are the Kafka topics that the translation reads.
func TranslateTopics() []string { return []string{schemas.DomainOrders.KafkaTopic()} }

// Emits are the topics that both write to.
func Emits() []string { return []string{schemas.OrderEventsTopic} }

// Service builds the fold. It connects to nothing; the error tells which setting is at fault.
func Service(cfg Config, reg prometheus.Registerer) (group.Service, error) {
	if err := cfg.Validate(); err != nil {
		return group.Service{}, fmt.Errorf("%s: %w", Name, err)
	}
	if reg == nil {
		return group.Service{}, errors.New(Name + ": a registerer is needed")
	}
	events := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_orderstate_events_total", Help: "Events of orders folded, by what they did to the state: applied, older than what is known, repeated, waits for its order, or noted. After a crash some are counted again.",
	}, []string{"verdict"})
	h := &folder{events: map[Verdict]prometheus.Counter{}}
	for _, v := range []Verdict{Applied, Older, Repeated, Waits, Noted} {
		h.events[v] = events.WithLabelValues(string(v))
	}
	// No Dedupe: the state is the same however often an event comes.
	return group.Service{Name: Name, Topics: Topics(), Handler: h, Emits: Emits(), State: true}, nil
}

// Translate builds the translation of webhooks into events of orders. It connects to nothing; the error tells which setting is at fault.
func Translate(cfg TranslateConfig) (group.Service, error) {
	if err := cfg.Validate(); err != nil {
		return group.Service{}, fmt.Errorf("%s: %w", TranslateName, err)
	}
	return group.Service{
		Name: TranslateName, Topics: TranslateTopics(), Handler: &translator{contact: cfg.Contact}, Emits: Emits(),
		Dedupe: group.Dedupe{WebhookIDs: rememberedIDs},
	}, nil
}
