package member

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// flow produces to all partitions until stop, which returns how many records that were.
func (w *world) flow(partitions int32) (stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int)
	go func() {
		n := 0
		for ctx.Err() == nil {
			for p := range partitions {
				w.client.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: p, Value: []byte("x")}, func(_ *kgo.Record, err error) {
					if err != nil {
						w.t.Errorf("produce: %v", err)
					}
				})
				n++
			}
			time.Sleep(time.Millisecond)
		}
		if err := w.client.Flush(context.Background()); err != nil {
			w.t.Errorf("flush: %v", err)
		}
		ended <- n
	}()
	return func() int { cancel(); return <-ended }
}

// committing commits what the member has accepted, all the time, so that every callback meets a commit.
func committing(t *testing.T, m *running) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			err := m.Exclusive(ctx, func(c *Commit) error {
				m.shape.mu.Lock()
				var tps []TP
				for tp := range m.state {
					tps = append(tps, tp)
				}
				m.shape.mu.Unlock()
				return c.Offsets(ctx, m.position(tps...))
			})
			if err != nil && ctx.Err() == nil && !errors.Is(err, kerr.RebalanceInProgress) && !errors.Is(err, kerr.IllegalGeneration) &&
				!errors.Is(err, kerr.UnknownMemberID) && !errors.Is(err, kerr.StaleMemberEpoch) && !errors.Is(err, kgo.ErrClientClosed) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: commit: %v", m.name, err)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return func() { cancel(); <-ended }
}

// Members come and go under a flow of records and of commits: no partition is worked by two at once, nothing is lost, and
// since all go in order nothing is repeated.
func TestMembersSwapPartitionsAndNoRecordIsAcceptedTwice(t *testing.T) {
	swapPartitions(t, newWorld(t, 6), testConfig())
}

func swapPartitions(t *testing.T, w *world, cfg Config) {
	t.Helper()
	const partitions = 6
	l := newLedger()
	join := func(name string) (*running, func()) {
		s := newShape(t, name)
		s.ledger = l
		m := w.start(cfg, s)
		return m, committing(t, m)
	}
	stopFlow := w.flow(partitions)
	a, endA := join("a")
	eventually(t, "all for a", func() bool { return len(a.in("ready")) == partitions })
	b, endB := join("b")
	eventually(t, "an even share", func() bool { return len(a.in("ready")) == 3 && len(b.in("ready")) == 3 })
	c, endC := join("c")
	eventually(t, "an even share of three", func() bool { return len(a.in("ready")) == 2 && len(b.in("ready")) == 2 && len(c.in("ready")) == 2 })
	a.mustStop(t, 5*time.Second)
	endA()
	eventually(t, "a's share moved", func() bool { return len(b.in("ready")) == 3 && len(c.in("ready")) == 3 })
	b.mustStop(t, 5*time.Second)
	endB()
	eventually(t, "all for c", func() bool { return len(c.in("ready")) == partitions })
	produced := stopFlow()
	eventually(t, "all records", func() bool { distinct, _ := l.total(); return distinct == produced })
	c.mustStop(t, 5*time.Second)
	endC()
	if distinct, repeated := l.total(); distinct != produced || repeated != 0 {
		t.Errorf("%d of %d records, %d repeated; want all and none", distinct, produced, repeated)
	}
	for p := range int32(partitions) {
		if got := w.committed(tp(p)).Offset; int(got) != produced/partitions {
			t.Errorf("committed offset of partition %d = %d, want %d", p, got, produced/partitions)
		}
	}
	if _, _, lost := a.counts(); lost != 0 {
		t.Errorf("a was told %d times that partitions are lost, which it gave back in order", lost)
	}
	wantMetric(t, "a's losses", a.metrics.rebalances.WithLabelValues(rebalanceLost), 0)
	if n := value(t, a.metrics.rebalances.WithLabelValues(rebalanceRevoked)); n < 2 {
		t.Errorf("a counts %v revocations, want one for each member that came", n)
	}
}

// FINDINGS trap 3: the coordinator takes a commit from any member of the generation, owner or not.
func TestNothingIsCommittedAfterARevocation(t *testing.T) {
	nothingAfterRevocation(t, newWorld(t, 2), testConfig())
}

