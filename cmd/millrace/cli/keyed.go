package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/cmd/millrace/config"
	"millrace/cmd/millrace/supervise"
	"millrace/consumers/analytics"
	"millrace/consumers/erp"
	"millrace/consumers/forward"
	"millrace/consumers/fulfillment"
	consumer "millrace/consumers/group"
	"millrace/consumers/inventory"
	"millrace/consumers/notifications"
	"millrace/consumers/orderstate"
	"millrace/consumers/saga"
	"millrace/schemas"
)

// keyedService is a service on the consumer runtime: what the program has to know of it.
type keyedService struct {
	name, short, long, example string

	section string                                   // of its settings; empty: of its own name
	topics  func(*config.Config) ([]string, error)   // that it reads
	emits   []string                                 // that its handler writes to
	own     []string                                 // of both, those that are its own
	state   bool                                     // whether it has state topics
	config  func(*config.Config) *consumer.Config    // how it is run
	group   func(*config.Config) string              // its consumer group; nil: the one of config
	build   func(*service) (consumer.Service, error) // connects to nothing
}

func (k keyedService) sectionName() string { return cmp.Or(k.section, k.name) }

func (k keyedService) groupID(c *config.Config) string {
	if k.group != nil {
		return k.group(c)
	}
	return k.config(c).Member.Group
}

// always is for services whose topics no setting changes.
func always(topics []string) func(*config.Config) ([]string, error) {
	return func(*config.Config) ([]string, error) { return topics, nil }
}

// keyedServices are all there are.
func keyedServices() []keyedService { return append(builtinServices(), ownServices()...) }

// serviceNames are the names of them all.
func serviceNames() []string {
	var names []string
	for _, k := range keyedServices() {
		names = append(names, k.name)
	}
	return names
}

// serviceSections are the sections of their settings, each once.
func serviceSections() []string {
	var sections []string
	for _, k := range keyedServices() {
		if !slices.Contains(sections, k.sectionName()) {
			sections = append(sections, k.sectionName())
		}
	}
	return sections
}

