package analytics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/schemas"
)

var errAway = errors.New("connection refused")

func TestABatchIsInsertedWhenItHasItsRows(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		cfg := testConfig()
		cfg.BatchRows, cfg.BatchLinger = 10, time.Hour
		st := &fakeStore{}
		s := w.start(cfg, st)
		w.produce(orders(0, 0, 25)...)
		eventually(t, "two full batches", func() bool { return len(st.seen()) == 2 })
		time.Sleep(10 * time.Second)
		want := []call{{"shopify.orders/0/0-10", 10}, {"shopify.orders/0/10-20", 10}}
		if diff := cmp.Diff(want, st.seen(), cmp.AllowUnexported(call{})); diff != "" {
			t.Errorf("inserts (-want, +got):\n%s", diff)
		}
		w.wantCommitted(0, 20)
		mustStop(t, s)
		w.wantCommitted(0, 25)
		wantMetric(t, "rows", s.metrics.rows, 25)
		wantMetric(t, "batches", s.metrics.batches, 3)
		if n, sum := samples(t, s.metrics.batchRows); n != 3 || sum != 25 {
			t.Errorf("batch rows histogram = %d samples, sum %v; want 3, 25", n, sum)
		}
	})
}

func TestABatchIsInsertedWhenItHasItsBytes(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		cfg := testConfig()
		cfg.BatchBytes, cfg.BatchLinger = 3000, time.Hour
		st := &fakeStore{}
		s := w.start(cfg, st)
		pad := strings.Repeat("x", 1000)
		for n := range 5 {
			w.produce(event(0, fmt.Sprint(n), "orders/create", "order/1", `{"pad":"`+pad+`"}`))
		}
		eventually(t, "two batches", func() bool { return len(st.seen()) == 2 })
		for _, c := range st.seen() {
			if c.rows != 2 {
				t.Errorf("insert %s has %d rows, want the 2 that fit 3000 bytes", c.token, c.rows)
			}
		}
		mustStop(t, s)
		if n, sum := samples(t, s.metrics.batchBytes); n != 3 || sum < 5*1000 {
			t.Errorf("batch bytes histogram = %d samples, sum %v; want 3 and more than 5000", n, sum)
		}
	})
}

func TestABatchIsInsertedWhenItsTimeIsUp(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		cfg := testConfig()
		cfg.BatchLinger = 3 * time.Second
		var at time.Time
		st := &fakeStore{onInsert: func(context.Context, int, string) error { at = time.Now(); return nil }}
		s := w.start(cfg, st)
		eventually(t, "assignment", func() bool { return len(s.owned()) > 0 })
		begin := time.Now()
		w.produce(order(0, 1))
		eventually(t, "commit", func() bool { return w.committed(0) == 1 })
		if waited := at.Sub(begin); waited < 3*time.Second || waited > 4*time.Second {
			t.Errorf("inserted after %s, want about the linger of 3s", waited)
		}
		if n, sum := samples(t, s.metrics.endToEnd); n != 1 || sum < 3 || sum > 4 {
			t.Errorf("end-to-end histogram = %d samples, sum %v; want one of about 3 s", n, sum)
		}
		mustStop(t, s)
	})
}

func (s *Sink) owned() []partitionKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []partitionKey
	for k := range s.partitions {
		out = append(out, k)
	}
	return out
}

func TestAFailedInsertIsRepeatedWithTheSameBoundsUntilItSucceeds(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{onInsert: func(_ context.Context, n int, _ string) error {
			if n < 3 {
				return &clickhouse.Exception{Code: codeMemoryLimit, Message: "memory limit"}
			}
			return nil
		}}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 5)...)
		eventually(t, "commit", func() bool { return w.committed(0) == 5 })
		want := slices.Repeat([]call{{"shopify.orders/0/0-5", 5}}, 4)
		if diff := cmp.Diff(want, st.seen(), cmp.AllowUnexported(call{})); diff != "" {
			t.Errorf("inserts (-want, +got):\n%s", diff)
		}
		wantMetric(t, "failures", s.metrics.insertFailures.WithLabelValues(string(failOverloaded)), 3)
		wantMetric(t, "up", s.metrics.up, 1)
		for result, want := range map[string]uint64{resultFailed: 3, resultOK: 1} {
			if n, _ := samples(t, s.metrics.insertSeconds.WithLabelValues(result).(prometheus.Histogram)); n != want {
				t.Errorf("insert latency has %d samples of %s, want %d", n, result, want)
			}
		}
		mustStop(t, s)
	})
}

