package member

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A member that stops in order has its partitions worked by another within a second.
func TestAStopUnderLoadHandsThePartitionsOverAtOnceWithoutARepeat(t *testing.T) {
	took := handOver(t, newWorld(t, 6), DefaultConfig("g"))
	if took > time.Second {
		t.Errorf("the last partition was worked again %s after the stop, want less than 1s", took)
	}
}

// handOver returns how long after the order to stop the last partition of the member was worked by the other.
func handOver(t *testing.T, w *world, cfg Config) time.Duration {
	t.Helper()
	l := newLedger()
	a, b := newShape(t, "a"), newShape(t, "b")
	a.ledger, b.ledger = l, l
	ma := w.start(cfg, a)
	mb := w.start(cfg, b)
	eventually(t, "an even share", func() bool { return len(a.in("ready")) == 3 && len(b.in("ready")) == 3 })
	stopFlow := w.flow(6)
	eventually(t, "records of all partitions", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.last) == 6 })
	mine := a.in("ready")
	begin := time.Now()
	ma.mustStop(t, time.Second)
	var last time.Time
	for _, tp := range mine {
		eventually(t, "work of b", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.last[tp] != "b" {
				return false
			}
			last = time.Now()
			return true
		})
	}
	produced := stopFlow()
	eventually(t, "all records", func() bool { distinct, _ := l.total(); return distinct == produced })
	mb.mustStop(t, time.Second)
	if distinct, repeated := l.total(); distinct != produced || repeated != 0 {
		t.Errorf("%d of %d records, %d repeated; want all and none", distinct, produced, repeated)
	}
	t.Logf("worked again after %s", last.Sub(begin))
	return last.Sub(begin)
}

func TestAStopWaitsForTheGraceAndNoLonger(t *testing.T) {
	w := newWorld(t, 1)
	s := newShape(t, "a")
	cause := make(chan error, 1)
	s.onRelease = func(ctx context.Context, _ []TP) { <-ctx.Done(); cause <- context.Cause(ctx) }
	cfg := testConfig()
	cfg.StopGrace = 500 * time.Millisecond
	m := w.ready(cfg, s, 1)
	begin := time.Now()
	m.mustStop(t, 2*time.Second)
	if took := time.Since(begin); took < cfg.StopGrace {
		t.Errorf("the stop took %s, want the grace of %s", took, cfg.StopGrace)
	}
	if err := <-cause; !errors.Is(err, errGrace) {
		t.Errorf("Release ended by %v, want the grace", err)
	}
}

// A stop in the middle of a revocation has the same grace, and calls Release once for each partition.
func TestAStopDuringARevocationEndsWithinTheGrace(t *testing.T) {
	w := newWorld(t, 2)
	s := newShape(t, "a")
	var calls atomic.Int32
	s.onRelease = func(ctx context.Context, tps []TP) { calls.Add(int32(len(tps))); <-ctx.Done() }
	cfg := testConfig()
	cfg.StopGrace = 500 * time.Millisecond
	a := w.ready(cfg, s, 2)
	b := w.start(cfg, newShape(t, "b"))
	eventually(t, "a revocation", func() bool { return calls.Load() == 1 })
	a.mustStop(t, 3*time.Second)
	if calls.Load() != 2 {
		t.Errorf("%d partitions released, want 2", calls.Load())
	}
	eventually(t, "all for b", func() bool { return len(b.in("ready")) == 2 })
	b.mustStop(t, 2*time.Second)
}

// A member that is told to stop while it waits for others to join cannot wait for them, and must not be waited for.
func TestAStopInTheMiddleOfAJoinLeavesTheGroup(t *testing.T) {
	w := newWorld(t, 2)
	slow := newShape(t, "slow")
	hold := make(chan struct{})
	slow.onRelease = func(ctx context.Context, tps []TP) { <-hold; _ = slow.commit(ctx, tps...) }
	cfg := testConfig()
	cfg.SessionTimeout = 10 * time.Second
	first := w.ready(cfg, slow, 2)
	second := w.ready(cfg, newShape(t, "b"), 0)
	eventually(t, "a revocation", func() bool { releases, _, _ := slow.counts(); return releases == 1 })
	cfg.CommitTimeout = 500 * time.Millisecond
	joins := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
	third := w.start(cfg, newShape(t, "c")) // its join waits for the first
	if err := joins.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	third.mustStop(t, 3*time.Second)
	close(hold)
	begin := time.Now()
	eventually(t, "the second's share", func() bool { return len(second.in("ready")) == 1 })
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the group went on only after %s: it waited for the one that had stopped", took)
	}
	first.mustStop(t, 5*time.Second)
	second.mustStop(t, 5*time.Second)
}

func TestFailEndsRunWithTheFirstErrorAfterAnOrderlyStop(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(0, 3)
	s := newShape(t, "a")
	m := w.ready(testConfig(), s, 1)
	eventually(t, "records", func() bool { return len(s.accepted(tp(0))) == 3 })
	first := errors.New("the state is broken")
	m.Fail(nil)
	m.Fail(first)
	m.Fail(errors.New("another"))
	if err := m.waitEnd(t); !errors.Is(err, first) {
		t.Errorf("Run() error = %v, want %v", err, first)
	}
	w.wantCommitted(tp(0), Committed{3, "3"})
}

