package status_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"millrace/consumers/group/status"
	"millrace/partitioning/kafkatest"
	"millrace/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	orders     = "shopify.orders"
	group      = "millrace-inventory"
	partitions = 3
)

var (
	dlq   = schemas.DeadLetterTopic(orders, group)
	retry = schemas.RetryTopic(orders, group)
)

// world is a cluster with the topics of one group.
type world struct {
	t    *testing.T
	fake *kfake.Cluster // nil on a real one
	opts []kgo.Opt
	cl   *kgo.Client
	adm  *kadm.Client
}

func fake(t *testing.T) *world {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := newWorld(t, c.ListenAddrs())
	w.fake = c
	return w
}

func newWorld(t *testing.T, addrs []string) *world {
	t.Helper()
	w := &world{t: t, opts: []kgo.Opt{kgo.SeedBrokers(addrs...), kgo.MetadataMinAge(50 * time.Millisecond)}}
	w.cl = w.client()
	w.adm = kadm.NewClient(w.cl)
	w.create(orders, dlq, retry)
	return w
}

func (w *world) create(topics ...string) {
	w.t.Helper()
	made, err := w.adm.CreateTopics(w.t.Context(), partitions, 1, nil, topics...)
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(slices.Concat(w.opts, []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1)}, opts)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cl.Close)
	return cl
}

func (w *world) status(o status.Options) *status.Status {
	w.t.Helper()
	if o.MaxAge == 0 {
		o.MaxAge = time.Nanosecond
	}
	o.Timeout = time.Minute
	if o.ReadFor == 0 {
		o.ReadFor = time.Minute
	}
	s, err := status.New(w.opts, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return s
}

// read is the one group that there is.
func (w *world) read(s *status.Status) status.Service {
	w.t.Helper()
	all, err := s.Read(w.t.Context())
	if err != nil || len(all) != 1 || all[0].Err != nil {
		w.t.Fatalf("Read() = %+v, %v, want one group", all, err)
	}
	return all[0]
}

// coordinator waits for the group's: a new cluster makes the topic of offsets when it is first asked for.
func (w *world) coordinator(s *status.Status) {
	w.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		all, err := s.Read(w.t.Context())
		if err == nil && len(all) == 1 && all[0].Err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("Read() = %+v, %v", all, err)
		}
	}
}

// aged is a record that was written so long ago.
func aged(topic string, partition int32, age time.Duration) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Key: []byte("k"), Value: []byte("v"), Timestamp: time.Now().Add(-age)}
}

