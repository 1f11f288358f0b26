package replay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/group"
	"millrace/consumers/group/internal/wiretest"
	"millrace/consumers/group/replay"
	"millrace/schemas"
)

// shop is a service that notes what it sees of each key.
type shop struct {
	mu   sync.Mutex
	seen map[string][]string
	n    int
}

func (s *shop) Handle(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[e.Key] = append(s.seen[e.Key], strings.TrimSpace(string(e.Body)+" "+e.Replay))
	s.n++
	return nil
}

func (s *shop) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// serve runs a service until the test ends.
func (w *world) serve(id string, d group.Dedupe) *shop {
	w.t.Helper()
	s := &shop{seen: map[string][]string{}}
	cfg := group.DefaultConfig(id)
	cfg.Member.SessionTimeout = 6 * time.Second
	cfg.CommitInterval = 20 * time.Millisecond
	rt, err := group.New(group.Service{Name: id, Topics: []string{orders}, Handler: s, Dedupe: d}, cfg,
		group.Deps{Kafka: w.opts, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := rt.Run(ctx); err != nil {
			w.t.Errorf("the service ended: %v", err)
		}
	}()
	w.t.Cleanup(func() { stop(); <-ended })
	return s
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not in time: %s", what)
		}
	}
}

func TestOneServiceSeesThePastAgainInOrderAndNoOtherDoes(t *testing.T) {
	w := newWorld(t)
	const n, keys = 300, 12
	w.past(n, keys)
	one, other := w.serve(groupID, group.Dedupe{WebhookIDs: 100}), w.serve("other", group.Dedupe{})
	w.until("both have handled all", func() bool { return one.count() == n && other.count() == n })
	admin := kadm.NewClient(w.cl)
	w.until("the group has committed all", func() bool {
		got, err := admin.FetchOffsets(t.Context(), groupID)
		sum := int64(0)
		got.Each(func(o kadm.OffsetResponse) { sum += o.At })
		return err == nil && sum == n
	})
	r := w.begin(w.desk(), selection())
	// With so little room it has to wait for the service again and again.
	if err := r.Do(t.Context(), replay.Work{Backlog: 60}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(replay.Result{Passed: n, Total: n, Chosen: n, Written: n}, r.Result()); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	w.until("all is handled again", func() bool { return one.count() >= 2*n })
	one.mu.Lock()
	defer one.mu.Unlock()
	for key, seen := range one.seen {
		want := append([]string{}, other.seen[key]...)
		for _, body := range other.seen[key] {
			want = append(want, body+" "+r.ID())
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	if other.count() != n {
		t.Errorf("the other group has handled %d events, want %d", other.count(), n)
	}
	ends, err := admin.ListEndOffsets(t.Context(), orders)
	sum := int64(0)
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	if err != nil || sum != n {
		t.Errorf("the source has %d records, want %d: %v", sum, n, err)
	}
}

// It is killed in the middle of a transaction, and goes on by its id alone.
func TestWhatIsKilledGoesOnWhereItWas(t *testing.T) {
	w := newWorld(t)
	const n = 400
	w.past(partitions*n, 9)
	w.settled()
	s := selection()
	s.Entities = []string{"order/0", "1", "2", "3", "4", "5", "6", "7", "8"} // all of them: it must be remembered
	r := w.begin(w.desk(), s)
	ctx, kill := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Do(ctx, replay.Work{Backlog: 500}) }() // nobody takes it: it stops there
	w.until("half is written", func() bool {
		found, err := w.desk().Resume(t.Context(), r.ID())
		if err != nil {
			return false
		}
		now := found.Result()
		return now.Written >= 200 // in two chunks, or three
	})
	kill()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("Do() = %v, want it interrupted", err)
	}
	w.leaveOpen(r)
	again := w.resume(w.desk(), r.ID())
	if diff := cmp.Diff(s, again.Selection(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the selection is not what it was (-want +got):\n%s", diff)
	}
	if err := again.Do(t.Context(), replay.Work{Backlog: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(n), w.again(r.ID())); diff != "" {
		t.Errorf("what the service gets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(replay.Result{Passed: partitions * n, Total: partitions * n, Chosen: partitions * n, Written: partitions * n}, again.Result()); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	// A run that has ended has nothing left.
	if err := w.resume(w.desk(), r.ID()).Do(t.Context(), replay.Work{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(n), w.again(r.ID())); diff != "" {
		t.Errorf("after it was resumed once more (-want +got):\n%s", diff)
	}
	runs, err := w.desk().List(t.Context())
	if err != nil || len(runs) != 1 || runs[0].ID() != r.ID() {
		t.Errorf("List() = %v, %v", runs, err)
	}
}

// leaveOpen does what a process leaves that is killed in a transaction: an event, and an offset that is not committed.
func (w *world) leaveOpen(r *replay.Run) {
	w.t.Helper()
	cl := w.client(kgo.TransactionalID(r.Group()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionTimeout(10*time.Minute))
	if err := cl.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	lost := waiting(0, 399, header(schemas.HeaderReplay, r.ID()))
	if err := cl.ProduceSync(w.t.Context(), lost).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	id, epoch, err := cl.ProducerID(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = r.Group(), id, epoch, r.Group()
	if resp, err := add.RequestWith(w.t.Context(), cl); err != nil || resp.ErrorCode != 0 {
		w.t.Fatalf("add offsets: %v, %v", resp, err)
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = r.Group(), r.Group(), id, epoch, -1
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = orders, w.fake.TopicInfo(orders).TopicID
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset, p.LeaderEpoch, p.Metadata = 399, -1, kmsg.StringPtr("{}")
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	if resp, err := req.RequestWith(w.t.Context(), cl); err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		w.t.Fatalf("commit offsets: %v, %v", resp, err)
	}
}

// The answer to the end of a transaction is lost, or it never was sent: the same in the end.
func TestATransactionWhoseEndIsLostIsNeitherRepeatedNorLost(t *testing.T) {
	for name, fault := range map[string]wiretest.Fault{"the answer is lost": wiretest.CutAfter, "the request is lost": wiretest.CutBefore} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			const n = 200
			w.past(partitions*n, 9)
			w.settled()
			wire := &wiretest.Wire{}
			// The client repeats a request that is cut a few times.
			r := w.begin(w.desk(wire.Option(), kgo.RequestRetries(1)), selection())
			wire.Arm(kmsg.EndTxn.Int16(), fault, 3)
			if err := r.Do(t.Context(), replay.Work{}); err != nil {
				t.Fatal(err)
			}
			if wire.Disarm() == 0 {
				t.Error("the fault was never met")
			}
			if diff := cmp.Diff(all(n), w.again(r.ID())); diff != "" {
				t.Errorf("what the service gets (-want +got):\n%s", diff)
			}
			if got := r.Result(); got.Written != partitions*n || !got.Done() {
				t.Errorf("result %+v", got)
			}
		})
	}
}

func TestOfTwoProcessesOfOneRunOneGivesUp(t *testing.T) {
	w := newWorld(t)
	const n = 300
	w.past(partitions*n, 9)
	w.settled()
	first := w.begin(w.desk(), selection())
	done := make(chan error, 1)
	go func() { done <- first.Do(t.Context(), replay.Work{Rate: 50}) }()
	var second *replay.Run
	w.until("the first has begun", func() bool {
		found, err := w.desk().Resume(t.Context(), first.ID())
		if err != nil {
			return false
		}
		second = found
		now := found.Result()
		return now.Written > 0
	})
	if err := second.Do(t.Context(), replay.Work{Backlog: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, replay.ErrTaken) {
		t.Errorf("the first ended with %v, want ErrTaken", err)
	}
	if diff := cmp.Diff(all(n), w.again(first.ID())); diff != "" {
		t.Errorf("what the service gets (-want +got):\n%s", diff)
	}
}

func TestWhatComesAnywayOrIsForAPersonIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.write(w.event("acme", 0, "orders/updated"), w.event("acme", 1, "orders/updated"))
	}
	w.settled()
	w.write(w.event("acme", 0, "orders/updated")) // comes anyway
	w.write(waiting(0, 1), waiting(0, 2), waiting(0, 3, header(schemas.HeaderRetryParked, "1")))
	w.write(&kgo.Record{Topic: retries, Partition: partitionOf(0), Key: schemas.RetryKey([]byte(keyOf("acme", 0)), 1)}) // waits no longer
	w.write(letter(1, "0"), letter(1, "4"), letter(1, "4", header(schemas.HeaderResolution, schemas.ResolutionDropped)))
	r := w.begin(w.desk(), selection())
	skipped := map[string]int64{replay.SkipWaiting: 1, replay.SkipParked: 1, replay.SkipDeadLetter: 1}
	count, err := r.Count(t.Context())
	want := replay.Count{Chosen: 10, Skipped: skipped, Topics: map[string]int64{"orders/updated": 10}, Places: []replay.PlaceCount{{orders, 0, 5}, {orders, 1, 5}}}
	if diff := cmp.Diff(want, count); diff != "" || err != nil || count.Open() != 7 {
		t.Errorf("Count(), %v (-want +got):\n%s", err, diff)
	}
	if got := w.again(r.ID()); len(got[0])+len(got[1]) != 0 {
		t.Errorf("to count has written %v", got)
	}
	if err := r.Do(t.Context(), replay.Work{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(replay.Result{Passed: 10, Total: 10, Chosen: 10, Written: 7, Skipped: skipped}, r.Result()); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([partitions][]int64{{0, 1, 4}, {1, 2, 3, 4}}, w.again(r.ID())); diff != "" {
		t.Errorf("what the service gets (-want +got):\n%s", diff)
	}
}

func TestTheSelectionChooses(t *testing.T) {
	w := newWorld(t)
	w.write(w.event("acme", 0, "orders/create"), w.event("acme", 3, "orders/paid"), w.event("bolt", 0, "orders/create"))
	time.Sleep(5 * time.Millisecond) // times of records are in milliseconds
	noon := time.Now()
	w.write(w.event("acme", 0, "orders/paid"), w.event("bolt", 6, "orders/create"))
	w.settled()
	for name, tt := range map[string]struct {
		change func(*replay.Selection)
		want   []int64
	}{
		"all":           {func(*replay.Selection) {}, []int64{0, 1, 2, 3, 4}},
		"shop":          {func(s *replay.Selection) { s.Shops = []string{"bolt"} }, []int64{2, 4}},
		"entity":        {func(s *replay.Selection) { s.Entities = []string{"order/0"} }, []int64{0, 2, 3}},
		"Shopify topic": {func(s *replay.Selection) { s.ShopifyTopics = []string{"orders/paid", "orders/delete"} }, []int64{1, 3}},
		"from":          {func(s *replay.Selection) { s.From = noon }, []int64{3, 4}},
		"to":            {func(s *replay.Selection) { s.To = noon }, []int64{0, 1, 2}},
		"none":          {func(s *replay.Selection) { s.Shops, s.ShopifyTopics = []string{"bolt"}, []string{"orders/paid"} }, nil},
	} {
		s := selection()
		tt.change(&s)
		r := w.begin(w.desk(), s)
		if err := r.Do(t.Context(), replay.Work{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, w.again(r.ID())[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for n := range int64(5) { // they do not wait any more for the next
			w.write(&kgo.Record{Topic: retries, Key: schemas.RetryKey([]byte(keyOf("acme", 0)), n)})
		}
		if got := r.Result(); !got.Done() || got.Chosen != int64(len(tt.want)) {
			t.Errorf("%s: result %+v", name, got)
		}
	}
}

func TestWhatCannotBeDoneIsSaid(t *testing.T) {
	w := newWorld(t)
	w.past(partitions, 9)
	w.settled()
	d := w.desk()
	s := selection()
	s.Topics = append(s.Topics, letters) // a topic for which the service has no retry topic
	if _, err := d.New(t.Context(), s); !errors.Is(err, replay.ErrNoRetryTopic) {
		t.Errorf("New() = %v, want ErrNoRetryTopic", err)
	}
	s = selection()
	for i := range 500 {
		s.Entities = append(s.Entities, fmt.Sprintf("order/%d", i))
	}
	if _, err := d.New(t.Context(), s); !errors.Is(err, replay.ErrTooLong) {
		t.Errorf("New() = %v, want ErrTooLong", err)
	}
	if _, err := d.Resume(t.Context(), "nosuch"); !errors.Is(err, replay.ErrUnknownRun) {
		t.Errorf("Resume() = %v, want ErrUnknownRun", err)
	}
}
