package member

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ready starts a member and waits until it has all n partitions.
func (w *world) ready(cfg Config, s *shape, n int) *running {
	w.t.Helper()
	m := w.start(cfg, s)
	eventually(w.t, "partitions ready", func() bool { return value(w.t, m.metrics.ready) == float64(n) })
	return m
}

func (m *running) offsets(t *testing.T, offsets ...Offset) error {
	t.Helper()
	return m.Exclusive(t.Context(), func(c *Commit) error { return c.Offsets(t.Context(), offsets) })
}

// FINDINGS trap 5: newer versions of the requests name topics by id, and those of topics without subscription are not known
// to the group consumer.
func TestACommitCarriesMetadataAlsoForATopicThatIsNotSubscribed(t *testing.T) {
	commitEverywhere(t, newWorld(t, 2), testConfig())
}

func commitEverywhere(t *testing.T, w *world, cfg Config) {
	t.Helper()
	other := TP{retry, 1}
	m := w.ready(cfg, newShape(t, "a"), 2)
	// Alone, since a single unknown id makes the client name all topics of a request in the old way.
	if err := m.offsets(t, Offset{TP: tp(0), Owner: tp(0), At: 2, Metadata: "subscribed"}); err != nil {
		t.Fatalf("Offsets() error: %v", err)
	}
	w.wantCommitted(tp(0), Committed{2, "subscribed"})
	if err := m.offsets(t, Offset{TP: tp(1), Owner: tp(1), At: 3, Metadata: "source"}, Offset{TP: other, Owner: tp(1), At: 4, Metadata: "retry"}); err != nil {
		t.Fatalf("Offsets() error: %v", err)
	}
	w.wantCommitted(tp(1), Committed{3, "source"})
	w.wantCommitted(other, Committed{4, "retry"})

	tx := w.transactional("tx-1")
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		w.begin(tx)
		if err := m.Exclusive(t.Context(), func(c *Commit) error {
			return c.TxnOffsets(t.Context(), tx, "tx-1", []Offset{{TP: tp(1), Owner: tp(1), At: 5, Metadata: "source tx"}, {TP: other, Owner: tp(1), At: 6, Metadata: "retry tx"}})
		}); err != nil {
			t.Fatalf("TxnOffsets() error: %v", err)
		}
		if err := tx.EndTransaction(t.Context(), end); err != nil {
			t.Fatalf("EndTransaction() error: %v", err)
		}
		source, back := Committed{3, "source"}, Committed{4, "retry"}
		if end == kgo.TryCommit {
			source, back = Committed{5, "source tx"}, Committed{6, "retry tx"}
		}
		if err := m.Exclusive(t.Context(), func(c *Commit) error {
			got, err := c.Fetch(t.Context(), []TP{tp(1), other, {retry, 0}})
			if err == nil && (len(got) != 3 || got[tp(1)] != source || got[other] != back || got[TP{retry, 0}] != (Committed{Offset: -1})) {
				t.Errorf("Fetch() = %v, want %v and %v", got, source, back)
			}
			return err
		}); err != nil {
			t.Fatalf("Fetch() error: %v", err)
		}
	}
	wantMetric(t, "transaction commits", m.metrics.commitSeconds.WithLabelValues(commitTransaction).(metric), 2)
	wantMetric(t, "offset commits", m.metrics.commitSeconds.WithLabelValues(commitOffsets).(metric), 2)
	wantMetric(t, "metadata", m.metrics.metadataBytes, 7)
	m.mustStop(t, 2*time.Second)
}