func TestNewRefusesWhatCannotRun(t *testing.T) {
	s := newShape(t, "a")
	good := Deps{Kafka: []kgo.Opt{kgo.SeedBrokers("127.0.0.1:1")}, Logger: quiet()}
	for name, make := range map[string]func() (*Member, error){
		"a bad setting": func() (*Member, error) { return New(Config{}, []string{topic}, s, good) },
		"no topics":     func() (*Member, error) { return New(testConfig(), nil, s, good) },
		"no work":       func() (*Member, error) { return New(testConfig(), []string{topic}, nil, good) },
		"no logger":     func() (*Member, error) { return New(testConfig(), []string{topic}, s, Deps{Kafka: good.Kafka}) },
		"two kinds of groups": func() (*Member, error) {
			return New(testConfig(), []string{topic}, s, Deps{Kafka: []kgo.Opt{kgo.ShareGroup("s")}, Logger: quiet()})
		},
	} {
		if _, err := make(); err == nil {
			t.Errorf("New() with %s has no error", name)
		}
	}
	if _, err := New(testConfig(), []string{topic}, s, good); err != nil {
		t.Errorf("New() error: %v", err)
	}
}

// Static membership.

func TestARestartWithTheSameInstanceIDMovesNoPartitions(t *testing.T) {
	restartInPlace(t, newWorld(t, 4), testConfig())
}

func restartInPlace(t *testing.T, w *world, cfg Config) {
	t.Helper()
	cfg.SessionTimeout = 6 * time.Second
	named := func(id string) Config { c := cfg; c.InstanceID = id; return c }
	other := w.start(named("zero"), newShape(t, "zero"))
	first := w.start(named("one"), newShape(t, "one"))
	eventually(t, "an even share", func() bool { return len(other.in("ready")) == 2 && len(first.in("ready")) == 2 })
	mine := first.in("ready")
	if err := first.offsets(t, Offset{TP: mine[0], Owner: mine[0], At: 0, Metadata: "before"}); err != nil {
		t.Fatalf("Offsets() error: %v", err)
	}
	before := value(t, other.metrics.rebalances.WithLabelValues(rebalanceAssigned)) + value(t, other.metrics.rebalances.WithLabelValues(rebalanceRevoked))
	first.mustStop(t, 3*time.Second)
	again := w.start(named("one"), newShape(t, "one again"))
	eventually(t, "its share", func() bool { return len(again.in("ready")) == 2 })
	for _, tp := range mine {
		if again.state[tp] != "ready" {
			t.Errorf("%s has gone elsewhere", tp)
		}
	}
	if got := again.got[mine[0]].Metadata; got != "before" {
		t.Errorf("metadata %q, want that of the commit before", got)
	}
	// Its transactional commits go through as well.
	tx := w.transactional("tx-1")
	w.begin(tx)
	if err := again.Exclusive(t.Context(), func(c *Commit) error {
		return c.TxnOffsets(t.Context(), tx, "tx-1", []Offset{{TP: mine[0], Owner: mine[0], At: 0, Metadata: "after"}})
	}); err != nil {
		t.Errorf("TxnOffsets() error: %v", err)
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatalf("EndTransaction() error: %v", err)
	}
	w.wantCommitted(mine[0], Committed{0, "after"})
	after := value(t, other.metrics.rebalances.WithLabelValues(rebalanceAssigned)) + value(t, other.metrics.rebalances.WithLabelValues(rebalanceRevoked))
	if after != before || len(other.in("ready")) != 2 {
		t.Errorf("the other member saw %v rebalances of its partitions, want none", after-before)
	}
	again.mustStop(t, 3*time.Second)
	other.mustStop(t, 3*time.Second)
}

func TestAnotherProcessWithTheSameInstanceIDEndsTheFirst(t *testing.T) {
	fenceOut(t, newWorld(t, 1), testConfig())
}

func fenceOut(t *testing.T, w *world, cfg Config) {
	t.Helper()
	cfg.InstanceID = "one"
	first := w.ready(cfg, newShape(t, "first"), 1)
	second := w.ready(cfg, newShape(t, "second"), 1)
	if err := first.waitEnd(t); !errors.Is(err, ErrFenced) {
		t.Errorf("Run() error = %v, want ErrFenced", err)
	}
	if _, _, lost := first.counts(); lost == 0 && len(first.in("ready")) > 0 {
		t.Error("the fenced member keeps its partitions")
	}
	second.mustStop(t, 3*time.Second)
}

func TestAFencedCommitEndsRun(t *testing.T) {
	for name, key := range map[string]kmsg.Key{commitOffsets: kmsg.OffsetCommit, commitTransaction: kmsg.TxnOffsetCommit} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			cfg := testConfig()
			cfg.InstanceID = "one"
			m := w.ready(cfg, newShape(t, "a"), 1)
			tx := w.transactional("tx-1")
			w.begin(tx)
			fenced := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.FencedInstanceID, When: func(r kmsg.Request) bool {
				id := (*string)(nil) // a coordinator that is not told the instance cannot fence it
				switch r := r.(type) {
				case *kmsg.OffsetCommitRequest:
					id = r.InstanceID
				case *kmsg.TxnOffsetCommitRequest:
					id = r.InstanceID
				}
				return id != nil && *id == "one"
			}})
			offsets := []Offset{{TP: tp(0), Owner: tp(0), At: 1}}
			err := m.Exclusive(t.Context(), func(c *Commit) error {
				if key == kmsg.OffsetCommit {
					return c.Offsets(t.Context(), offsets)
				}
				return c.TxnOffsets(t.Context(), tx, "tx-1", offsets)
			})
			if !errors.Is(err, kerr.FencedInstanceID) || fenced.Hits() != 1 {
				t.Errorf("commit error = %v, %d requests fenced", err, fenced.Hits())
			}
			if err := m.waitEnd(t); !errors.Is(err, ErrFenced) {
				t.Errorf("Run() error = %v, want ErrFenced", err)
			}
		})
	}
}