func TestWhileClickHouseIsAwayNothingIsCommittedFetchingPausesAndTheMemberStays(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		t := w.t
		away := true
		st := &fakeStore{}
		st.onInsert = func(context.Context, int, string) error {
			st.mu.Lock()
			defer st.mu.Unlock()
			if away {
				return errAway
			}
			return nil
		}
		cfg := testConfig()
		s := w.start(cfg, st)
		w.produce(orders(0, 0, 100)...)
		eventually(t, "first failure", func() bool { return len(st.seen()) > 0 })
		time.Sleep(time.Second)
		for n := range 60 {
			w.produce(orders(0, 100+n*100, 200+n*100)...)
			time.Sleep(time.Minute)
		}
		w.wantCommitted(0, -1)
		w.wantCommitted(1, -1)
		s.mu.Lock()
		held := s.buffered
		s.mu.Unlock()
		if held > 100*1024 {
			t.Errorf("%d bytes are held: fetching went on for an hour", held)
		}
		wantMetric(t, "up", s.metrics.up, 0)
		wantMetric(t, "paused partitions", s.metrics.paused, 12)
		wantMetric(t, "assigned partitions", s.metrics.assigned, 12)
		if age := value(t, s.metrics.lagSeconds.WithLabelValues(ordersTopic)); age < 3500 {
			t.Errorf("lag = %v s after an hour", age)
		}
		if got := s.owned(); len(got) != 12 {
			t.Errorf("the member has %d partitions left, want all 12", len(got))
		}
		st.mu.Lock()
		away = false
		st.mu.Unlock()
		eventually(t, "all committed", func() bool { return w.committed(0) == 6100 })
		tokens := st.seen()
		for _, c := range tokens[:len(tokens)-1] {
			if c.token == tokens[0].token && c.rows != tokens[0].rows {
				t.Errorf("insert %s had %d rows, then %d", c.token, tokens[0].rows, c.rows)
			}
		}
		ids := st.stored()
		slices.Sort(ids)
		if got := len(slices.Compact(ids)); got != 6100 || len(st.stored()) != 6100 {
			t.Errorf("%d distinct of %d rows, want 6100", got, len(st.stored()))
		}
		time.Sleep(time.Second)
		wantMetric(t, "paused partitions", s.metrics.paused, 0)
		wantMetric(t, "lag in records", s.metrics.lagRecords.WithLabelValues(ordersTopic), 0)
		wantMetric(t, "up", s.metrics.up, 1)
		mustStop(t, s)
	})
}

func TestARefusedBatchStopsItsOwnPartitionOnly(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		t := w.t
		st := &fakeStore{onInsert: func(_ context.Context, _ int, token string) error {
			if strings.HasPrefix(token, "shopify.orders/0/") {
				return &clickhouse.Exception{Code: 6, Message: "cannot parse"}
			}
			return nil
		}}
		cfg := testConfig()
		cfg.BatchRows, cfg.InsertConcurrency = 10, 1
		s := w.start(cfg, st)
		w.produce(orders(0, 0, 200)...)
		w.produce(orders(1, 0, 50)...)
		eventually(t, "the other partition", func() bool { return w.committed(1) == 50 })
		time.Sleep(10 * time.Second)
		w.wantCommitted(0, -1)
		wantMetric(t, "paused partitions", s.metrics.paused, 1)
		for _, c := range st.seen() {
			if strings.HasPrefix(c.token, "shopify.orders/0/") && c.token != "shopify.orders/0/0-10" {
				t.Errorf("insert %s overtook the refused one", c.token)
			}
		}
		mustStop(t, s)
		w.wantCommitted(0, -1)
	})
}

func TestFetchingPausesAtTheBufferLimitAndResumesBelowIt(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		gate := make(chan struct{})
		st := &fakeStore{onInsert: func(ctx context.Context, _ int, _ string) error {
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		cfg := testConfig()
		cfg.BatchBytes, cfg.BufferBytes, cfg.InsertTimeout = 4000, 10_000, time.Hour
		s := w.start(cfg, st)
		w.produce(orders(0, 0, 30)...)
		eventually(t, "a pause", func() bool { return value(t, s.metrics.paused) > 0 })
		w.produce(orders(0, 30, 500)...)
		time.Sleep(time.Minute)
		if held := value(t, s.metrics.buffered); held > 20_000 {
			t.Errorf("%v bytes held with a limit of 10000", held)
		}
		close(gate)
		eventually(t, "everything", func() bool { return w.committed(0) == 500 })
		mustStop(t, s)
		wantMetric(t, "rows", s.metrics.rows, 500)
	})
}