func (w *world) write(records ...*kgo.Record) {
	w.t.Helper()
	for _, r := range records { // a batch each
		if err := w.cl.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// transaction writes records and ends it, unless end is nil.
func (w *world) transaction(id string, end *kgo.TransactionEndTry, records ...*kgo.Record) {
	w.t.Helper()
	cl := w.client(kgo.TransactionalID(id))
	if err := cl.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	for _, r := range records {
		if err := cl.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
	if end != nil {
		if err := cl.EndTransaction(w.t.Context(), *end); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) commit(partition int32, at int64, metadata string) {
	w.t.Helper()
	o := make(kadm.Offsets)
	o.Add(kadm.Offset{Topic: orders, Partition: partition, At: at, LeaderEpoch: -1, Metadata: metadata})
	answer, err := w.adm.CommitOffsets(w.t.Context(), group, o)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// near tells whether a time of some minutes is as wanted; the test itself takes some seconds, on a busy machine more.
func near(got, want time.Duration) bool { return got >= want && got < want+4*time.Minute }

func TestLagIsWhatIsNotCommittedAndTheAgeOfTheOldestRecordOfIt(t *testing.T) { testLag(fake(t)) }

func TestOnARealKafka(t *testing.T) {
	c := kafkatest.Start(t)
	testLag(newWorld(t, c.Brokers()))
}

func testLag(w *world) {
	t := w.t
	abort, commit := kgo.TryAbort, kgo.TryCommit
	s := w.status(status.Options{Groups: []status.Group{{Name: "inventory", Group: group, Topics: []string{orders}}}})
	w.coordinator(s)
	got := w.read(s)
	want := status.Service{Name: "inventory", Group: group, State: "Dead", Partitions: partitions, Topics: []status.Topic{{Topic: orders}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("before anything is there (-want +got):\n%s", diff)
	}

	for _, age := range []int{50, 40, 30, 20, 10} {
		w.write(aged(orders, 0, time.Duration(age)*time.Minute))
	}
	if got = w.read(s); got.Lag != 5 || got.Behind != 1 || !near(got.LagAge, 50*time.Minute) {
		t.Errorf("nothing committed: lag %d, %s, %d behind; want all 5 and 50m", got.Lag, got.LagAge, got.Behind)
	}
	w.commit(0, 2, "")
	if got = w.read(s); got.Lag != 3 || !near(got.LagAge, 30*time.Minute) || got.State != "Empty" {
		t.Errorf("2 of 5 committed: lag %d, %s, state %s; want 3, 30m, Empty", got.Lag, got.LagAge, got.State)
	}
	w.commit(0, 5, "")
	if got = w.read(s); got.Lag != 0 || got.LagAge != 0 || got.Behind != 0 {
		t.Errorf("all committed: lag %d, %s, %d behind", got.Lag, got.LagAge, got.Behind)
	}

	// A sink's pending mark stands at the first offset that is not done. What comes first there was never there.
	for range 40 {
		w.transaction("t", &abort, aged(orders, 1, 90*time.Minute))
	}
	w.transaction("t", &commit, aged(orders, 1, 20*time.Minute))
	w.commit(1, 0, "v1|P|0|82|1")
	if got = w.read(s); got.Lag != 2 || !near(got.LagAge, 20*time.Minute) {
		t.Errorf("behind aborted transactions: lag %d, %s; want 2 and 20m", got.Lag, got.LagAge)
	}
	w.commit(1, 82, "")

	// Behind the committed offset there is nothing but an aborted transaction, and one that is open.
	w.write(aged(orders, 2, 30*time.Minute))
	w.transaction("t", &abort, aged(orders, 2, 30*time.Minute))
	w.commit(2, 1, "")
	if got = w.read(s); got.Lag != 0 || got.LagAge != 0 || got.Behind != 0 {
		t.Errorf("nothing but an aborted transaction: lag %d, %s, %d behind; want none", got.Lag, got.LagAge, got.Behind)
	}
	w.transaction("open", nil, aged(orders, 0, 30*time.Minute))
	if got = w.read(s); got.Lag != 0 || got.LagAge != 0 {
		t.Errorf("an open transaction: lag %d, %s; want what it was", got.Lag, got.LagAge)
	}
	w.commit(2, 3, "")

	// The beginning of the log is gone: what cannot be read is not behind.
	for range 3 {
		w.write(aged(orders, 2, 15*time.Minute))
	}
	remove := make(kadm.Offsets)
	remove.Add(kadm.Offset{Topic: orders, Partition: 2, At: 5})
	if _, err := w.adm.DeleteRecords(t.Context(), remove); err != nil {
		t.Fatal(err)
	}
	if got = w.read(s); got.Lag != 1 || !near(got.LagAge, 15*time.Minute) {
		t.Errorf("two of three removed: lag %d, %s; want 1 and 15m", got.Lag, got.LagAge)
	}
}

func TestMembersOfBothProtocolsAreCounted(t *testing.T) {
	for name, next := range map[string]bool{"classic": false, "consumer": true} {
		t.Run(name, func(t *testing.T) {
			w := fake(t)
			s := w.status(status.Options{})
			ctx := context.Background()
			if next {
				ctx = context.WithValue(ctx, "opt_in_kafka_next_gen_balancer_beta", true) //nolint:staticcheck // as the client wants it
			}
			cl := w.client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(orders), kgo.WithContext(ctx))
			for deadline := time.Now().Add(2 * time.Minute); ; {
				got := w.read(s) // found by its dead-letter topic
				if got.Members == 1 && got.State == "Stable" && got.Name == group {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("status %+v, want one member", got)
				}
				poll, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				cl.PollFetches(poll)
				cancel()
			}
		})
	}
}

// letter is a record of the dead-letter topic.
func letter(partition int32, source int64, resolution string) *kgo.Record {
	r := &kgo.Record{Topic: dlq, Partition: partition, Key: []byte("k"), Headers: []kgo.RecordHeader{{Key: schemas.HeaderSourceOffset, Value: []byte(strconv.FormatInt(source, 10))}}}
	if resolution != "" {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: schemas.HeaderResolution, Value: []byte(resolution)})
	}
	return r
}

// waiting is a record of the retry topic.
func waiting(partition int32, source int64, value string, headers ...string) *kgo.Record {
	r := &kgo.Record{Topic: retry, Partition: partition, Key: schemas.RetryKey([]byte("k"), source)}
	if value != "" {
		r.Value = []byte(value)
	}
	for _, h := range headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h, Value: []byte("1")})
	}
	return r
}

