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

// FINDINGS trap 1: a commit between the assignment and the answer to OffsetFetch has nothing right to say, and rewound the group.
func TestNothingIsCommittedOrAcceptedBeforeTheOffsetsAreFetched(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(0, 10)
	w.precommit(tp(0), 5, "meta")
	hold := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Count: -1})
	s := newShape(t, "a")
	m := w.start(testConfig(), s)
	eventually(t, "assignment", func() bool { return value(t, m.metrics.assigned) == 1 })
	for range 20 {
		err := m.Exclusive(t.Context(), func(c *Commit) error {
			if c.Owns(tp(0)) {
				t.Error("a partition is owned before its offset is known")
			}
			return c.Offsets(t.Context(), []Offset{{TP: tp(0), Owner: tp(0), At: 0}})
		})
		if err != nil {
			t.Errorf("Exclusive() error: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if states := len(s.in("preparing")) + len(s.in("ready")); states != 0 {
		t.Error("Prepare was called before the offset was known")
	}
	wantMetric(t, "ready partitions", m.metrics.ready, 0)
	hold.Remove()
	eventually(t, "records", func() bool { return len(s.accepted(tp(0))) == 5 })
	if got, want := s.got[tp(0)], (Committed{Offset: 5, Metadata: "meta"}); got != want {
		t.Errorf("Prepare got %+v, want %+v", got, want)
	}
	if first := s.accepted(tp(0))[0]; first != 5 {
		t.Errorf("first record is %d, want 5", first)
	}
	wantMetric(t, "ready partitions", m.metrics.ready, 1)
	m.mustStop(t, 2*time.Second)
	w.wantCommitted(tp(0), Committed{Offset: 10, Metadata: "5"})
}

func TestAGroupWithoutACommitStartsAtTheOldestRecord(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(0, 3)
	s := newShape(t, "a")
	m := w.start(testConfig(), s)
	eventually(t, "records", func() bool { return len(s.accepted(tp(0))) == 3 })
	if got := s.got[tp(0)]; got.Offset != -1 || got.Metadata != "" {
		t.Errorf("Prepare got %+v, want an offset of -1", got)
	}
	wantMetric(t, "records lost", m.metrics.lost, 0)
	m.mustStop(t, 2*time.Second)
}

func TestPrepareHoldsOnlyItsOwnPartitionAndIsTriedAgainAfterAnError(t *testing.T) {
	w := newWorld(t, 2)
	w.produce(0, 4)
	w.produce(1, 4)
	var tries atomic.Int32
	release := make(chan struct{})
	s := newShape(t, "a")
	s.onPrepare = func(ctx context.Context, p TP, _ Committed) error {
		if p != tp(0) {
			return nil
		}
		if tries.Add(1) < 3 {
			return errors.New("state is away")
		}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m := w.start(testConfig(), s)
	eventually(t, "the other partition", func() bool { return len(s.accepted(tp(1))) == 4 })
	eventually(t, "a third try", func() bool { return tries.Load() == 3 })
	time.Sleep(300 * time.Millisecond)
	if n := len(s.accepted(tp(0))); n != 0 {
		t.Errorf("%d records of a partition that is not ready", n)
	}
	close(release)
	eventually(t, "its records", func() bool { return len(s.accepted(tp(0))) == 4 })
	m.mustStop(t, 2*time.Second)
}

func TestARevocationEndsPrepareBeforeTheDrop(t *testing.T) {
	w := newWorld(t, 2)
	var cancelled atomic.Int32
	a := newShape(t, "a")
	a.onPrepare = func(ctx context.Context, _ TP, _ Committed) error {
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond) // shape sees a Drop that comes too early
		cancelled.Add(1)
		return ctx.Err()
	}
	ma := w.start(testConfig(), a)
	eventually(t, "preparation of both", func() bool { return len(a.in("preparing")) == 2 })
	b := newShape(t, "b")
	mb := w.start(testConfig(), b)
	eventually(t, "one partition moved", func() bool { return len(b.in("ready")) == 1 && len(a.in("preparing")) == 1 })
	if releases, drops, _ := a.counts(); releases != 0 || drops != 1 || cancelled.Load() != 1 {
		t.Errorf("%d releases, %d drops, %d preparations ended; want 0, 1, 1", releases, drops, cancelled.Load())
	}
	begin := time.Now()
	ma.mustStop(t, 2*time.Second)
	if cancelled.Load() != 2 {
		t.Errorf("the stop took %s and left a preparation running", time.Since(begin))
	}
	eventually(t, "the rest", func() bool { return len(b.in("ready")) == 2 })
	mb.mustStop(t, 2*time.Second)
}

// FINDINGS trap 6, and the reason for RequireStable: what a predecessor's open transaction holds is not known yet.
func TestPrepareWaitsForTheOpenTransactionOfAPredecessor(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(0, 10)
	tx := w.transactional("tx-1")
	first := w.start(testConfig(), newShape(t, "a"))
	eventually(t, "records", func() bool { return len(first.accepted(tp(0))) == 10 })
	first.onRelease = func(context.Context, []TP) {} // a crash: nothing is finished
	w.begin(tx)
	if err := first.Exclusive(t.Context(), func(c *Commit) error {
		return c.TxnOffsets(t.Context(), tx, "tx-1", []Offset{{TP: tp(0), Owner: tp(0), At: 7, Metadata: "in flight"}})
	}); err != nil {
		t.Fatalf("TxnOffsets() error: %v", err)
	}
	first.mustStop(t, 2*time.Second)

	second := w.start(testConfig(), newShape(t, "b"))
	eventually(t, "assignment", func() bool { return value(t, second.metrics.assigned) == 1 })
	time.Sleep(500 * time.Millisecond)
	if n := len(second.in("preparing")) + len(second.in("ready")); n != 0 {
		t.Fatal("Prepare was called while the transaction was open")
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatalf("EndTransaction() error: %v", err)
	}
	eventually(t, "records from the transaction's offset", func() bool { return len(second.accepted(tp(0))) == 3 })
	if got, want := second.got[tp(0)], (Committed{Offset: 7, Metadata: "in flight"}); got != want {
		t.Errorf("Prepare got %+v, want %+v", got, want)
	}
	second.mustStop(t, 2*time.Second)
}

func (w *world) transactional(id string) *kgo.Client {
	w.t.Helper()
	tx, err := kgo.NewClient(append(w.connection(), kgo.TransactionalID(id), kgo.TransactionTimeout(time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		w.t.Fatalf("NewClient() error: %v", err)
	}
	w.t.Cleanup(tx.Close)
	return tx
}

// begin begins a transaction and writes a record in it, to a topic that the group does not read.
func (w *world) begin(tx *kgo.Client) {
	w.t.Helper()
	if err := tx.BeginTransaction(); err != nil {
		w.t.Fatalf("BeginTransaction() error: %v", err)
	}
	if err := tx.ProduceSync(w.t.Context(), &kgo.Record{Topic: retry, Partition: 0, Value: []byte("x")}).FirstErr(); err != nil {
		w.t.Fatalf("produce: %v", err)
	}
}
