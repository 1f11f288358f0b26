package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics/database"
	"millrace/schemas"
	"millrace/schemas/ddl"
)

const (
	ordersTopic  = "shopify.orders"
	lettersTopic = "shopify.orders.millrace-analytics.dlq"
)

// world is a fake Kafka on a virtual network inside a synctest bubble, so that seconds pass at once and in order.
//
// The client's own mutexes are not visible to the bubble (it has a build tag for that), so a test in which a commit meets a
// rebalance would stand still: those run outside, see outside.
type world struct {
	t       *testing.T
	net     *kfake.VirtualNetwork
	cluster *kfake.Cluster
	client  *kgo.Client // produces, and asks as an administrator
	sinks   []*running
}

// stopAll ends the sinks that a failed test has left running.
func (w *world) stopAll() {
	for _, r := range w.sinks {
		_ = r.stop()
	}
}

// allTopics are those that the sink reads, and those of its dead letters.
func allTopics() []string {
	all := Topics()
	for _, t := range Topics() {
		all = append(all, schemas.DeadLetterTopic(t, DefaultConfig().Group))
	}
	return all
}

// inWorld runs the test in a bubble with all topics, of so many partitions each. The test uses w.t, never the outer one,
// whose context does not belong to the bubble.
func inWorld(t *testing.T, partitions int32, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: new(kfake.VirtualNetwork)}
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(w.net.Listen), kfake.SeedTopics(partitions, allTopics()...),
			kfake.GroupMinSessionTimeout(time.Second))
		if err != nil {
			t.Fatalf("NewCluster() error: %v", err)
		}
		defer cluster.Close()
		w.cluster = cluster
		if w.client, err = kgo.NewClient(append(w.connection(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...); err != nil {
			t.Fatalf("NewClient() error: %v", err)
		}
		defer w.client.Close()
		defer w.stopAll()
		test(w)
	})
}

// outside runs the test without a bubble, on loopback and in real time.
func outside(t *testing.T, partitions int32, test func(w *world)) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, allTopics()...),
		kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatalf("NewCluster() error: %v", err)
	}
	defer cluster.Close()
	w := &world{t: t, cluster: cluster}
	if w.client, err = kgo.NewClient(append(w.connection(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...); err != nil {
		t.Fatalf("NewClient() error: %v", err)
	}
	defer w.client.Close()
	defer w.stopAll()
	test(w)
}

func (w *world) connection() []kgo.Opt {
	if w.net == nil {
		return []kgo.Opt{kgo.SeedBrokers(w.cluster.ListenAddrs()...)}
	}
	return []kgo.Opt{kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.Dialer(w.net.DialContext)}
}

func testConfig() Config {
	c := DefaultConfig()
	c.InsertsPerSecond = 10_000
	return c
}

// running is a sink under test.
type running struct {
	*Sink
	registry *prometheus.Registry
	stop     func() error // ends Run and returns its error
	wait     func() error // waits for Run to end by itself
	ended    chan struct{}
	err      error
}

func (w *world) start(cfg Config, st store) *running {
	w.t.Helper()
	return w.startWith(cfg, st, func(*Deps) {})
}

func (w *world) startWith(cfg Config, st store, change func(*Deps)) *running {
	w.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	d := Deps{Kafka: w.connection(), Logger: slog.New(slog.DiscardHandler), Registerer: registry}
	change(&d)
	s, err := newSink(cfg, d, st)
	if err != nil {
		w.t.Fatalf("newSink() error: %v", err)
	}
	// Not of w.t.Context(): that one is cancelled outside of the bubble.
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Sink: s, registry: registry, ended: make(chan struct{})}
	go func() { defer close(r.ended); r.err = s.Run(ctx) }()
	r.wait = func() error { <-r.ended; cancel(); return r.err }
	r.stop = func() error { cancel(); return r.wait() }
	w.sinks = append(w.sinks, r)
	return r
}

func mustStop(t *testing.T, r *running) {
	t.Helper()
	if err := r.stop(); err != nil {
		t.Errorf("Run() error: %v", err)
	}
}

// event returns a record as ingest writes it.
func event(partition int32, id, topic, subject, body string) *kgo.Record {
	e := schemas.Event{ID: id, Shop: "acme.myshopify.com", Topic: topic, Subject: subject, Time: time.Now(), Received: time.Now(), ContentType: "application/json", PartitionKey: "acme.myshopify.com|" + subject}
	return &kgo.Record{Topic: ordersTopic, Partition: partition, Key: []byte(e.PartitionKey), Value: []byte(body), Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &e)}
}