func TestAStopInsertsAndCommitsWhatIsHeldAndLeavesTheGroup(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		t := w.t
		cfg := testConfig()
		cfg.BatchLinger = time.Hour
		st := &fakeStore{}
		s := w.start(cfg, st)
		for p := range int32(3) {
			w.produce(orders(p, 0, 10)...)
		}
		eventually(t, "records held", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.buffered > 0 && len(s.partitions) == 18 })
		time.Sleep(5 * time.Second)
		begin := time.Now()
		mustStop(t, s)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the stop took %s although ClickHouse answered at once", took)
		}
		for p := range int32(3) {
			w.wantCommitted(p, 10)
		}
		// Had it not left, the next member would wait for the session timeout.
		begin = time.Now()
		next := w.start(testConfig(), st)
		eventually(t, "the next member's assignment", func() bool { return len(next.owned()) == 18 })
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("the next member waited %s", took)
		}
		mustStop(t, next)
	})
}

func TestAStopWhileClickHouseIsAwayEndsAfterTheGraceAndCommitsNothing(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{onInsert: func(context.Context, int, string) error { return errAway }}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 10)...)
		eventually(t, "a failure", func() bool { return len(st.seen()) > 0 })
		begin := time.Now()
		mustStop(t, s)
		if took := time.Since(begin); took < 4*time.Second || took > 7*time.Second {
			t.Errorf("the stop took %s, want the grace of 5s", took)
		}
		w.wantCommitted(0, -1)
	})
}

func TestAfterACrashTheNextMemberReadsFromTheLastCommit(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{}
		first := w.start(testConfig(), st)
		w.produce(orders(0, 0, 10)...)
		eventually(t, "commit", func() bool { return w.committed(0) == 10 })
		mustStop(t, first)
		w.produce(orders(0, 10, 20)...)
		second := w.start(testConfig(), st)
		eventually(t, "commit", func() bool { return w.committed(0) == 20 })
		mustStop(t, second)
		if got := len(st.stored()); got != 20 {
			t.Errorf("%d rows, want 20: the second member must neither skip nor repeat", got)
		}
	})
}

func TestRevocationInTheMiddleOfAnInsertDropsTheBatchAndCommitsNothingAfterwards(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		released := make(chan struct{})
		st := &fakeStore{onInsert: func(context.Context, int, string) error {
			<-released // an insert that does not hear its context: the zombie
			return nil
		}}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 10)...)
		eventually(t, "an insert under way", func() bool { return len(st.seen()) == 1 })
		go s.onRevoked(t.Context(), s.client, map[string][]int32{ordersTopic: {0}})
		eventually(t, "the partition dropped", func() bool { return !slices.Contains(s.owned(), partitionKey{ordersTopic, 0}) })
		close(released)
		time.Sleep(10 * time.Second)
		w.wantCommitted(0, -1)
		s.mu.Lock()
		if s.buffered != 0 {
			t.Errorf("%d bytes are still counted as held", s.buffered)
		}
		s.mu.Unlock()
		mustStop(t, s)
		w.wantCommitted(0, -1)
	})
}

func TestRevocationWaitsForTheBatchInFlightAndCommitsIt(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{onInsert: func(context.Context, int, string) error { time.Sleep(2 * time.Second); return nil }}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 10)...)
		eventually(t, "an insert under way", func() bool { return len(st.seen()) == 1 })
		s.onRevoked(t.Context(), s.client, map[string][]int32{ordersTopic: {0}})
		w.wantCommitted(0, 10)
		mustStop(t, s)
	})
}