func nothingAfterRevocation(t *testing.T, w *world, cfg Config) {
	t.Helper()
	w.produce(0, 10)
	w.produce(1, 10)
	a := w.ready(cfg, newShape(t, "a"), 2)
	if err := a.offsets(t, Offset{TP: tp(0), Owner: tp(0), At: 5}, Offset{TP: tp(1), Owner: tp(1), At: 5}); err != nil {
		t.Fatalf("Offsets() error: %v", err)
	}
	b := w.ready(cfg, newShape(t, "b"), 1)
	moved := b.in("ready")[0]
	if err := b.offsets(t, Offset{TP: moved, Owner: moved, At: 9}); err != nil {
		t.Fatalf("Offsets() of the new owner: %v", err)
	}
	// What the members' own check prevents:
	var foreign error
	a.client().CommitOffsetsSync(t.Context(), map[string]map[int32]kgo.EpochOffset{topic: {moved.Partition: {Epoch: -1, Offset: 4}}},
		func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			foreign = answerOf(req, resp, err)
		})
	if got := w.committed(moved).Offset; foreign != nil || got != 4 {
		t.Logf("the coordinator refuses the commit of one who is not the owner by now (%v, offset %d): the check could go", foreign, got)
	}
	if err := b.offsets(t, Offset{TP: moved, Owner: moved, At: 9}); err != nil {
		t.Fatalf("Offsets() of the new owner: %v", err)
	}

	tx := w.transactional("tx-1")
	w.begin(tx)
	err := a.Exclusive(t.Context(), func(c *Commit) error {
		if c.Owns(moved) {
			t.Error("a still owns what it has given up")
		}
		offsets := []Offset{{TP: moved, Owner: moved, At: 6}, {TP: TP{retry, moved.Partition}, Owner: moved, At: 6}}
		if err := c.TxnOffsets(t.Context(), tx, "tx-1", offsets); !errors.Is(err, errNotOwned) {
			t.Errorf("TxnOffsets() of what is not ours: %v; its records must not be committed without it", err)
		}
		return c.Offsets(t.Context(), offsets)
	})
	if err != nil {
		t.Errorf("Offsets() of what is not ours: %v; want them left out", err)
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatalf("EndTransaction() error: %v", err)
	}
	w.wantCommitted(moved, Committed{Offset: 9})
	w.wantCommitted(TP{retry, moved.Partition}, Committed{Offset: -1})
	a.mustStop(t, 5*time.Second)
	b.mustStop(t, 5*time.Second)
}

func TestOwnershipDoesNotChangeUnderTheCommitLock(t *testing.T) {
	w := newWorld(t, 2)
	s := newShape(t, "a")
	released := make(chan []TP, 2)
	s.onRelease = func(_ context.Context, tps []TP) { released <- tps }
	a := w.ready(testConfig(), s, 2)
	var b *running
	if err := a.Exclusive(t.Context(), func(c *Commit) error {
		b = w.start(testConfig(), newShape(t, "b"))
		moving := <-released
		time.Sleep(100 * time.Millisecond) // a Drop that does not wait comes at once
		if _, drops, _ := s.counts(); drops != 0 || !c.Owns(moving[0]) {
			t.Errorf("%d drops under the commit lock, owned %t", drops, c.Owns(moving[0]))
		}
		return c.Offsets(t.Context(), []Offset{{TP: moving[0], Owner: moving[0], At: 0, Metadata: "last word"}})
	}); err != nil {
		t.Errorf("Exclusive() error: %v", err)
	}
	eventually(t, "b's share", func() bool { return len(b.in("ready")) == 1 })
	moved := b.in("ready")[0]
	if got := b.got[moved].Metadata; got != "last word" {
		t.Errorf("b prepares with %q, want the last commit of a", got)
	}
	a.mustStop(t, 2*time.Second)
	b.mustStop(t, 2*time.Second)
}

// A process that was stopped for longer than its session, and goes on, is a zombie: the others have its partitions already
// while it still believes to own them, and a commit of it is on its way.
func TestPartitionsThatTheGroupHasTakenAreDroppedAsLostAndTakenInAgain(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(0, 5)
	zombie(t, w, testConfig())
}

func zombie(t *testing.T, w *world, cfg Config) {
	t.Helper()
	cfg.SessionTimeout = time.Second
	ice := newFreezer()
	wa := *w
	wa.extra = []kgo.Opt{kgo.Dialer(ice.dial)}
	a := wa.ready(cfg, newShape(t, "a"), 1)
	eventually(t, "records", func() bool { return len(a.accepted(tp(0))) == 5 })

	ice.freeze()
	late := make(chan error, 1)
	go func() { late <- a.offsets(t, Offset{TP: tp(0), Owner: tp(0), At: 5}) }()
	b := w.ready(cfg, newShape(t, "b"), 1)
	b.onRelease = func(context.Context, []TP) {}
	if err := b.offsets(t, Offset{TP: tp(0), Owner: tp(0), At: 3}); err != nil {
		t.Fatalf("Offsets() error: %v", err)
	}
	if _, drops, _ := a.counts(); drops != 0 || len(a.in("ready")) != 1 {
		t.Fatal("a knows of its loss while it is frozen")
	}
	ice.thaw()
	if err := <-late; !errors.Is(err, kerr.UnknownMemberID) && !errors.Is(err, kerr.IllegalGeneration) && !errors.Is(err, kerr.FencedMemberEpoch) {
		t.Errorf("the zombie's commit: %v, want a refusal", err)
	}
	w.wantCommitted(tp(0), Committed{Offset: 3})
	eventually(t, "a loses it", func() bool { _, _, lost := a.counts(); return lost == 1 })
	if releases, _, _ := a.counts(); releases != 0 {
		t.Errorf("%d calls of Release for lost partitions", releases)
	}
	if err := a.offsets(t, Offset{TP: tp(0), Owner: tp(0), At: 5}); err != nil {
		t.Errorf("Offsets() after the loss: %v, want the offset left out", err)
	}
	w.wantCommitted(tp(0), Committed{Offset: 3})
	wantMetric(t, "losses", a.metrics.rebalances.WithLabelValues(rebalanceLost), 1)
	b.mustStop(t, 2*time.Second)
	eventually(t, "a has it again, from b's offset", func() bool {
		got := a.accepted(tp(0))
		return len(got) == 7 && got[5] == 3
	})
	a.mustStop(t, 2*time.Second)
}