func TestDeadLettersAndWaitingEventsAreCountedAsTheirTopicsGrow(t *testing.T) {
	w := fake(t)
	s := w.status(status.Options{})
	expect := func(what string, dead, waits int64) {
		t.Helper()
		got := w.read(s)
		if got.DeadOpen != dead || got.Waiting != waits || got.Counting || got.Topics[0].DeadOpen != dead || got.Topics[0].Waiting != waits {
			t.Errorf("%s: %d dead letters and %d waiting events (counting %v), want %d and %d", what, got.DeadOpen, got.Waiting, got.Counting, dead, waits)
		}
	}
	expect("nothing", 0, 0)
	w.write(letter(0, 7, ""), letter(1, 7, ""), letter(1, 8, ""), waiting(0, 7, "x"), waiting(2, 9, "", schemas.HeaderAttempts), aged(dlq, 0, 0), aged(retry, 0, 0))
	expect("three letters, two waiting events, two records of others", 3, 2)
	w.write(letter(1, 7, schemas.ResolutionDropped), letter(1, 8, schemas.ResolutionRedriven), waiting(1, 8, "x"), waiting(0, 7, ""))
	expect("one dropped, one redriven, one done", 1, 2)
	w.write(letter(1, 8, ""), waiting(1, 8, ""), waiting(1, 10, "", schemas.HeaderRetryParked))
	expect("what was redriven has failed again, and keeps the place of its key", 2, 1)

	fetched := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
	expect("the same again", 2, 1)
	if fetched.Hits() != 0 {
		t.Errorf("%d fetches where nothing has changed", fetched.Hits())
	}
	fetched.Remove()

	remove := make(kadm.Offsets)
	remove.Add(kadm.Offset{Topic: dlq, Partition: 0, At: 1})
	if _, err := w.adm.DeleteRecords(t.Context(), remove); err != nil {
		t.Fatal(err)
	}
	expect("a person has removed a letter", 1, 1)
	if _, err := w.adm.DeleteTopics(t.Context(), dlq); err != nil {
		t.Fatal(err)
	}
	w.create(dlq)
	expect("a person has made the topic anew", 0, 1)
}

func TestWhatCouldNotBeReadYetIsSaid(t *testing.T) {
	w := fake(t)
	w.write(letter(0, 7, ""), waiting(0, 8, "x"))
	s := w.status(status.Options{ReadFor: time.Nanosecond})
	if got := w.read(s); !got.Counting || got.Err != nil {
		t.Errorf("status %+v, want counts that are not complete", got)
	}
}

func TestAnAnswerIsGivenAgainWhileItIsFresh(t *testing.T) {
	w := fake(t)
	s := w.status(status.Options{MaxAge: time.Hour, Groups: []status.Group{{Name: "one", Group: "other"}}})
	first, err := s.Read(t.Context())
	if err != nil || len(first) != 2 || first[0].Name != "one" || first[1].Name != group {
		t.Fatalf("Read() = %+v, %v, want the group asked for and then the one that is there", first, err)
	}
	asked := w.fake.Fault(kfake.Fault{Observe: true, Count: -1})
	first[1].Topics[0].Lag = 99 // the caller's own
	again, err := s.Read(t.Context())
	if err != nil || again[1].Topics[0].Lag != 0 {
		t.Errorf("Read() again = %+v, %v", again, err)
	}
	if asked.Hits() != 0 {
		t.Errorf("%d requests for an answer that is a moment old", asked.Hits())
	}
}

func TestABrokerThatIsAwayIsAnErrorInTime(t *testing.T) {
	w := fake(t)
	s, err := status.New(w.opts, status.Options{Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w.fake.Close()
	began := time.Now()
	if got, err := s.Read(t.Context()); err == nil || time.Since(began) > time.Minute {
		t.Errorf("Read() = %+v, %v after %s", got, err, time.Since(began))
	}
	if _, err := status.New(nil, status.Options{MaxAge: -1}); err == nil {
		t.Error("a negative age is taken")
	}
	s.Close() // twice does no harm
}

func TestManyPartitionsAreAskedForAtOnce(t *testing.T) {
	w := fake(t)
	const many = 60
	if _, err := w.adm.CreateTopic(t.Context(), many, 1, nil, "many"); err != nil {
		t.Fatal(err)
	}
	for p := range int32(many) {
		w.write(aged("many", p, time.Duration(p+10)*time.Minute))
	}
	s := w.status(status.Options{Groups: []status.Group{{Name: "many", Group: "many", Topics: []string{"many"}}}})
	all, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := all[0]; got.Lag != many || got.Behind != many || !near(got.LagAge, 69*time.Minute) {
		t.Errorf("lag %d in %d partitions, %s; want %d and 69m", got.Lag, got.Behind, got.LagAge, many)
	}
	fetched := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
	if all, err = s.Read(t.Context()); err != nil || !near(all[0].LagAge, 69*time.Minute) {
		t.Errorf("Read() again = %s, %v", fmt.Sprint(all[0].LagAge), err)
	}
	if fetched.Hits() != 0 {
		t.Errorf("%d fetches for positions that have not moved", fetched.Hits())
	}
}