func TestTwoMembersShareTheWorkThroughRebalancesAndLoseNothing(t *testing.T) {
	outside(t, 4, func(w *world) {
		t := w.t
		st := &fakeStore{onInsert: func(context.Context, int, string) error { time.Sleep(2 * time.Millisecond); return nil }}
		cfg := testConfig()
		cfg.BatchLinger, cfg.SessionTimeout = 5*time.Millisecond, 2*time.Second
		produced := make(chan struct{})
		go func() { // a flow throughout, so that every rebalance meets inserts and commits
			defer close(produced)
			for n := range 400 {
				for p := range int32(4) {
					w.client.Produce(t.Context(), event(p, fmt.Sprintf("%d-%d", p, n), "orders/create", "order/1", `{}`), nil)
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		first := w.start(cfg, st)
		eventually(t, "the first member's assignment", func() bool { return len(first.owned()) == 24 })
		second := w.start(cfg, st)
		eventually(t, "an even share", func() bool { return len(first.owned()) == 12 && len(second.owned()) == 12 })
		mustStop(t, first)
		eventually(t, "all of it for the second", func() bool { return len(second.owned()) == 24 })
		<-produced
		for p := range int32(4) {
			eventually(t, "all committed", func() bool { return w.committed(p) == 400 })
		}
		mustStop(t, second)
		ids := st.stored()
		slices.Sort(ids)
		if distinct := len(slices.Compact(slices.Clone(ids))); distinct != 1600 || len(ids) != 1600 {
			t.Errorf("%d rows, %d distinct, want 1600: orderly rebalances neither lose nor repeat", len(ids), distinct)
		}
	})
}

func TestAFailedCommitIsRepeatedAndCounted(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		fails := 2
		w.cluster.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if fails == 0 {
				return nil, nil, false
			}
			fails--
			resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, t := range req.(*kmsg.OffsetCommitRequest).Topics {
				rt := kmsg.NewOffsetCommitResponseTopic()
				rt.Topic, rt.TopicID = t.Topic, t.TopicID
				for _, p := range t.Partitions {
					rp := kmsg.NewOffsetCommitResponseTopicPartition()
					rp.Partition, rp.ErrorCode = p.Partition, kerr.InvalidCommitOffsetSize.Code
					rt.Partitions = append(rt.Partitions, rp)
				}
				resp.Topics = append(resp.Topics, rt)
			}
			return resp, nil, true
		})
		st := &fakeStore{}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 10)...)
		eventually(t, "commit", func() bool { return w.committed(0) == 10 })
		wantMetric(t, "commit failures", s.metrics.commitFailures, 2)
		if got := len(st.seen()); got != 1 {
			t.Errorf("%d inserts, want 1: the rows were in", got)
		}
		mustStop(t, s)
	})
}

func TestAForeignRecordIsSetAsideWithItsReasonAndItsBatchGoesIn(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{}
		foreign := &kgo.Record{Topic: ordersTopic, Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}}
		s := w.start(testConfig(), st)
		w.produce(order(0, 1), foreign, order(0, 2))
		eventually(t, "commit", func() bool { return w.committed(0) == 3 })
		if diff := cmp.Diff([]string{"webhook-1", "webhook-2"}, st.stored()); diff != "" {
			t.Errorf("rows (-want, +got):\n%s", diff)
		}
		wantMetric(t, "quarantined", s.metrics.quarantined.WithLabelValues(string(rejectNotAnEvent)), 1)
		mustStop(t, s)

		got := w.readOne(schemas.DomainQuarantine.KafkaTopic())
		headers := map[string]string{}
		for _, h := range got.Headers {
			headers[h.Key] = string(h.Value)
		}
		if reason := headers[schemas.HeaderQuarantineReason]; !strings.Contains(reason, "not_an_event") {
			t.Errorf("reason = %q", reason)
		}
		delete(headers, schemas.HeaderQuarantineReason)
		want := map[string]string{
			"h": "1", schemas.HeaderQuarantineTopic: ordersTopic, schemas.HeaderQuarantinePartition: "0", schemas.HeaderQuarantineOffset: "1",
		}
		if diff := cmp.Diff(want, headers); diff != "" {
			t.Errorf("headers (-want, +got):\n%s", diff)
		}
		if string(got.Key) != "k" || string(got.Value) != "v" {
			t.Errorf("record = %q %q, want the original", got.Key, got.Value)
		}
	})
}

func (w *world) readOne(topic string) *kgo.Record {
	w.t.Helper()
	c, err := kgo.NewClient(append(w.connection(), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		w.t.Fatalf("NewClient() error: %v", err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	fetches := c.PollFetches(ctx)
	if err := fetches.Err(); err != nil || fetches.NumRecords() != 1 {
		w.t.Fatalf("read %s: %d records, error %v; want 1", topic, fetches.NumRecords(), err)
	}
	return fetches.Records()[0]
}

func TestNothingIsCommittedBeforeTheQuarantineHasAcknowledged(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		refuse := true
		w.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			return nil, errors.New("broken pipe"), refuse && len(req.(*kmsg.ProduceRequest).Topics) > 0
		})
		refuse = false
		st := &fakeStore{}
		w.produce(&kgo.Record{Topic: ordersTopic, Value: []byte("foreign")}, order(0, 1))
		refuse = true
		s := w.start(testConfig(), st)
		eventually(t, "the row", func() bool { return len(st.stored()) == 1 })
		time.Sleep(20 * time.Second)
		w.wantCommitted(0, -1)
		refuse = false
		eventually(t, "commit", func() bool { return w.committed(0) == 2 })
		mustStop(t, s)
	})
}