func TestALossEndsAReleaseUnderWay(t *testing.T) {
	w := newWorld(t, 1)
	s := newShape(t, "a")
	begun, cause := make(chan struct{}), make(chan error, 1)
	s.onRelease = func(ctx context.Context, _ []TP) {
		close(begun)
		<-ctx.Done()
		cause <- context.Cause(ctx)
	}
	cfg := testConfig()
	cfg.StopGrace = time.Hour
	m := w.ready(cfg, s, 1)
	m.cancel()
	<-begun
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, TopLevel: true})
	if err := <-cause; !errors.Is(err, errLost) {
		t.Errorf("Release ended by %v, want the loss", err)
	}
	m.mustStop(t, 5*time.Second)
}

// Whatever join, sync, heartbeat and offset fetch answer, the member comes back by itself and goes on where it was.
func TestTheMemberSurvivesErrorsOfItsGroup(t *testing.T) {
	for name, f := range map[string]kfake.Fault{
		"join, coordinator moves":  {Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.NotCoordinator, Count: 2, TopLevel: true},
		"join, unknown error":      {Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.UnknownServerError, Count: 2, TopLevel: true},
		"join, no rights yet":      {Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.GroupAuthorizationFailed, Count: 2, TopLevel: true},
		"sync, rebalance":          {Keys: []kmsg.Key{kmsg.SyncGroup}, Err: kerr.RebalanceInProgress, TopLevel: true},
		"sync, unknown member":     {Keys: []kmsg.Key{kmsg.SyncGroup}, Err: kerr.UnknownMemberID, TopLevel: true},
		"heartbeat, fenced":        {Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.IllegalGeneration, TopLevel: true},
		"heartbeat, unknown":       {Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 2, TopLevel: true},
		"heartbeat, unavailable":   {Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.CoordinatorNotAvailable, Count: 3, TopLevel: true},
		"offset fetch, group":      {Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.GroupAuthorizationFailed, TopLevel: true},
		"offset fetch, partition":  {Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.TopicAuthorizationFailed, Topic: topic},
		"offset fetch, unstable":   {Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Topic: topic},
		"fetch, not leader":        {Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Topic: topic, Count: 2},
		"fetch, no rights yet":     {Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Topic: topic, Count: 2},
		"find coordinator, broken": {Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.produce(0, 10)
			w.precommit(tp(0), 5, "")
			h := w.cluster.Fault(f)
			s := newShape(t, "a")
			m := w.start(testConfig(), s)
			if err := h.Wait(ctxOf(t, 15*time.Second), max(f.Count, 1)); err != nil {
				t.Fatalf("the fault was not met: %v", err)
			}
			w.produce(0, 1)
			eventually(t, "the last record", func() bool { got := s.accepted(tp(0)); return len(got) > 0 && got[len(got)-1] == 10 })
			if first := s.accepted(tp(0))[0]; first != 5 {
				t.Errorf("first record is %d, want 5", first)
			}
			eventually(t, "commit", func() bool { return s.commit(t.Context(), tp(0)) == nil && w.committed(tp(0)).Offset == 11 })
			m.mustStop(t, 3*time.Second)
		})
	}
}

func TestAGroupWhoseCommittedOffsetIsGone(t *testing.T) {
	lose := func(t *testing.T) *world {
		t.Helper()
		w := newWorld(t, 1)
		w.produce(0, 20)
		w.precommit(tp(0), 5, "")
		var o kadm.Offsets
		o.AddOffset(topic, 0, 15, -1)
		if _, err := kadm.NewClient(w.client).DeleteRecords(t.Context(), o); err != nil {
			t.Fatalf("delete records: %v", err)
		}
		return w
	}
	t.Run("stops with an error", func(t *testing.T) {
		w := lose(t)
		m := w.start(testConfig(), newShape(t, "a"))
		if err := m.waitEnd(t); !errors.Is(err, ErrEventsLost) {
			t.Errorf("Run() error = %v, want ErrEventsLost", err)
		}
		w.wantCommitted(tp(0), Committed{Offset: 5})
		wantMetric(t, "fetch errors", m.metrics.fetchErrors, 1)
	})
	t.Run("goes on at the oldest when told to", func(t *testing.T) {
		w := lose(t)
		cfg := testConfig()
		cfg.OffsetOutOfRange = OutOfRangeEarliest
		m := w.start(cfg, newShape(t, "a"))
		eventually(t, "the rest", func() bool { return len(m.accepted(tp(0))) == 5 })
		wantMetric(t, "records lost", m.metrics.lost, 10)
		m.mustStop(t, 2*time.Second)
		w.wantCommitted(tp(0), Committed{Offset: 20, Metadata: "5"})
	})
}
