package replay_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"millrace/consumers/group/replay"
	"millrace/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	orders     = "shopify.orders"
	groupID    = "millrace-shop"
	partitions = 3
)

var retries, letters = schemas.RetryTopic(orders, groupID), schemas.DeadLetterTopic(orders, groupID)

// world is a cluster with a past.
type world struct {
	t    *testing.T
	fake *kfake.Cluster
	opts []kgo.Opt
	cl   *kgo.Client
	n    int // events written
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond),
		kfake.SeedTopics(partitions, orders, letters, schemas.DeadLetterTopic(orders, "other"), schemas.RetryTopic(orders, "other")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, compacted := range []string{retries, schemas.StateTopic(orders, groupID)} {
		if err := c.CreateTopic(compacted, partitions, map[string]string{"cleanup.policy": "compact"}); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, fake: c, opts: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}}
	w.cl = w.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return w
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, w.opts...), opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cl.Close)
	return cl
}

func (w *world) write(records ...*kgo.Record) {
	w.t.Helper()
	if err := w.cl.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// partitionOf puts order n into a partition.
func partitionOf(order int) int32 { return int32(order % partitions) }

func keyOf(shop string, order int) string {
	return fmt.Sprintf("%s.myshopify.com|order/%d", shop, order)
}

// event is the next event of an order.
func (w *world) event(shop string, order int, topic string) *kgo.Record {
	w.n++
	e := schemas.Event{
		ID: fmt.Sprintf("w-%d", w.n), Shop: shop + ".myshopify.com", Topic: topic, Subject: fmt.Sprintf("order/%d", order),
		Time: time.Now(), Received: time.Now(), PartitionKey: keyOf(shop, order),
	}
	return &kgo.Record{
		Topic: orders, Partition: partitionOf(order), Key: []byte(e.PartitionKey), Value: fmt.Appendf(nil, "%d", w.n),
		Headers: schemas.AppendHeaders[kgo.RecordHeader](nil, &e),
	}
}

// past writes events of some orders in turn.
func (w *world) past(n, orders int) {
	w.t.Helper()
	var records []*kgo.Record
	for i := range n {
		records = append(records, w.event("acme", i%orders, "orders/updated"))
	}
	w.write(records...)
}

// settled makes the group have handled all there is.
func (w *world) settled() {
	w.t.Helper()
	admin := kadm.NewClient(w.cl)
	ends, err := admin.ListEndOffsets(w.t.Context(), orders)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := admin.CommitAllOffsets(w.t.Context(), groupID, ends.Offsets()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) desk(opts ...kgo.Opt) *replay.Desk {
	w.t.Helper()
	d, err := replay.Open(replay.Deps{Kafka: append(append([]kgo.Opt{}, w.opts...), opts...), Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil))})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(d.Close)
	return d
}

func selection() replay.Selection {
	return replay.Selection{Service: "shop", Group: groupID, Topics: []string{orders}, By: "ann@desk"}
}

func (w *world) begin(d *replay.Desk, s replay.Selection) *replay.Run {
	w.t.Helper()
	r, err := d.New(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) resume(d *replay.Desk, id string) *replay.Run {
	w.t.Helper()
	r, err := d.Resume(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// committed returns what a read-committed reader sees in a topic.
func (w *world) committed(topic string) []*kgo.Record {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(w.cl).ListEndOffsets(ctx, topic)
	if err != nil {
		w.t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	cl := w.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	var out []*kgo.Record
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			w.t.Fatalf("%s was not read to its end", topic)
		}
		fetches.EachRecord(func(r *kgo.Record) {
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

// again returns the source offsets in the retry topic that stand there for a run, by partition and in the order of the log.
func (w *world) again(id string) [partitions][]int64 {
	w.t.Helper()
	var out [partitions][]int64
	for _, r := range w.committed(retries) {
		_, offset, ok := schemas.SplitRetryKey(r.Key)
		for _, h := range r.Headers {
			if ok && h.Key == schemas.HeaderReplay && string(h.Value) == id {
				out[r.Partition] = append(out[r.Partition], offset)
			}
		}
	}
	return out
}

// all is 0..n-1 for each partition.
func all(n int) [partitions][]int64 {
	var out [partitions][]int64
	for p := range out {
		for o := range n {
			out[p] = append(out[p], int64(o))
		}
	}
	return out
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}

// waiting is the record of an event that the service has put off.
func waiting(order int, offset int64, more ...kgo.RecordHeader) *kgo.Record {
	return &kgo.Record{
		Topic: retries, Partition: partitionOf(order), Key: schemas.RetryKey([]byte(keyOf("acme", order)), offset), Value: []byte("1"),
		Headers: append(more, header(schemas.HeaderAttempts, "1")),
	}
}

// letter is a dead letter, or with a resolution the note that it is settled.
func letter(order int, offset string, more ...kgo.RecordHeader) *kgo.Record {
	return &kgo.Record{Topic: letters, Partition: partitionOf(order), Key: []byte(keyOf("acme", order)), Headers: append(more, header(schemas.HeaderSourceOffset, offset))}
}