func order(partition int32, n int) *kgo.Record {
	return event(partition, fmt.Sprint("webhook-", n), "orders/create", fmt.Sprint("order/", n), fmt.Sprintf(`{"id":%d,"total_price":"1.50"}`, n))
}

func orders(partition int32, from, to int) []*kgo.Record {
	var out []*kgo.Record
	for n := from; n < to; n++ {
		out = append(out, order(partition, n))
	}
	return out
}

func (w *world) produce(records ...*kgo.Record) {
	w.t.Helper()
	if err := w.client.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatalf("produce: %v", err)
	}
}

// committed returns the group's offset, -1 when there is none.
func (w *world) committed(partition int32) int64 { return w.commit(partition).At }

// commit returns the group's offset and metadata.
func (w *world) commit(partition int32) kadm.Offset {
	w.t.Helper()
	return w.commitOf(DefaultConfig().Group, partition)
}

func (w *world) commitOf(group string, partition int32) kadm.Offset {
	w.t.Helper()
	offsets, err := kadm.NewClient(w.client).FetchOffsets(w.t.Context(), group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return kadm.Offset{At: -1}
	}
	if err != nil {
		w.t.Fatalf("fetch offsets: %v", err)
	}
	o, ok := offsets.Lookup(ordersTopic, partition)
	if !ok {
		return kadm.Offset{At: -1}
	}
	return o.Offset
}

func (w *world) wantCommitted(partition int32, want int64) {
	w.t.Helper()
	if got := w.committed(partition); got != want {
		w.t.Errorf("committed offset of partition %d = %d, want %d", partition, got, want)
	}
}

// wantPending checks that the group stands at the start of a batch whose bounds are marked.
func (w *world) wantPending(partition int32, start, end int64) {
	w.t.Helper()
	got := w.commit(partition)
	m, err := parseMark(got.Metadata)
	if err != nil || got.At != start || m.start != start || m.end != end {
		w.t.Errorf("commit of partition %d = %d %q, want %d with the batch to %d pending", partition, got.At, got.Metadata, start, end)
	}
}

// call is one insert that the fake store has seen.
type call struct {
	token string
	rows  int
}

// fakeStore keeps what it is given; onInsert, when set, decides the outcome of a call first. A token that was stored once
// is dropped when it comes again, as ClickHouse does.
type fakeStore struct {
	onInsert func(ctx context.Context, n int, token string) error // n counts calls from 0
	onRows   func(b *block) error                                 // refuses rows
	onCheck  func(n int) error
	// losesRows, when set, makes call n die between the token's log and the rows: the token is known, the rows are not there.
	losesRows func(n int) bool
	// breaksOff, when set, makes call n end after the first of its parts.
	breaksOff func(n int) bool
	onOffsets func(ctx context.Context) error
	onProject func(ctx context.Context, x projection) error

	mu        sync.Mutex
	checks    int
	calls     []call
	tokens    map[string]bool
	ids       []string
	rows      []row
	projected []projection
}

// projection is one model that was fed again, from the batch of a token.
type projection struct{ model, token string }

func (f *fakeStore) check(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checks++
	if f.onCheck != nil {
		return f.onCheck(f.checks - 1)
	}
	return nil
}

func (f *fakeStore) durable(context.Context) (bool, error) { return false, nil }

func (f *fakeStore) insert(ctx context.Context, rows rowBlock, token string) error {
	b := rows.(*block)
	f.mu.Lock()
	n := len(f.calls)
	f.calls = append(f.calls, call{token, b.rows()})
	f.mu.Unlock()
	if f.onInsert != nil {
		if err := f.onInsert(ctx, n, token); err != nil {
			return err
		}
	}
	if f.onRows != nil {
		if err := f.onRows(b); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tokens == nil {
		f.tokens = map[string]bool{}
	}
	// As in a table with two partitions, each of which has parts and tokens of its own.
	for half := range uint64(2) {
		token := fmt.Sprint(token, " ", half)
		if f.tokens[token] {
			continue
		}
		f.tokens[token] = true
		if f.losesRows != nil && f.losesRows(n) {
			continue
		}
		for i, o := range b.offsets {
			if o%2 == half {
				f.ids = append(f.ids, b.ids[i])
				f.rows = append(f.rows, row{b.topics[i], int32(b.partitions[i]), int64(o)})
			}
		}
		if f.breaksOff != nil && f.breaksOff(n) {
			return errors.New("connection reset")
		}
	}
	if f.losesRows != nil && f.losesRows(n) {
		return errors.New("connection reset")
	}
	return nil
}

// row is a row by its coordinates in Kafka.
type row struct {
	topic     string
	partition int32
	offset    int64
}

func (f *fakeStore) offsets(ctx context.Context, _ string, b bounds) ([]uint64, error) {
	if f.onOffsets != nil {
		if err := f.onOffsets(ctx); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []uint64
	for _, r := range f.rows {
		if r.topic == b.topic && r.partition == b.partition && r.offset >= b.start && r.offset < b.end {
			found = append(found, uint64(r.offset))
		}
	}
	return found, nil
}

func (f *fakeStore) project(ctx context.Context, m ddl.Model, b bounds, first, last time.Time) error {
	if first.IsZero() || last.Before(first) {
		return fmt.Errorf("received from %s to %s", first, last)
	}
	if f.onProject != nil {
		if err := f.onProject(ctx, projection{m.Name, b.token()}); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.projected = append(f.projected, projection{m.Name, b.token()})
	return nil
}

func (f *fakeStore) seen() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeStore) stored() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ids)
}

