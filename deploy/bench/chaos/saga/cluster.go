package saga

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"millrace/consumers/group/status"
	"millrace/consumers/orderstate"
	"millrace/consumers/saga"
	"millrace/deploy/bench/chaos/cluster"
	"millrace/partitioning/kafkatest"
	"millrace/schemas"
)

const (
	brokers    = 3
	partitions = 6
)

// groups are the services with the consumer groups that they have by default.
func groups() []status.Group {
	return []status.Group{
		{Name: orderstate.TranslateName, Group: orderstate.DefaultTranslateConfig().Consumer.Member.Group, Topics: orderstate.TranslateTopics()},
		{Name: orderstate.Name, Group: orderstate.DefaultConfig().Consumer.Member.Group, Topics: orderstate.Topics()},
		{Name: saga.Name, Group: saga.DefaultConfig().Consumer.Member.Group, Topics: saga.Topics()},
	}
}

// startKafka starts the brokers and makes the topics.
func startKafka(ctx context.Context, o *Options, progress io.Writer) (*kafkatest.Cluster, error) {
	kafka, err := kafkatest.New(ctx, kafkatest.Config{Brokers: brokers, Dir: o.Dir, Progress: progress})
	if err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	if err := makeTopics(ctx, kafka.Brokers()); err != nil {
		return nil, errors.Join(err, kafka.Close())
	}
	return kafka, nil
}

// makeTopics makes those of the services that run; the plan of everything has a hundred more.
func makeTopics(ctx context.Context, seeds []string) error {
	options := schemas.DefaultPlanOptions()
	options.Partitions = partitions
	domains, err := schemas.TopicPlan(options)
	if err != nil {
		return err
	}
	domains = slices.DeleteFunc(domains, func(t schemas.TopicSpec) bool { return t.Name != schemas.DomainOrders.KafkaTopic() })
	activity, err := schemas.ActivityTopics(options)
	if err != nil {
		return err
	}
	store, err := schemas.OrderEventsTopics(options)
	if err != nil {
		return err
	}
	wanted := slices.Concat(domains, activity, store)
	for _, g := range groups() {
		own, err := schemas.GroupTopics(g.Group, g.Topics, true, options)
		if err != nil {
			return err
		}
		wanted = append(wanted, own...)
	}
	return cluster.MakeTopics(ctx, seeds, wanted)
}
