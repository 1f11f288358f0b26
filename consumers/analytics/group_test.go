package analytics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/analytics/database"
	"millrace/consumers/group/member"
	"millrace/schemas"
)

func TestRevocationInTheMiddleOfAnInsertDropsTheBatchAndLeavesItPending(t *testing.T) {
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
		moved := []member.TP{{Topic: ordersTopic}}
		go func() {
			work{s.Sink}.Release(t.Context(), moved)
			work{s.Sink}.Drop(moved, false)
		}()
		eventually(t, "the partition dropped", func() bool { return !slices.Contains(s.owned(), moved[0]) })
		close(released)
		time.Sleep(10 * time.Second)
		w.wantPending(0, 0, 10)
		s.mu.Lock()
		if s.buffered != 0 {
			t.Errorf("%d bytes are still counted as held", s.buffered)
		}
		s.mu.Unlock()
		mustStop(t, s)
		w.wantPending(0, 0, 10)
	})
}

func TestRevocationWaitsForTheBatchInFlightAndCommitsIt(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		st := &fakeStore{onInsert: func(context.Context, int, string) error { time.Sleep(2 * time.Second); return nil }}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 10)...)
		eventually(t, "an insert under way", func() bool { return len(st.seen()) == 1 })
		work{s.Sink}.Release(t.Context(), []member.TP{{Topic: ordersTopic}})
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
		eventually(t, "the first member's assignment", func() bool { return len(first.owned()) == 4*len(Topics()) })
		second := w.start(cfg, st)
		eventually(t, "an even share", func() bool { return len(first.owned()) == 2*len(Topics()) && len(second.owned()) == 2*len(Topics()) })
		mustStop(t, first)
		eventually(t, "all of it for the second", func() bool { return len(second.owned()) == 4*len(Topics()) })
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
		s.wantGroupMetric(t, "commit_failures_total", "offsets", 2)
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
		wantMetric(t, "dead letters", s.metrics.deadLetters.WithLabelValues(string(rejectNotAnEvent)), 1)
		mustStop(t, s)

		got := w.readOne(lettersTopic)
		headers := map[string]string{}
		for _, h := range got.Headers {
			headers[h.Key] = string(h.Value)
		}
		if text := headers[schemas.HeaderError]; !strings.Contains(text, "not_an_event") {
			t.Errorf("error = %q", text)
		}
		for _, h := range []string{schemas.HeaderFirstFailure, schemas.HeaderLastFailure} {
			if at, err := time.Parse(time.RFC3339Nano, headers[h]); err != nil || time.Since(at) > time.Minute {
				t.Errorf("%s = %q", h, headers[h])
			}
			delete(headers, h)
		}
		delete(headers, schemas.HeaderError)
		want := map[string]string{
			"h": "1", schemas.HeaderSourceTopic: ordersTopic, schemas.HeaderSourcePartition: "0", schemas.HeaderSourceOffset: "1",
			schemas.HeaderAttempts: "1", schemas.HeaderErrorClass: schemas.ClassUnreadable,
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

func TestNoBatchIsFinalisedBeforeItsDeadLettersAreAcknowledged(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		var refuse atomic.Bool
		w.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			return nil, errors.New("broken pipe"), refuse.Load() && len(req.(*kmsg.ProduceRequest).Topics) > 0
		})
		st := &fakeStore{}
		w.produce(&kgo.Record{Topic: ordersTopic, Value: []byte("foreign")}, order(0, 1))
		refuse.Store(true)
		s := w.start(testConfig(), st)
		eventually(t, "the row", func() bool { return len(st.stored()) == 1 })
		time.Sleep(20 * time.Second)
		w.wantPending(0, 0, 2)
		refuse.Store(false)
		eventually(t, "commit", func() bool { return w.committed(0) == 2 })
		mustStop(t, s)
	})
}

// refuseProduce makes the broker refuse the next n produce requests with the error.
func (w *world) refuseProduce(n int, with *kerr.Error) {
	w.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if n == 0 {
			return nil, nil, false
		}
		n--
		w.cluster.KeepControl()
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.(*kmsg.ProduceRequest).Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, with.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
}

func TestADeadLetterThatIsRefusedIsTriedAgainBeforeTheCommit(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.produce(&kgo.Record{Topic: ordersTopic, Key: []byte("k"), Value: []byte("foreign")}, order(0, 1))
		w.refuseProduce(3, kerr.InvalidRecord)
		s := w.start(testConfig(), &fakeStore{})
		eventually(w.t, "commit", func() bool { return w.committed(0) == 2 })
		wantMetric(w.t, "dead letters", s.metrics.deadLetters.WithLabelValues(string(rejectNotAnEvent)), 1)
		mustStop(w.t, s)
		if got := w.readOne(lettersTopic); string(got.Value) != "foreign" {
			w.t.Errorf("value = %q", got.Value)
		}
	})
}

func TestARecordTooLargeForADeadLetterIsSetAsideByItsCoordinates(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.produce(&kgo.Record{Topic: ordersTopic, Key: []byte("k"), Value: []byte("foreign")})
		w.refuseProduce(1, kerr.MessageTooLarge)
		s := w.start(testConfig(), &fakeStore{})
		eventually(w.t, "commit", func() bool { return w.committed(0) == 1 })
		mustStop(w.t, s)
		if got := w.readOne(lettersTopic); len(got.Value) != 0 || len(got.Headers) != 8 {
			w.t.Errorf("record = %q with %d headers, want no value and the 8 headers of a dead letter", got.Value, len(got.Headers))
		}
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
		s.wantGroupMetric(t, "fetch_errors_total", "", 1)
	})
}

func TestAGroupWhoseCommittedOffsetIsGoneGoesOnAtTheOldestWhenToldTo(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		t := w.t
		w.loseUnread()
		cfg := testConfig()
		cfg.OffsetOutOfRange = member.OutOfRangeEarliest
		st := &fakeStore{}
		s := w.start(cfg, st)
		eventually(t, "commit", func() bool { return w.committed(0) == 20 })
		s.wantGroupMetric(t, "records_lost_total", "", 10)
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
		for _, final := range []error{database.ErrSchemaPending, database.ErrSchemaDrift, database.ErrSchemaNewer} {
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
		eventually(t, "assignment", func() bool { return len(s.owned()) == 24*len(Topics()) })
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
			event(0, "2", "orders/create", "order/x", `{"created_at":"2026-01-01T00:00:00Z","total_price":"much","updated_at":"soon","currency":7,"test":"no","customer":{"id":-1}}`),
			event(0, "3", "orders/create", "order/1", `{"updated_at":"9999-01-01T00:00:00Z"}`), // and no created_at
		)
		eventually(t, "commit", func() bool { return w.committed(0) == 3 })
		for p := range problemCount {
			wantMetric(t, p.String(), s.metrics.extractProblems.WithLabelValues(p.String()), 1)
		}
		mustStop(t, s)
	})
}