func TestFetchWaitsForTheEndOfATransaction(t *testing.T) {
	w := newWorld(t, 1)
	m := w.ready(testConfig(), newShape(t, "a"), 1)
	tx := w.transactional("tx-1")
	w.begin(tx)
	if err := m.Exclusive(t.Context(), func(c *Commit) error {
		return c.TxnOffsets(t.Context(), tx, "tx-1", []Offset{{TP: tp(0), Owner: tp(0), At: 5}})
	}); err != nil {
		t.Fatalf("TxnOffsets() error: %v", err)
	}
	unstable := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Observe: true, Count: -1})
	defer unstable.Remove()
	found := make(chan Committed, 1)
	go func() {
		_ = m.Exclusive(t.Context(), func(c *Commit) error {
			got, err := c.Fetch(t.Context(), []TP{tp(0)})
			if err != nil {
				t.Errorf("Fetch() error: %v", err)
			}
			found <- got[tp(0)]
			return nil
		})
	}()
	if err := unstable.Wait(t.Context(), 2); err != nil { // the first answer was "unstable"
		t.Fatal(err)
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatalf("EndTransaction() error: %v", err)
	}
	if got := <-found; got.Offset != 5 {
		t.Errorf("Fetch() = %+v, want the transaction's offset 5", got)
	}
	m.mustStop(t, 2*time.Second)
}

func TestMetadataBeyondWhatBrokersTakeIsRefusedBeforeAnythingIsSent(t *testing.T) {
	w := newWorld(t, 2)
	m := w.ready(testConfig(), newShape(t, "a"), 2)
	sent := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit, kmsg.TxnOffsetCommit, kmsg.AddOffsetsToTxn}, Observe: true, Count: -1})
	defer sent.Remove()
	offsets := []Offset{{TP: tp(0), Owner: tp(0), At: 1}, {TP: tp(1), Owner: tp(1), At: 1, Metadata: strings.Repeat("x", MaxMetadata+1)}}
	if err := m.offsets(t, offsets...); !errors.Is(err, ErrMetadataTooLarge) || !strings.Contains(err.Error(), tp(1).String()) {
		t.Errorf("Offsets() error = %v, want ErrMetadataTooLarge with the partition", err)
	}
	tx := w.transactional("tx-1")
	w.begin(tx)
	if err := m.Exclusive(t.Context(), func(c *Commit) error { return c.TxnOffsets(t.Context(), tx, "tx-1", offsets) }); !errors.Is(err, ErrMetadataTooLarge) {
		t.Errorf("TxnOffsets() error = %v, want ErrMetadataTooLarge", err)
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatalf("EndTransaction() error: %v", err)
	}
	if sent.Hits() != 0 {
		t.Errorf("%d requests were sent", sent.Hits())
	}
	offsets[1].Metadata = strings.Repeat("x", MaxMetadata)
	if err := m.offsets(t, offsets...); err != nil {
		t.Errorf("Offsets() error with %d bytes: %v", MaxMetadata, err)
	}
	w.wantCommitted(tp(1), Committed{1, offsets[1].Metadata})
	m.mustStop(t, 2*time.Second)
}

// FINDINGS trap 4, as far as it concerns this layer: it remembers nothing of a commit, so that a repeat after an error is sent.
func TestAFailedCommitIsAnErrorAndItsRepeatIsSent(t *testing.T) {
	for _, bad := range []*kerr.Error{kerr.InvalidCommitOffsetSize, kerr.RebalanceInProgress, kerr.UnknownTopicOrPartition, kerr.GroupAuthorizationFailed} {
		t.Run(bad.Message, func(t *testing.T) {
			w := newWorld(t, 1)
			m := w.ready(testConfig(), newShape(t, "a"), 1)
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: bad})
			o := Offset{TP: tp(0), Owner: tp(0), At: 3}
			if err := m.offsets(t, o); !errors.Is(err, bad) || !strings.Contains(err.Error(), tp(0).String()) {
				t.Errorf("Offsets() error = %v, want %v with the partition", err, bad)
			}
			w.wantCommitted(tp(0), Committed{Offset: -1})
			if err := m.offsets(t, o); err != nil {
				t.Errorf("Offsets() error at the repeat: %v", err)
			}
			w.wantCommitted(tp(0), Committed{Offset: 3})
			wantMetric(t, "failures", m.metrics.commitFailures.WithLabelValues(commitOffsets), 1)
			m.mustStop(t, 2*time.Second)
		})
	}
}