// eventually waits in the bubble's time, which costs none.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("a minute has passed and still not: %s", what)
}

// value returns the value of a counter or gauge.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatalf("Write() error: %v", err)
	}
	return out.GetCounter().GetValue() + out.GetGauge().GetValue()
}

func wantMetric(t *testing.T, name string, m prometheus.Metric, want float64) {
	t.Helper()
	if got := value(t, m); got != want {
		t.Errorf("%s = %v, want %v", name, got, want)
	}
}

// wantGroupMetric checks a metric of the membership, which has the label of this service.
func (r *running) wantGroupMetric(t *testing.T, name, kind string, want float64) {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatalf("Gather() error: %v", err)
	}
	for _, f := range families {
		if f.GetName() != "millrace_group_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["service"] != "analytics" || labels["kind"] != kind {
				continue
			}
			if got := m.GetCounter().GetValue() + m.GetGauge().GetValue(); got != want {
				t.Errorf("%s = %v, want %v", f.GetName(), got, want)
			}
			return
		}
	}
	t.Errorf("there is no millrace_group_%s of kind %q", name, kind)
}

func samples(t *testing.T, m prometheus.Metric) (count uint64, sum float64) {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatalf("Write() error: %v", err)
	}
	return out.GetHistogram().GetSampleCount(), out.GetHistogram().GetSampleSum()
}

func (w *world) deleteBefore(partition int32, offset int64) {
	w.t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(ordersTopic, partition, offset, -1)
	if _, err := kadm.NewClient(w.client).DeleteRecords(w.t.Context(), offsets); err != nil {
		w.t.Fatalf("delete records: %v", err)
	}
}

// end returns the offset after the partition's last record.
func (w *world) end(partition int32) int64 {
	w.t.Helper()
	ends, err := kadm.NewClient(w.client).ListEndOffsets(w.t.Context(), ordersTopic)
	if err != nil {
		w.t.Fatalf("list end offsets: %v", err)
	}
	o, _ := ends.Lookup(ordersTopic, partition)
	return o.Offset
}

// unreachable is a database that nobody connects to.
func unreachable(t *testing.T, change ...func(*database.Config)) *database.DB {
	t.Helper()
	c := database.DefaultConfig()
	for _, f := range change {
		f(&c)
	}
	db, err := c.Open()
	if err != nil {
		t.Fatalf("Open() error: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// setCommits gives every partition the mark.
func (w *world) setCommits(group string, partitions int32, m mark) {
	w.t.Helper()
	var offsets kadm.Offsets
	for p := range partitions {
		offsets.Add(kadm.Offset{Topic: ordersTopic, Partition: p, At: m.start, LeaderEpoch: -1, Metadata: m.String()})
	}
	if answer, err := kadm.NewClient(w.client).CommitOffsets(w.t.Context(), group, offsets); err != nil || answer.Error() != nil {
		w.t.Fatalf("commit from outside: %v, %v", err, answer.Error())
	}
}

// setCommit makes the group's commit what a test needs. The group must have no members.
func (w *world) setCommit(group string, offset int64, metadata string) {
	w.t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: ordersTopic, At: offset, LeaderEpoch: -1, Metadata: metadata})
	eventually(w.t, "a commit from outside", func() bool {
		answer, err := kadm.NewClient(w.client).CommitOffsets(w.t.Context(), group, offsets)
		return err == nil && answer.Error() == nil
	})
}
