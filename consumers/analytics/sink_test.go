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

	"millrace/consumers/group/member"
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

func (s *Sink) owned() []member.TP {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []member.TP
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

func TestWhileClickHouseIsAwayNothingIsFinalisedFetchingPausesAndTheMemberStays(t *testing.T) {
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
		w.wantPending(0, 0, 100)
		w.wantCommitted(1, -1)
		s.mu.Lock()
		held := s.buffered
		s.mu.Unlock()
		if held > 100*1024 {
			t.Errorf("%d bytes are held: fetching went on for an hour", held)
		}
		wantMetric(t, "up", s.metrics.up, 0)
		wantMetric(t, "paused partitions", s.metrics.paused, float64(2*len(Topics())))
		s.wantGroupMetric(t, "assigned_partitions", "", float64(2*len(Topics())))
		if age := value(t, s.metrics.lagSeconds.WithLabelValues(ordersTopic)); age < 3500 {
			t.Errorf("lag = %v s after an hour", age)
		}
		if got := s.owned(); len(got) != 2*len(Topics()) {
			t.Errorf("the member has %d partitions left, want all", len(got))
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
				return &clickhouse.Exception{Code: 49, Message: "logical error"}
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
		w.wantPending(0, 0, 10)
		wantMetric(t, "paused partitions", s.metrics.paused, 1)
		for _, c := range st.seen() {
			if strings.HasPrefix(c.token, "shopify.orders/0/") && c.token != "shopify.orders/0/0-10" {
				t.Errorf("insert %s overtook the refused one", c.token)
			}
		}
		mustStop(t, s)
		w.wantPending(0, 0, 10)
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
		eventually(t, "records held", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.buffered > 0 && len(s.partitions) == 3*len(Topics())
		})
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
		eventually(t, "the next member's assignment", func() bool { return len(next.owned()) == 3*len(Topics()) })
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("the next member waited %s", took)
		}
		mustStop(t, next)
	})
}

func TestAStopWhileClickHouseIsAwayEndsAfterTheGraceAndLeavesTheBatchPending(t *testing.T) {
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
		w.wantPending(0, 0, 10)
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
