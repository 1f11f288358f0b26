package logread

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const topic = "log"

// world is a topic with one partition of interest, its writers and a Reader.
type world struct {
	t     testing.TB
	opts  []kgo.Opt
	adm   *kadm.Client
	plain *kgo.Client
	r     *Reader
}

func fake(tb testing.TB, brokers int, opts ...kfake.Opt) (*kfake.Cluster, *world) {
	tb.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(brokers))...)
	if err != nil {
		tb.Fatalf("NewCluster() error: %v", err)
	}
	tb.Cleanup(c.Close)
	w := newWorld(tb, kgo.SeedBrokers(c.ListenAddrs()...))
	w.create(topic, nil)
	return c, w
}

func newWorld(tb testing.TB, opts ...kgo.Opt) *world {
	tb.Helper()
	w := &world{t: tb, opts: opts}
	w.plain = w.client()
	w.adm = kadm.NewClient(w.plain)
	w.r = New(w.client())
	return w
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append(append(slices.Clone(w.opts), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(20<<20), kgo.ProducerLinger(0), kgo.UnknownTopicRetries(-1), kgo.MetadataMinAge(50*time.Millisecond)), opts...)...)
	if err != nil {
		w.t.Fatalf("NewClient() error: %v", err)
	}
	w.t.Cleanup(cl.Close)
	return cl
}

func (w *world) create(topic string, configs map[string]*string) {
	w.t.Helper()
	if _, err := w.adm.CreateTopic(w.t.Context(), 2, -1, configs, topic); err != nil {
		w.t.Fatalf("CreateTopic() error: %v", err)
	}
}

// write appends records and returns their values; each call makes at least one batch of its own.
func (w *world) write(cl *kgo.Client, from, n int, key func(int) string) []string {
	w.t.Helper()
	var rs []*kgo.Record
	var values []string
	for i := from; i < from+n; i++ {
		values = append(values, fmt.Sprint("v", i))
		rs = append(rs, &kgo.Record{Topic: topic, Key: []byte(key(i)), Value: []byte(values[i-from])})
	}
	if err := cl.ProduceSync(w.t.Context(), rs...).FirstErr(); err != nil {
		w.t.Fatalf("ProduceSync() error: %v", err)
	}
	return values
}

func unique(i int) string { return fmt.Sprint("k", i) }

// begin opens a transaction that end ends.
func (w *world) begin(id string) (cl *kgo.Client, end func(kgo.TransactionEndTry)) {
	w.t.Helper()
	cl = w.client(kgo.TransactionalID(id))
	if err := cl.BeginTransaction(); err != nil {
		w.t.Fatalf("BeginTransaction() error: %v", err)
	}
	return cl, func(how kgo.TransactionEndTry) {
		w.t.Helper()
		if err := cl.EndTransaction(w.t.Context(), how); err != nil {
			w.t.Fatalf("EndTransaction() error: %v", err)
		}
	}
}

func (w *world) end() int64 {
	w.t.Helper()
	ends, err := w.r.Ends(w.t.Context(), topic, []int32{0})
	if err != nil {
		w.t.Fatalf("Ends() error: %v", err)
	}
	return ends[0]
}

// scan reads a range within a deadline and returns the values.
func (w *world) scan(from, to int64) (values []string, next int64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	last := int64(-1)
	next, err := w.r.Scan(ctx, topic, 0, from, to, func(r *kgo.Record) error {
		if r.Offset <= last || r.Offset < from || r.Offset >= to || r.Topic != topic || r.Partition != 0 {
			w.t.Errorf("Scan(%d, %d) gives %s/%d offset %d after %d", from, to, r.Topic, r.Partition, r.Offset, last)
		}
		last = r.Offset
		values = append(values, string(r.Value))
		return nil
	})
	if err != nil {
		w.t.Fatalf("Scan(%d, %d) error: %v", from, to, err)
	}
	if next < to {
		w.t.Errorf("Scan(%d, %d) ends at %d", from, to, next)
	}
	return values, next
}

func (w *world) want(got, want []string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("got %d records %.200q, want %d: %.200q", len(got), got, len(want), want)
	}
}

// at reads single offsets within a deadline.
func (w *world) at(offsets ...int64) (found map[int64]string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	found = map[int64]string{}
	err := w.r.At(ctx, topic, 0, offsets, func(r *kgo.Record) {
		if _, twice := found[r.Offset]; twice || !slices.Contains(offsets, r.Offset) {
			w.t.Errorf("At() gives offset %d", r.Offset)
		}
		found[r.Offset] = string(r.Value)
	})
	if err != nil {
		w.t.Fatalf("At() error: %v", err)
	}
	return found
}