func TestAGroupWhoseCommittedOffsetIsGoneStopsWithAnError(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		w.loseUnread()
		st := &fakeStore{}
		s := w.start(testConfig(), st)
		if err := s.wait(); !errors.Is(err, ErrEventsLost) {
			t.Errorf("Run() error = %v, want ErrEventsLost", err)
		}
		w.wantCommitted(0, 5)
		wantMetric(t, "fetch errors", s.metrics.fetchErrors, 1)
	})
}

func TestAGroupWhoseCommittedOffsetIsGoneGoesOnAtTheOldestWhenToldTo(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		w.loseUnread()
		cfg := testConfig()
		cfg.OffsetOutOfRange = outOfRangeEarliest
		st := &fakeStore{}
		s := w.start(cfg, st)
		eventually(t, "commit", func() bool { return w.committed(0) == 20 })
		wantMetric(t, "lost", s.metrics.lost, 10)
		if got := len(st.stored()); got != 5 {
			t.Errorf("%d rows, want the 5 that were left", got)
		}
		mustStop(t, s)
	})
}

// loseUnread leaves a group that has committed 5, of 20 records of which the first 15 were removed.
func (w *world) loseUnread() {
	w.t.Helper()
	w.produce(orders(0, 0, 5)...)
	s := w.start(testConfig(), &fakeStore{})
	eventually(w.t, "commit", func() bool { return w.committed(0) == 5 })
	mustStop(w.t, s)
	w.produce(orders(0, 5, 20)...)
	w.deleteBefore(0, 15)
}

func TestARunWaitsForClickHouseBeforeItJoinsTheGroup(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{onCheck: func(n int) error {
			if n < 5 {
				return errAway
			}
			return nil
		}}
		s := w.start(testConfig(), st)
		w.produce(order(0, 1))
		eventually(t, "commit", func() bool { return w.committed(0) == 1 })
		if st.checks != 6 {
			t.Errorf("%d checks, want 6", st.checks)
		}
		mustStop(t, s)
	})
}

func TestARunRefusesTablesThatAreNotItsOwn(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		for _, final := range []error{ErrSchemaPending, ErrSchemaDrift, ErrSchemaNewer} {
			s := w.start(testConfig(), &fakeStore{onCheck: func(int) error { return fmt.Errorf("check: %w", final) }})
			if err := s.wait(); !errors.Is(err, final) {
				t.Errorf("Run() error = %v, want %v", err, final)
			}
		}
	})
}

func TestManyQuietPartitionsShareTheInsertRate(t *testing.T) {
	inWorld(t, 24, func(w *world) {
		t := w.t
		cfg := testConfig()
		cfg.InsertsPerSecond, cfg.BatchLinger = 4, 100*time.Millisecond
		st := &fakeStore{}
		s := w.start(cfg, st)
		eventually(t, "assignment", func() bool { return len(s.owned()) == 144 })
		begin := time.Now()
		for n := range 100 {
			for p := range int32(24) {
				w.produce(event(p, fmt.Sprintf("%d-%d", p, n), "orders/create", "order/1", `{}`))
			}
			time.Sleep(100 * time.Millisecond)
		}
		inserts := len(st.seen())
		if most := int(time.Since(begin).Seconds()*4) + 2; inserts > most {
			t.Errorf("%d inserts in %s, want at most %d", inserts, time.Since(begin), most)
		}
		for p := range int32(24) {
			eventually(t, "all committed", func() bool { return w.committed(p) == 100 })
		}
		mustStop(t, s)
	})
}

func TestProblemsOfBodiesAreCountedByKind(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		s := w.start(testConfig(), &fakeStore{})
		w.produce(
			event(0, "1", "orders/create", "order/1", `[]`),
			event(0, "2", "orders/create", "order/x", `{"total_price":"much","updated_at":"soon","currency":7,"test":"no","customer":{"id":-1}}`),
			event(0, "3", "orders/create", "order/1", `{"updated_at":"9999-01-01T00:00:00Z"}`),
		)
		eventually(t, "commit", func() bool { return w.committed(0) == 3 })
		for p := range problemCount {
			wantMetric(t, p.String(), s.metrics.extractProblems.WithLabelValues(p.String()), 1)
		}
		mustStop(t, s)
	})
}