// builtinServices are those that come with millrace.
func builtinServices() []keyedService {
	return []keyedService{
		{
			name:  inventory.Name,
			short: "Reserve stock for orders, and release it",
			long: "Read the orders as one consumer group, reserve the goods of each at a stock API over HTTP, and release them when the\n" +
				"order is cancelled or refunded: once each, whatever Shopify repeats. An API that is away makes it wait; a request that\n" +
				"the API refuses for good becomes a dead letter (`millrace dlq`). Run as many as you like: they share the partitions.",
			example: "  millrace consume inventory --config millrace.yaml\n" +
				"  millrace consume inventory --kafka-brokers k1:9092 --inventory-stock-url https://stock.internal \\\n" +
				"    --inventory-stock-token-file /run/secrets/stock",
			topics: always(inventory.Topics()), emits: inventory.Emits(), state: true,
			config: func(c *config.Config) *consumer.Config { return &c.Inventory.Consumer },
			build: func(s *service) (consumer.Service, error) {
				return inventory.Service(s.cfg.Inventory, inventory.Deps{Logger: s.log, Registerer: s.registry})
			},
		},
		{
			name:  notifications.Name,
			short: "Mail customers when an order comes and when it ships",
			long: "Read the orders as one consumer group and send one mail per order and one per shipment through an SMTP server, whatever\n" +
				"Shopify repeats. A server that is away makes it wait; a mail that the server refuses for good becomes a dead letter\n" +
				"(`millrace dlq`). The templates are settings. Run as many as you like: they share the partitions.",
			example: "  millrace consume notifications --config millrace.yaml\n" +
				"  millrace consume notifications --kafka-brokers k1:9092 --notifications-smtp-address mail:587 \\\n" +
				"    --notifications-smtp-tls starttls --notifications-from-address 'orders@shop.example'",
			topics: func(c *config.Config) ([]string, error) { return c.Notifications.Topics(), nil }, emits: notifications.Emits(), state: true,
			config: func(c *config.Config) *consumer.Config { return &c.Notifications.Consumer },
			build: func(s *service) (consumer.Service, error) {
				return notifications.Service(s.cfg.Notifications, notifications.Deps{Logger: s.log, Registerer: s.registry})
			},
		},
		{
			name:  fulfillment.Name,
			short: "Have orders shipped by a carrier, cancel and follow the shipments",
			long: "Read the orders as one consumer group and create a shipment for each at a carrier's or warehouse's API over HTTP, once it\n" +
				"is paid (or created: fulfillment.ship_on). Cancel it when the shop cancels the order, and ask for it until it is delivered.\n" +
				"While the API is away events wait, or orders go on, marked as provisional (fulfillment.fallback); a request that it refuses\n" +
				"for good becomes a dead letter (`millrace dlq`). Run as many as you like: they share the partitions.",
			example: "  millrace consume fulfillment --config millrace.yaml\n" +
				"  millrace consume fulfillment --kafka-brokers k1:9092 --fulfillment-carrier-url https://wms.internal \\\n" +
				"    --fulfillment-carrier-token-file /run/secrets/wms --fulfillment-track-every 1h",
			topics: always(fulfillment.Topics()), emits: fulfillment.Emits(), own: []string{fulfillment.TasksTopic}, state: true,
			config: func(c *config.Config) *consumer.Config { return &c.Fulfillment.Consumer },
			build: func(s *service) (consumer.Service, error) {
				return fulfillment.Service(s.cfg.Fulfillment, fulfillment.Deps{Logger: s.log, Registerer: s.registry})
			},
		},
		{
			name:  erp.Name,
			short: "Keep an ERP in step with orders and customers",
			long: "Read the orders and customers as one consumer group and send each version of them as a document to an ERP over HTTP: the\n" +
				"newest one in the end, whatever order Shopify's webhooks come in, and each once. The rate that the ERP bears holds for all\n" +
				"processes together. An ERP that is away makes it wait; a document that it refuses for good becomes a dead letter\n" +
				"(`millrace dlq`). Run as many as you like: they share the partitions.",
			example: "  millrace consume erp --config millrace.yaml\n" +
				"  millrace consume erp --kafka-brokers k1:9092 --erp-api-url https://erp.internal --erp-api-token-file /run/secrets/erp \\\n" +
				"    --erp-call-group-rate 2 --erp-call-group-concurrency 4",
			topics: always(erp.Topics()), emits: erp.Emits(), state: true,
			config: func(c *config.Config) *consumer.Config { return &c.ERP.Consumer },
			build: func(s *service) (consumer.Service, error) {
				return erp.Service(s.cfg.ERP, erp.Deps{Logger: s.log, Registerer: s.registry})
			},
		},
		{
			name:  forward.Name,
			short: "Send events to an HTTP endpoint, for a service in any language",
			long: "Read the events of the Shopify topics in forward.topics as one consumer group and POST each to forward.url: the webhook's\n" +
				"body, byte for byte, signed, with CloudEvents headers and an Idempotency-Key, in the order of each entity. The answer is the\n" +
				"verdict: 2xx done, 409 or 425 not ready yet, 429 later, other 4xx a dead letter (`millrace dlq`), 5xx and no answer again.\n" +
				"For more than one endpoint run one with another --forward-name for each; `topics apply` makes the topics of the one that it\n" +
				"is configured for. Run as many processes of each as you like: they share the partitions.",
			example: "  millrace consume forward --forward-url http://127.0.0.1:8000/ --forward-secret-file secret\n" +
				"  millrace consume forward --forward-name crm --forward-url https://crm.example.com/hooks \\\n" +
				"    --forward-topics 'customers/*,orders/create' --forward-token-file /run/secrets/crm\n" +
				"  MILLRACE_FORWARD_NAME=crm MILLRACE_FORWARD_TOPICS='customers/*,orders/create' millrace topics apply",
			topics: func(c *config.Config) ([]string, error) { return forward.Topics(c.Forward.Topics) }, state: true,
			config: func(c *config.Config) *consumer.Config { return &c.Forward.Consumer },
			group:  func(c *config.Config) string { return c.Forward.Group() },
			build: func(s *service) (consumer.Service, error) {
				return forward.Service(s.cfg.Forward, forward.Deps{Logger: s.log, Registerer: s.registry})
			},
		},
		{
			name:  orderstate.Name,
			short: "Fold the events of each order into its state",
			long: "Read the event store, millrace.order_events, as one consumer group and keep the state of each order, whatever order its\n" +
				"events come in. Something that comes before its order is kept and takes effect when that comes; an order that never comes\n" +
				"becomes a dead letter after orderstate.consumer.retry.not_ready_max. `millrace order check` compares the states with\n" +
				"the store. Run as many as you like: they share the partitions.",
			example: "  millrace consume orderstate --config millrace.yaml\n" +
				"  millrace consume orderstate --kafka-brokers k1:9092 --orderstate-consumer-state-cache pebble",
			topics: always(orderstate.Topics()), emits: orderstate.Emits(), state: true,
			config: func(c *config.Config) *consumer.Config { return &c.OrderState.Consumer },
			build: func(s *service) (consumer.Service, error) {
				return orderstate.Service(s.cfg.OrderState, s.registry)
			},
		},
		{
			name:  orderstate.TranslateName,
			short: "Write each webhook about an order into the event store",
			long: "Read the orders' webhooks as one consumer group and write each, once, as an event of its order into the event store,\n" +
				"millrace.order_events, which `millrace consume orderstate` folds and sagas follow. --translate-contact=false leaves the\n" +
				"customers' addresses out. Run as many as you like: they share the partitions.",
			example: "  millrace consume translate --config millrace.yaml\n" +
				"  millrace consume translate --kafka-brokers k1:9092 --translate-contact=false",
			topics: always(orderstate.TranslateTopics()), emits: orderstate.Emits(), state: true,
			config: func(c *config.Config) *consumer.Config { return &c.Translate.Consumer },
			build:  func(s *service) (consumer.Service, error) { return orderstate.Translate(s.cfg.Translate) },
		},
		{
			name:  saga.Name,
			short: "Lead orders through steps, all of them or none",
			long: "Read the events of orders as one consumer group and lead each order through the steps of a definition: reserve stock, charge\n" +
				"the payment, create the fulfilment, have the confirmation sent. A step that fails for good, and an order that is cancelled,\n" +
				"is undone in reverse; what cannot be undone waits for a person (`millrace saga list --parked`). Steps are data:\n" +
				"saga.definition_file. Run as many as you like: they share the partitions.",
			example: "  millrace consume saga --config millrace.yaml\n" +
				"  millrace consume saga --kafka-brokers k1:9092 --saga-stock-url https://stock.internal \\\n" +
				"    --saga-payment-url https://payment.internal --saga-carrier-url https://carrier.internal",
			topics: always(saga.Topics()), emits: saga.Topics(), state: true,
			config: func(c *config.Config) *consumer.Config { return &c.Saga.Consumer },
			build: func(s *service) (consumer.Service, error) {
				return saga.Service(s.cfg.Saga, saga.Deps{Logger: s.log, Registerer: s.registry})
			},
		},
	}
}

