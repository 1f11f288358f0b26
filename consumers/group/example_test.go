package group_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
)

// A complete service: it counts the events of each order, and emits the count.
func Example() {
	kafka := exampleKafka() // a broker with the topics, and three events of one order
	defer kafka.close()

	count := func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
		if len(e.Body) == 0 {
			return group.Permanent(fmt.Errorf("order %s has no body", e.Subject))
		}
		n := append(u.State().Get(), '+')
		if err := u.State().Set(n); err != nil {
			return err
		}
		return u.Emit(group.Record{Topic: "counts", Key: e.Key, Value: n})
	}
	service := group.Service{
		Name: "counter", Topics: []string{"shopify.orders"}, Handler: group.HandlerFunc(count), Emits: []string{"counts"},
		Dedupe: group.Dedupe{WebhookIDs: 32},
	}
	runtime, err := group.New(service, group.DefaultConfig("counter"), group.Deps{
		Kafka: []kgo.Opt{kgo.SeedBrokers(kafka.address)}, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	go kafka.printCounts(3, stop) // what a reader of the topic sees
	fmt.Println("stopped:", runtime.Run(ctx))
	// Output:
	// acme.myshopify.com|order/1 +
	// acme.myshopify.com|order/1 ++
	// acme.myshopify.com|order/1 +++
	// stopped: <nil>
}