func TestFailuresInATransactionAreErrors(t *testing.T) {
	for name, fault := range map[string]kfake.Fault{
		"AddOffsetsToTxn":                    {Keys: []kmsg.Key{kmsg.AddOffsetsToTxn}, Err: kerr.InvalidProducerEpoch},
		"TxnOffsetCommit":                    {Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration},
		"TxnOffsetCommit of another process": {Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.UnknownMemberID},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			m := w.ready(testConfig(), newShape(t, "a"), 1)
			tx := w.transactional("tx-1")
			w.begin(tx)
			w.cluster.Fault(fault)
			err := m.Exclusive(t.Context(), func(c *Commit) error {
				return c.TxnOffsets(t.Context(), tx, "tx-1", []Offset{{TP: tp(0), Owner: tp(0), At: 5}})
			})
			if !errors.Is(err, fault.Err) {
				t.Errorf("TxnOffsets() error = %v, want %v", err, fault.Err)
			}
			wantMetric(t, "failures", m.metrics.commitFailures.WithLabelValues(commitTransaction), 1)
			if err := tx.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
				t.Logf("EndTransaction() error: %v", err)
			}
			m.mustStop(t, 2*time.Second)
		})
	}
}

func TestAddingOffsetsWaitsForTheEndOfTheTransactionBefore(t *testing.T) {
	w := newWorld(t, 1)
	m := w.ready(testConfig(), newShape(t, "a"), 1)
	tx := w.transactional("tx-1")
	w.begin(tx)
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddOffsetsToTxn}, Err: kerr.ConcurrentTransactions, Count: 3})
	if err := m.Exclusive(t.Context(), func(c *Commit) error {
		return c.TxnOffsets(t.Context(), tx, "tx-1", []Offset{{TP: tp(0), Owner: tp(0), At: 5}})
	}); err != nil {
		t.Errorf("TxnOffsets() error: %v", err)
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatalf("EndTransaction() error: %v", err)
	}
	w.wantCommitted(tp(0), Committed{Offset: 5})
	m.mustStop(t, 2*time.Second)
}

func TestACommitHasADeadlineAndTheCommitLockCanBeWaitedForWithOne(t *testing.T) {
	w := newWorld(t, 1)
	cfg := testConfig()
	cfg.CommitTimeout = 300 * time.Millisecond
	m := w.ready(cfg, newShape(t, "a"), 1)
	silent := make(chan struct{})
	w.cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(silent)
		return nil, nil, true // never answered
	})
	ended := make(chan error, 1)
	go func() { ended <- m.offsets(t, Offset{TP: tp(0), Owner: tp(0), At: 1}) }()
	<-silent
	waiting := m.Exclusive(ctxOf(t, 50*time.Millisecond), func(*Commit) error { t.Error("two hold the commit lock"); return nil })
	if waiting == nil {
		t.Error("Exclusive() returned without an error while the lock was held")
	}
	begin := time.Now()
	if err := <-ended; err == nil {
		t.Error("Offsets() has no error although no answer came")
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("Offsets() took another %s", took)
	}
	m.mustStop(t, 2*time.Second)
}

func TestCommitsByManyGoroutinesDoNotOverlap(t *testing.T) {
	w := newWorld(t, 1)
	m := w.ready(testConfig(), newShape(t, "a"), 1)
	var inside, most atomic.Int32
	done := make(chan error)
	for i := range 8 {
		go func() {
			done <- m.Exclusive(t.Context(), func(c *Commit) error {
				most.Store(max(most.Load(), inside.Add(1)))
				defer inside.Add(-1)
				return c.Offsets(t.Context(), []Offset{{TP: tp(0), Owner: tp(0), At: int64(i)}})
			})
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Errorf("Exclusive() error: %v", err)
		}
	}
	if most.Load() != 1 {
		t.Errorf("%d were under the lock at once", most.Load())
	}
	m.mustStop(t, 2*time.Second)
}