func (a *app) consumeKeyed(k keyedService) *cobra.Command {
	cmd := &cobra.Command{Use: k.name, Short: k.short, Long: k.long, Example: k.example, Args: cobra.NoArgs}
	s := a.use(cmd, []string{"kafka", "topics", k.sectionName(), "admin", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := s.checked()
		if err != nil {
			return err
		}
		svc := a.newService("consume "+k.name, l)
		runtime, err := svc.keyed(k)
		if err != nil {
			return err
		}
		return svc.run(cmd.Context(), runtime.Ready, nil,
			supervise.Component{Name: "topics", Prepare: func(ctx context.Context) error {
				wanted, err := serviceTopics(svc.cfg, k)
				if err != nil {
					return err
				}
				return awaitTopics(ctx, svc.cfg, svc.log, svc.ready.waiting, wanted)
			}},
			supervise.Component{Name: k.name, Run: runtime.Run},
		)
	}
	return cmd
}

// keyed builds the runtime of a service.
func (s *service) keyed(k keyedService) (*consumer.Runtime, error) {
	svc, err := k.build(s)
	if err != nil {
		return nil, err
	}
	options, err := s.cfg.Kafka.Options(s.log)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	options = append(options, kgo.WithHooks(newClientsMetrics(s.registry, k.name)))
	cfg := *k.config(&s.cfg)
	cfg.Member.Group = k.groupID(&s.cfg)
	return consumer.New(svc, cfg, consumer.Deps{Kafka: options, Logger: s.log, Registerer: s.registry})
}

// clientsMetrics are the Kafka metrics of a runtime, which has several clients over time: one that consumes, one that produces, and
// another one of these after trouble. kprom registers its metrics anew with each client, which a registry refuses; here the first
// client registers them and all count into them. They stay until the program ends.
type clientsMetrics struct {
	*kprom.Metrics

	once sync.Once
}

func newClientsMetrics(reg prometheus.Registerer, client string) *clientsMetrics {
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"client": client}, reg)
	return &clientsMetrics{Metrics: kprom.NewMetrics("millrace_kafka", kprom.Registerer(labelled))}
}

