package member

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic = "shopify.orders"
	retry = "shopify.orders.g.retry" // a topic of the group that it is not subscribed to
)

// world is a Kafka and a client of it that produces and asks as an administrator. It runs in real time: the client's mutexes
// are not visible to a synctest bubble, and a commit that meets a rebalance would stand still there.
type world struct {
	t       *testing.T
	cluster *kfake.Cluster // nil on a real Kafka
	brokers []string
	extra   []kgo.Opt // for members
	client  *kgo.Client
}

func newWorld(t *testing.T, partitions int32) *world {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic, retry), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatalf("NewCluster() error: %v", err)
	}
	t.Cleanup(cluster.Close)
	w := worldOf(t, cluster.ListenAddrs())
	w.cluster = cluster
	return w
}

func worldOf(t *testing.T, brokers []string) *world {
	t.Helper()
	w := &world{t: t, brokers: brokers}
	client, err := kgo.NewClient(append(w.connection(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatalf("NewClient() error: %v", err)
	}
	t.Cleanup(client.Close)
	w.client = client
	return w
}

func (w *world) connection() []kgo.Opt { return []kgo.Opt{kgo.SeedBrokers(w.brokers...)} }

func testConfig() Config {
	c := DefaultConfig("g")
	c.SessionTimeout = 2 * time.Second
	return c
}

// running is a member under test.
type running struct {
	*Member
	*shape
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
}

func (r *running) stop() error {
	r.cancel()
	<-r.ended
	return r.err
}

// mustStop ends the member, which must take less than limit.
func (r *running) mustStop(t *testing.T, limit time.Duration) {
	t.Helper()
	begin := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("Run() error: %v", err)
	}
	if took := time.Since(begin); took > limit {
		t.Errorf("the stop took %s, want less than %s", took, limit)
	}
}

// waitEnd waits for Run to end by itself.
func (r *running) waitEnd(t *testing.T) error {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("Run has not ended by itself")
	}
	return r.err
}

func (w *world) start(cfg Config, s *shape) *running {
	w.t.Helper()
	logger := slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("member", s.name)
	m, err := New(cfg, []string{topic}, s, Deps{Kafka: append(w.connection(), w.extra...), Logger: logger, Registerer: prometheus.NewPedanticRegistry()})
	if err != nil {
		w.t.Fatalf("New() error: %v", err)
	}
	s.member = m
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Member: m, shape: s, cancel: cancel, ended: make(chan struct{})}
	go func() { defer close(r.ended); r.err = m.Run(ctx) }()
	w.t.Cleanup(func() { _ = r.stop() })
	return r
}

// shape is a Work that remembers what it was told. It breaks the test when calls for a partition overlap or come in an order
// that Work rules out. Release commits what was accepted, with the number of records as metadata.
type shape struct {
	t      *testing.T
	name   string
	member *Member
	ledger *ledger // shared by members; may be nil

	onPrepare func(ctx context.Context, tp TP, c Committed) error
	onAccept  func(f Fetched)
	onRelease func(ctx context.Context, tps []TP)
	room      func() bool
	throttle  func() (pause, resume []TP)

	mu       sync.Mutex
	state    map[TP]string // preparing, ready, releasing; absent when it is not ours
	got      map[TP]Committed
	offsets  map[TP][]int64
	since    map[TP]int // records accepted since the assignment
	drops    int
	lost     int
	releases int
	polled   int // calls of Throttle
}

func newShape(t *testing.T, name string) *shape {
	t.Helper()
	return &shape{t: t, name: name, state: map[TP]string{}, got: map[TP]Committed{}, offsets: map[TP][]int64{}, since: map[TP]int{}}
}

func (s *shape) become(tp TP, from []string, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(from, s.state[tp]) {
		s.t.Errorf("%s: %s goes from %q to %q", s.name, tp, s.state[tp], to)
	}
	s.state[tp] = to
	if to == "" {
		delete(s.state, tp)
	}
}

func (s *shape) Prepare(ctx context.Context, tp TP, c Committed) error {
	s.become(tp, []string{"", "waiting"}, "preparing")
	s.mu.Lock()
	s.got[tp] = c
	s.since[tp] = 0
	s.mu.Unlock()
	if s.onPrepare != nil {
		if err := s.onPrepare(ctx, tp, c); err != nil {
			s.become(tp, []string{"preparing"}, "waiting")
			return err
		}
	}
	s.become(tp, []string{"preparing"}, "ready")
	return nil
}

func (s *shape) Accept(_ context.Context, fetched []Fetched) {
	for _, f := range fetched {
		s.mu.Lock()
		if s.state[f.TP] != "ready" {
			s.t.Errorf("%s: %d records of %s while it is %q", s.name, len(f.Records), f.TP, s.state[f.TP])
		}
		for _, r := range f.Records {
			s.offsets[f.TP] = append(s.offsets[f.TP], r.Offset)
		}
		s.since[f.TP] += len(f.Records)
		s.mu.Unlock()
		if s.ledger != nil {
			s.ledger.accept(s, f)
		}
		if s.onAccept != nil {
			s.onAccept(f)
		}
	}
}

