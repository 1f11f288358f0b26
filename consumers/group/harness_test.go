package group_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
	"millrace/schemas"
)

const (
	source  = "shopify.orders"
	groupID = "millrace-test"
	output  = "output"
)

// cluster is a kfake with the topics of a group.
type cluster struct {
	*kfake.Cluster
	t  *testing.T
	cl *kgo.Client // for the test's own reads and writes

	options    []kgo.Opt             // of the services' clients, beside the brokers
	registerer prometheus.Registerer // of the next service; nil: one of its own
}

func newCluster(t *testing.T, partitions int32) *cluster {
	t.Helper()
	o := schemas.DefaultPlanOptions()
	o.Partitions = partitions
	specs, err := schemas.GroupTopics(groupID, []string{source}, true, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond), kfake.SeedTopics(partitions, source, output))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, s := range specs {
		if err := c.CreateTopic(s.Name, s.Partitions, map[string]string{"cleanup.policy": s.Configs["cleanup.policy"]}); err != nil {
			t.Fatal(err)
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &cluster{Cluster: c, t: t, cl: cl}
}

// event is a record of the source topic.
func event(key string, n int) *kgo.Record {
	e := schemas.Event{
		ID: fmt.Sprintf("%s-%d", key, n), Shop: "acme.myshopify.com", Topic: "orders/updated", Subject: "order/1",
		Time: time.Now(), Received: time.Now(), PartitionKey: key,
	}
	return &kgo.Record{Topic: source, Key: []byte(key), Value: fmt.Appendf(nil, "%d", n), Headers: schemas.AppendHeaders[kgo.RecordHeader](nil, &e)}
}

func (c *cluster) produce(records ...*kgo.Record) {
	c.t.Helper()
	if err := c.cl.ProduceSync(c.t.Context(), records...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the committed records of a topic, by partition and offset.
func (c *cluster) read(topic string) []*kgo.Record {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(c.cl).ListCommittedOffsets(ctx, topic)
	if err != nil {
		c.t.Fatal(err)
	}
	// Control records are kept, because the end of a log that was written in transactions is one.
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond), kgo.KeepControlRecords())
	if err != nil {
		c.t.Fatal(err)
	}
	defer cl.Close()
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	var out []*kgo.Record
	for len(left) > 0 {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			c.t.Fatalf("read %s: %v are not there", topic, left)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		})
	}
	return out
}

// quick is a configuration for tests: short waits.
func quick() group.Config {
	cfg := group.DefaultConfig(groupID)
	cfg.Member.SessionTimeout = 3 * time.Second
	cfg.CommitInterval = 20 * time.Millisecond
	cfg.Concurrency = 16
	cfg.Retry.Schedule = []time.Duration{0, 20 * time.Millisecond, 40 * time.Millisecond}
	cfg.Retry.InlineMax = 30 * time.Millisecond
	return cfg
}

func logger() *slog.Logger {
	if os.Getenv("MILLRACE_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// start runs a service until the test ends or the returned function is called.
func (c *cluster) start(svc group.Service, cfg group.Config) (stop func()) {
	c.t.Helper()
	tell, wait := c.begin(svc, cfg)
	return func() { tell(); wait() }
}

// begin runs a service until the test ends or tell is called; wait waits for its end.
func (c *cluster) begin(svc group.Service, cfg group.Config) (tell, wait func()) {
	c.t.Helper()
	if svc.Name == "" {
		svc.Name = "test"
	}
	if svc.Topics == nil {
		svc.Topics = []string{source}
	}
	registerer := c.registerer
	if registerer == nil {
		registerer = prometheus.NewRegistry()
	}
	rt, err := group.New(svc, cfg, group.Deps{Kafka: append([]kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, c.options...), Logger: logger(), Registerer: registerer})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := rt.Run(ctx); err != nil {
			c.t.Errorf("Run: %v", err)
		}
	}()
	wait = func() { <-done }
	c.t.Cleanup(func() { cancel(); wait() })
	return cancel, wait
}

// eventually waits until f says nothing more.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute) // as long as a busy machine may take
	for {
		missing := f()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(missing)
		}
		time.Sleep(50 * time.Millisecond) // what is asked is often a read of whole topics
	}
}

// ledger is what handlers have done.
type ledger struct {
	mu   sync.Mutex
	seen map[string][]string
}

func (l *ledger) add(key, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = make(map[string][]string)
	}
	l.seen[key] = append(l.seen[key], what)
}

func (l *ledger) of(key string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.seen[key]...)
}

func (l *ledger) count() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.seen {
		n += len(s)
	}
	return n
}
