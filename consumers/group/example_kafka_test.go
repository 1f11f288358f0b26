package group_test

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// exampleBroker is the broker of the example.
type exampleBroker struct {
	cluster *kfake.Cluster
	address string
}

func exampleKafka() *exampleBroker {
	c := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, source, "counts",
		schemas.RetryTopic(source, "counter"), schemas.DeadLetterTopic(source, "counter"), schemas.StateTopic(source, "counter")))
	b := &exampleBroker{cluster: c, address: c.ListenAddrs()[0]}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.address))
	if err != nil {
		panic(err)
	}
	defer cl.Close()
	for n := range 3 {
		if err := cl.ProduceSync(context.Background(), event("acme.myshopify.com|order/1", n)).FirstErr(); err != nil {
			panic(err)
		}
	}
	return b
}

func (b *exampleBroker) close() { b.cluster.Close() }

func (b *exampleBroker) printCounts(n int, done func()) {
	defer done()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.address), kgo.ConsumeTopics("counts"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		panic(err)
	}
	defer cl.Close()
	for n > 0 {
		cl.PollFetches(context.Background()).EachRecord(func(r *kgo.Record) {
			fmt.Println(string(r.Key), string(r.Value))
			n--
		})
	}
}