func (s *shape) Release(ctx context.Context, tps []TP) {
	for _, tp := range tps {
		s.become(tp, []string{"ready"}, "releasing")
	}
	s.mu.Lock()
	s.releases++
	s.mu.Unlock()
	if s.onRelease != nil {
		s.onRelease(ctx, tps)
		return
	}
	if err := s.commit(ctx, tps...); err != nil && ctx.Err() == nil {
		s.t.Errorf("%s: commit in Release: %v", s.name, err)
	}
}

func (s *shape) Drop(tps []TP, lost bool) {
	for _, tp := range tps {
		from := []string{"", "waiting", "releasing"}
		s.mu.Lock()
		if lost || s.since[tp] == 0 { // not released: its readiness may have come too late for the member
			from = append(from, "ready")
		}
		s.mu.Unlock()
		s.become(tp, from, "")
		if s.ledger != nil {
			s.ledger.drop(s, tp)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops++
	if lost {
		s.lost++
	}
}

func (s *shape) Room() bool { return s.room == nil || s.room() }

func (s *shape) Throttle() (pause, resume []TP) {
	s.mu.Lock()
	s.polled++
	s.mu.Unlock()
	if s.throttle == nil {
		return nil, nil
	}
	return s.throttle()
}

// commit commits what was accepted of the partitions.
func (s *shape) commit(ctx context.Context, tps ...TP) error {
	return s.member.Exclusive(ctx, func(c *Commit) error { return c.Offsets(ctx, s.position(tps...)) })
}

func (s *shape) position(tps ...TP) []Offset {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Offset
	for _, tp := range tps {
		if n := len(s.offsets[tp]); n > 0 && s.since[tp] > 0 {
			out = append(out, Offset{TP: tp, Owner: tp, At: s.offsets[tp][n-1] + 1, Metadata: strconv.Itoa(n)})
		}
	}
	return out
}

// in returns the partitions in the state.
func (s *shape) in(state string) []TP {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []TP
	for tp, st := range s.state {
		if st == state {
			out = append(out, tp)
		}
	}
	return out
}

func (s *shape) accepted(tp TP) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.offsets[tp])
}

func (s *shape) counts() (releases, drops, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.releases, s.drops, s.lost
}

func (w *world) produce(partition int32, n int) {
	w.t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(fmt.Sprint(i))}
	}
	if err := w.client.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatalf("produce: %v", err)
	}
}

// precommit makes the group's offset of a partition before it has members.
func (w *world) precommit(tp TP, at int64, metadata string) {
	w.t.Helper()
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: tp.Topic, Partition: tp.Partition, At: at, LeaderEpoch: -1, Metadata: metadata})
	if err := kadm.NewClient(w.client).CommitAllOffsets(w.t.Context(), "g", o); err != nil {
		w.t.Fatalf("commit: %v", err)
	}
}

// committed returns what the group has; an offset of -1 for nothing.
func (w *world) committed(tp TP) Committed {
	w.t.Helper()
	offsets, err := kadm.NewClient(w.client).FetchOffsetsForTopics(w.t.Context(), "g", tp.Topic)
	if err != nil {
		return Committed{Offset: -1}
	}
	o, ok := offsets.Lookup(tp.Topic, tp.Partition)
	if !ok {
		return Committed{Offset: -1}
	}
	return Committed{Offset: o.At, Metadata: o.Metadata}
}

// wantCommitted allows for the moment that passes, on a real Kafka, between the answer to the end of a transaction and its mark in the
// partition that holds the group's offsets.
func (w *world) wantCommitted(tp TP, want Committed) {
	w.t.Helper()
	got := w.committed(tp)
	for deadline := time.Now().Add(10 * time.Second); got != want && time.Now().Before(deadline); got = w.committed(tp) {
		time.Sleep(10 * time.Millisecond)
	}
	if got != want {
		w.t.Errorf("committed for %s = %+v, want %+v", tp, got, want)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a minute has passed and still not: %s", what)
		}
	}
}

func wantMetric(t *testing.T, name string, m prometheus.Metric, want float64) {
	t.Helper()
	if got := value(t, m); got != want {
		t.Errorf("%s = %v, want %v", name, got, want)
	}
}

func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatalf("Write() error: %v", err)
	}
	return out.GetCounter().GetValue() + out.GetGauge().GetValue() + float64(out.GetHistogram().GetSampleCount())
}

func tp(n int32) TP { return TP{topic, n} }

// metric is what an Observer of a vector is as well.
type metric = prometheus.Metric

func ctxOf(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
