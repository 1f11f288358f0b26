package group_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
	"millrace/schemas"
)

// BenchmarkNothing is the runtime's own cost per event: a handler that does nothing, 1 KB events of 50 000 keys in 12 partitions, and a
// broker in the same process. deploy/bench/runtime measures with a real broker.
func BenchmarkNothing(b *testing.B) {
	bothWays(b, group.Service{Handler: group.HandlerFunc(nothing)})
}

// bothWays runs without and with a record of activity per event.
func bothWays(b *testing.B, svc group.Service) {
	b.Helper()
	for name, activity := range map[string]bool{"plain": false, "activity": true} {
		b.Run(name, func(b *testing.B) { benchmark(b, svc, activity) })
	}
}

// BenchmarkExactlyOnce keeps state and emits a record for each event.
func BenchmarkExactlyOnce(b *testing.B) {
	bothWays(b, group.Service{State: true, Emits: []string{output}, Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
		if err := u.Emit(group.Record{Topic: output, Key: e.Key, Value: e.Body}); err != nil {
			return err
		}
		return u.State().Set([]byte("state"))
	})})
}

func nothing(context.Context, *group.Event, group.UnitOfWork) error { return nil }

func benchmark(b *testing.B, svc group.Service, activity bool) {
	b.Helper()
	const partitions = 12
	c := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, source, output, schemas.RetryTopic(source, groupID),
		schemas.DeadLetterTopic(source, groupID), schemas.StateTopic(source, groupID), schemas.ActivityTopic))
	defer c.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.MaxBufferedRecords(1<<20))
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 1024)
	for n := range b.N {
		r := event(fmt.Sprintf("acme.myshopify.com|order/%d", n%50_000), n)
		r.Value = body
		cl.Produce(context.Background(), r, nil)
	}
	if err := cl.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	cl.Close()
	var n atomic.Int64
	done := make(chan struct{})
	handle := svc.Handler
	svc.Name, svc.Topics = "bench", []string{source}
	svc.Handler = group.HandlerFunc(func(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
		if n.Add(1) == int64(b.N) {
			close(done)
		}
		return handle.Handle(ctx, e, u)
	})
	cfg := group.DefaultConfig(groupID)
	cfg.Activity = activity
	registry := prometheus.NewRegistry()
	rt, err := group.New(svc, cfg, group.Deps{Kafka: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, Logger: logger(), Registerer: registry})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	b.ReportAllocs()
	b.ResetTimer()
	go func() { ended <- rt.Run(ctx) }()
	<-done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	if activity {
		b.ReportMetric(100*counter(b, registry, "millrace_group_activity_dropped_total")/float64(b.N), "%dropped")
	}
}