// OnNewClient implements kgo.HookNewClient.
func (m *clientsMetrics) OnNewClient(cl *kgo.Client) { m.once.Do(func() { m.Metrics.OnNewClient(cl) }) }

// OnClientClosed implements kgo.HookClientClosed.
func (m *clientsMetrics) OnClientClosed(*kgo.Client) {}

// allTopics is the plan of everything: the domains, what services did, the events of orders, and what each service needs beside them.
func allTopics(cfg config.Config) ([]schemas.TopicSpec, error) {
	wanted, err := analyticsTopics(cfg)
	if err != nil {
		return nil, err
	}
	for _, k := range keyedServices() {
		own, err := groupTopics(cfg, k)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, own...)
	}
	return wanted, nil
}

// analyticsTopics are those that the sink reads or writes.
func analyticsTopics(cfg config.Config) ([]schemas.TopicSpec, error) {
	if cfg.Analytics.Group == "" {
		return nil, errors.New("analytics.group must not be empty: topics are named after it")
	}
	domains, err := schemas.TopicPlan(cfg.Topics)
	if err != nil {
		return nil, err
	}
	activity, err := schemas.ActivityTopics(cfg.Topics)
	if err != nil {
		return nil, err
	}
	store, err := schemas.OrderEventsTopics(cfg.Topics)
	if err != nil {
		return nil, err
	}
	letters, err := schemas.DeadLetterTopics(cfg.Analytics.Group, analytics.Topics(), cfg.Topics)
	return slices.Concat(domains, activity, store, letters), err
}

// serviceTopics are those that one service reads or writes.
func serviceTopics(cfg config.Config, k keyedService) ([]schemas.TopicSpec, error) {
	domains, err := schemas.TopicPlan(cfg.Topics)
	if err != nil {
		return nil, err
	}
	store, err := schemas.OrderEventsTopics(cfg.Topics)
	if err != nil {
		return nil, err
	}
	own, err := groupTopics(cfg, k)
	if err != nil {
		return nil, err
	}
	topics, err := k.topics(&cfg)
	if err != nil {
		return nil, fmt.Errorf("%s.%w", k.sectionName(), err)
	}
	shared := slices.DeleteFunc(append(domains, store...), func(t schemas.TopicSpec) bool {
		return !slices.Contains(topics, t.Name) && !slices.Contains(k.emits, t.Name)
	})
	return append(shared, own...), nil
}

// groupTopics are those that a service alone reads or writes.
func groupTopics(cfg config.Config, k keyedService) ([]schemas.TopicSpec, error) {
	if k.config(&cfg).Member.Group == "" {
		return nil, fmt.Errorf("%s.consumer.group must not be empty: topics are named after it", k.sectionName())
	}
	topics, err := k.topics(&cfg)
	if err != nil {
		return nil, fmt.Errorf("%s.%w", k.sectionName(), err)
	}
	plan, err := schemas.GroupTopics(k.groupID(&cfg), topics, k.state, cfg.Topics)
	if err != nil {
		return nil, err
	}
	for _, name := range k.own {
		own, err := schemas.ServiceTopic(name, cfg.Topics)
		if err != nil {
			return nil, err
		}
		plan = append(plan, own)
	}
	return plan, nil
}
