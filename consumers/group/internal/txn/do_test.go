package txn

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"millrace/consumers/group/internal/wiretest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	produce    = int16(kmsg.Produce)
	addParts   = int16(kmsg.AddPartitionsToTxn)
	addOffsets = int16(kmsg.AddOffsetsToTxn)
	txnOffsets = int16(kmsg.TxnOffsetCommit)
	endTxn     = int16(kmsg.EndTxn)
	initID     = int16(kmsg.InitProducerID)
)

// outcome is what a test expects of a Do.
type outcome string

const (
	committed outcome = "committed"
	aborts    outcome = "aborted"
	unknown   outcome = "unknown"
)

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return committed
	case errors.Is(err, ErrUnknown):
		return unknown
	default:
		return aborts
	}
}

// versions are transactions since KIP-890 and before.
func versions() map[string]bool { return map[string]bool{"now": false, "before KIP-890": true} }

func TestEveryFaultOfTheWireLeavesAWholeTransactionOrNone(t *testing.T) {
	const always = 1 << 20
	for _, tt := range []struct {
		name  string
		key   int16
		fault wiretest.Fault
		n     int
		want  outcome
		old   bool // the request is sent only by clients of old brokers
	}{
		{"produce cut once before", produce, wiretest.CutBefore, 1, committed, false},
		{"produce cut once after", produce, wiretest.CutAfter, 1, committed, false},
		{"produce always cut before", produce, wiretest.CutBefore, always, aborts, false},
		{"produce always cut after", produce, wiretest.CutAfter, always, aborts, false},
		{"produce lost", produce, wiretest.Silence, always, aborts, false},
		{"partitions cut once after", addParts, wiretest.CutAfter, 1, committed, true},
		{"partitions always cut after", addParts, wiretest.CutAfter, always, aborts, true},
		{"partitions lost", addParts, wiretest.Silence, always, aborts, true},
		{"group cut once after", addOffsets, wiretest.CutAfter, 1, committed, false},
		{"group always cut before", addOffsets, wiretest.CutBefore, always, aborts, false},
		{"group lost", addOffsets, wiretest.Silence, always, aborts, false},
		{"offsets cut once after", txnOffsets, wiretest.CutAfter, 1, committed, false},
		{"offsets always cut after", txnOffsets, wiretest.CutAfter, always, aborts, false},
		{"offsets lost", txnOffsets, wiretest.Silence, always, aborts, false},
		{"end cut once before", endTxn, wiretest.CutBefore, 1, committed, false},
		{"end cut once after", endTxn, wiretest.CutAfter, 1, committed, false},
		{"end always cut before", endTxn, wiretest.CutBefore, always, unknown, false}, // and is aborted
		{"end always cut after", endTxn, wiretest.CutAfter, always, unknown, false},   // and is committed
		{"end lost", endTxn, wiretest.Silence, always, unknown, false},                // and is aborted
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, old := range versions() {
				t.Run(name, func(t *testing.T) {
					if tt.old && !old {
						t.Skip("not sent")
					}
					t.Parallel()
					_, seeds := fake(t, old)
					w := newWorld(t, seeds, 30*time.Second)
					if err := w.try(5 * time.Second); err != nil {
						t.Fatalf("Do() without a fault: %v", err)
					}
					w.wire.Arm(tt.key, tt.fault, tt.n)
					if err := w.try(700 * time.Millisecond); outcomeOf(err) != tt.want {
						t.Errorf("Do() = %v, want %s", err, tt.want)
					}
					if w.wire.Disarm() == 0 {
						t.Error("the fault was never met")
					}
					if through := w.at == 2; tt.want == unknown && through != (tt.fault == wiretest.CutAfter) {
						t.Errorf("the unknown transaction turns out to be through: %t", through)
					}
					for range 2 {
						if err := w.try(5 * time.Second); err != nil {
							t.Errorf("Do() after the fault: %v", err)
						}
					}
					w.check()
				})
			}
		})
	}
}

func TestEveryErrorOfABrokerLeavesAWholeTransactionOrNone(t *testing.T) {
	answers := map[int16][]struct {
		err   *kerr.Error
		count int
		want  outcome
	}{
		produce: {
			{kerr.NotLeaderForPartition, 1, committed},
			{kerr.NotEnoughReplicas, 3, committed},
			{kerr.RequestTimedOut, 1, committed},
			{kerr.UnknownTopicOrPartition, 2, committed},
			{kerr.NotLeaderForPartition, -1, aborts},
			{kerr.InvalidProducerEpoch, 1, aborts},
			{kerr.InvalidProducerIDMapping, 1, aborts},
			{kerr.OutOfOrderSequenceNumber, 1, aborts},
			{kerr.ProducerFenced, 1, aborts},
			{kerr.TransactionAbortable, 1, aborts},
			{kerr.InvalidTxnState, 1, aborts},
			{kerr.TopicAuthorizationFailed, 1, aborts},
			{kerr.UnknownServerError, 1, aborts},
		},
		addOffsets: {
			{kerr.NotCoordinator, 1, committed},
			{kerr.CoordinatorLoadInProgress, 1, committed},
			{kerr.ProducerFenced, 1, aborts},
			{kerr.GroupAuthorizationFailed, 1, aborts},
			{kerr.InvalidTxnState, 1, aborts},
		},
		txnOffsets: {
			{kerr.NotCoordinator, 1, committed},
			{kerr.IllegalGeneration, 1, aborts},
			{kerr.FencedInstanceID, 1, aborts},
			{kerr.UnknownMemberID, 1, aborts},
			{kerr.TransactionAbortable, 1, aborts},
		},
		endTxn: {
			{kerr.NotCoordinator, 2, committed},
			{kerr.CoordinatorNotAvailable, 1, committed},
			{kerr.ConcurrentTransactions, 2, committed},
			{kerr.CoordinatorLoadInProgress, -1, unknown},
			{kerr.ConcurrentTransactions, -1, unknown},
			{kerr.ProducerFenced, 1, unknown},
			{kerr.InvalidProducerEpoch, 1, unknown},
			{kerr.InvalidTxnState, 1, unknown},
			{kerr.TransactionAbortable, 1, unknown},
			{kerr.UnknownServerError, 1, unknown},
			{kerr.TransactionalIDAuthorizationFailed, 1, unknown},
		},
	}
	for key, list := range answers {
		for _, tt := range list {
			t.Run(fmt.Sprintf("%s/%s x %d", kmsg.NameForKey(key), tt.err.Message, tt.count), func(t *testing.T) {
				for name, old := range versions() {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						c, seeds := fake(t, old)
						w := newWorld(t, seeds, 30*time.Second)
						if err := w.try(5 * time.Second); err != nil {
							t.Fatalf("Do() without a fault: %v", err)
						}
						h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Key(key)}, Err: tt.err, Count: tt.count})
						if err := w.try(1500 * time.Millisecond); outcomeOf(err) != tt.want {
							t.Errorf("Do() = %v, want %s", err, tt.want)
						}
						if h.Hits() == 0 {
							t.Error("the fault was never met")
						}
						h.Remove()
						for range 2 {
							if err := w.try(5 * time.Second); err != nil {
								t.Errorf("Do() after the fault: %v", err)
							}
						}
						w.check()
					})
				}
			})
		}
	}
}
