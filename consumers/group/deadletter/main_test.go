package deadletter_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"millrace/consumers/group/deadletter"
	"millrace/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	groupID = "inventory"
	orders  = "shopify.orders"
)

var (
	dlq   = schemas.DeadLetterTopic(orders, groupID)
	retry = schemas.RetryTopic(orders, groupID)
	began = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
)

// world is a cluster with the topics of one groupID, and a client that writes what a runtime would.
type world struct {
	t    *testing.T
	fake *kfake.Cluster // nil on a real one
	opts []kgo.Opt
	cl   *kgo.Client
}

const partitions = 3

func newWorld(t *testing.T, opts ...kfake.Opt) *world {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.SeedTopics(partitions, orders, dlq, retry),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(schemas.MaxMessageBytes + schemas.DeadLetterRoomBytes)}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return newWorldAt(t, c, c.ListenAddrs())
}

func newWorldAt(t *testing.T, fake *kfake.Cluster, addrs []string) *world {
	t.Helper()
	w := &world{t: t, fake: fake, opts: []kgo.Opt{kgo.SeedBrokers(addrs...)}}
	w.cl = w.writer()
	return w
}

func (w *world) writer() *kgo.Client {
	w.t.Helper()
	return w.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(schemas.MaxMessageBytes+schemas.DeadLetterRoomBytes))
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

func (w *world) book(o deadletter.Options, opts ...kgo.Opt) *deadletter.Book {
	w.t.Helper()
	b, err := deadletter.Open(w.t.Context(), append(append([]kgo.Opt{}, w.opts...), opts...), groupID, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(b.Close)
	return b
}

func (w *world) write(records ...*kgo.Record) {
	w.t.Helper()
	if len(records) < 20 { // a batch each, as compaction goes by batches
		for _, r := range records {
			if err := w.cl.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
				w.t.Fatal(err)
			}
		}
		return
	}
	if err := w.cl.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// letter is an event that was given up; empty fields get something sensible.
type letter struct {
	partition int32
	offset    int64
	order     int
	topic     string
	class     string
	failed    time.Duration // after began
	attempts  int
	value     []byte
	bare      bool
}

func (l letter) key() []byte { return fmt.Appendf(nil, "acme.myshopify.com|order/%d", l.order) }

func (l letter) id() deadletter.ID {
	return deadletter.ID{Topic: orders, Partition: l.partition, Offset: l.offset}
}

func (l letter) event() *kgo.Record {
	if l.topic == "" {
		l.topic = "orders/updated"
	}
	if l.value == nil {
		l.value = fmt.Appendf(nil, `{"id":%d}`, l.order)
	}
	e := schemas.Event{
		ID: fmt.Sprintf("webhook-%d-%d", l.partition, l.offset), Shop: "acme.myshopify.com", Topic: l.topic,
		Subject: fmt.Sprintf("order/%d", l.order), Time: began, Received: began, PartitionKey: string(l.key()),
	}
	return &kgo.Record{Topic: orders, Partition: l.partition, Key: l.key(), Value: l.value, Headers: schemas.AppendHeaders[kgo.RecordHeader](nil, &e)}
}

func (l letter) record() *kgo.Record {
	r := l.event()
	if l.class == "" {
		l.class = schemas.ClassPermanent
	}
	if l.attempts == 0 {
		l.attempts = 5
	}
	r.Topic = dlq
	if l.bare {
		r.Value, r.Headers, l.class = nil, nil, schemas.ClassTooLarge
	}
	failed := began.Add(l.failed).Format(time.RFC3339Nano)
	r.Headers = append(r.Headers, source(l.id())...)
	r.Headers = append(r.Headers, header(schemas.HeaderAttempts, strconv.Itoa(l.attempts)), header(schemas.HeaderFirstFailure, began.Format(time.RFC3339Nano)),
		header(schemas.HeaderLastFailure, failed), header(schemas.HeaderErrorClass, l.class), header(schemas.HeaderError, "stock API: 422 no such variant"))
	return r
}

// waiting is the record of an event in the retry topic; due zero: behind another.
func (l letter) waiting(due time.Time) *kgo.Record {
	r := l.event()
	r.Topic, r.Key = retry, schemas.RetryKey(l.key(), l.offset)
	r.Headers = append(append(r.Headers, source(l.id())...), header(schemas.HeaderAttempts, strconv.Itoa(l.attempts)))
	if !due.IsZero() {
		r.Headers = append(r.Headers, header(schemas.HeaderRetryDue, due.Format(time.RFC3339Nano)), header(schemas.HeaderFirstFailure, began.Format(time.RFC3339Nano)),
			header(schemas.HeaderErrorClass, "error"), header(schemas.HeaderError, "503"))
	}
	return r
}

func (l letter) parked() *kgo.Record {
	r := l.waiting(time.Time{})
	r.Value = []byte{}
	r.Headers = append(r.Headers, header(schemas.HeaderRetryParked, "1"))
	return r
}

func (l letter) tombstone() *kgo.Record {
	return &kgo.Record{Topic: retry, Partition: l.partition, Key: schemas.RetryKey(l.key(), l.offset)}
}

func (l letter) resolution(what, by string, at time.Duration) *kgo.Record {
	return &kgo.Record{
		Topic: dlq, Partition: l.partition, Key: l.key(),
		Headers: append(source(l.id()), header(schemas.HeaderResolution, what), header(schemas.HeaderResolutionBy, by),
			header(schemas.HeaderResolutionTime, began.Add(at).Format(time.RFC3339Nano))),
	}
}

func source(id deadletter.ID) []kgo.RecordHeader {
	return []kgo.RecordHeader{
		header(schemas.HeaderSourceTopic, id.Topic), header(schemas.HeaderSourcePartition, strconv.Itoa(int(id.Partition))),
		header(schemas.HeaderSourceOffset, strconv.FormatInt(id.Offset, 10)),
	}
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}

// committed returns what a read-committed reader sees in a topic, by partition.
func (w *world) committed(topic string) [][]*kgo.Record {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	ends, err := kadm.NewClient(w.cl).ListEndOffsets(ctx, topic) // the markers of a transaction come after its end
	if err != nil {
		w.t.Fatal(err)
	}
	left := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left++
		}
	})
	cl := w.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	out := make([][]*kgo.Record, partitions)
	seen := map[int32]bool{}
	for left > len(seen) {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			w.t.Fatalf("%s was not read to its end", topic)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				out[r.Partition] = append(out[r.Partition], r)
			}
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset+1 >= end.Offset {
				seen[r.Partition] = true
			}
		})
	}
	return out
}

// headersOf returns the headers of a record, the last of each name.
func headersOf(r *kgo.Record) map[string]string {
	m := map[string]string{}
	for _, h := range r.Headers {
		m[h.Key] = string(h.Value)
	}
	return m
}

func (w *world) list(b *deadletter.Book, f deadletter.Filter) []deadletter.Letter {
	w.t.Helper()
	var out []deadletter.Letter
	if err := b.List(w.t.Context(), f, func(l deadletter.Letter) error { out = append(out, l); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func ids(letters []deadletter.Letter) []string {
	var out []string
	for _, l := range letters {
		out = append(out, l.ID.String())
	}
	return out
}

func (w *world) choose(b *deadletter.Book, f deadletter.Filter) *deadletter.Selection {
	w.t.Helper()
	s, err := b.Select(w.t.Context(), f)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}
