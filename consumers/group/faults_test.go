package group_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/group"
	"millrace/consumers/group/internal/wiretest"
	"millrace/schemas"
)

// A workload of every verdict, checked to the record afterwards: each event emits its number and appends it to the state of its key; one
// in seven fails twice, one in eleven is permanent.
const (
	faultKeys = 8
	faultEach = 30
)

func faultKey(k int) string { return fmt.Sprintf("acme.myshopify.com|order/%d", k) }

func permanent(k, n int) bool { return (k+n)%11 == 5 }

func faultService(done *ledger) group.Service {
	return group.Service{State: true, Emits: []string{output}, Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
		n, _ := strconv.Atoi(string(e.Body))
		k, _ := strconv.Atoi(e.Key[len("acme.myshopify.com|order/"):])
		switch {
		case permanent(k, n):
			return group.Permanent(errors.New("never"))
		case (k+n)%7 == 3 && e.Attempt <= 2:
			return errors.New("not now")
		}
		done.add(e.Key, string(e.Body))
		if err := u.Emit(group.Record{Topic: output, Key: e.Key, Value: e.Body}); err != nil {
			return err
		}
		return u.State().Set(fmt.Appendf(u.State().Get(), "%d,", n))
	})}
}

// wanted is what a key's events emit, in order.
func wanted(k int) (out []string) {
	for n := range faultEach {
		if !permanent(k, n) {
			out = append(out, strconv.Itoa(n))
		}
	}
	return out
}

func (c *cluster) workload() {
	c.t.Helper()
	var records []*kgo.Record
	for n := range faultEach {
		for k := range faultKeys {
			records = append(records, event(faultKey(k), n))
		}
	}
	c.produce(records...)
}

// verify compares what committed readers see with what must be there.
func (c *cluster) verify() {
	c.t.Helper()
	total := 0
	for k := range faultKeys {
		total += len(wanted(k))
	}
	eventually(c.t, func() string {
		if n := len(c.read(output)); n < total {
			return fmt.Sprintf("%d records are emitted, want %d", n, total)
		}
		return c.drained()
	})
	emitted := map[string][]string{}
	for _, r := range c.read(output) {
		emitted[string(r.Key)] = append(emitted[string(r.Key)], string(r.Value))
	}
	letters := map[string]int{}
	for _, r := range c.read(schemas.DeadLetterTopic(source, groupID)) {
		letters[string(r.Key)+" "+string(r.Value)]++
	}
	for k := range faultKeys {
		if got := emitted[faultKey(k)]; !slices.Equal(got, wanted(k)) {
			c.t.Errorf("key %d emitted %v, want %v", k, got, wanted(k))
		}
		for n := range faultEach {
			if got, want := letters[faultKey(k)+" "+strconv.Itoa(n)], 0; permanent(k, n) && got != 1 || !permanent(k, n) && got != want {
				c.t.Errorf("key %d event %d has %d dead letters", k, n, got)
			}
		}
	}
}

func TestEveryBrokerErrorAtEveryStepLeavesNothingHalfDone(t *testing.T) {
	txn := []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.ConcurrentTransactions}
	fatal := []*kerr.Error{kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidTxnState, kerr.UnknownServerError}
	member := []*kerr.Error{kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress}
	for _, step := range []struct {
		key    kmsg.Key
		errors []*kerr.Error
	}{
		{kmsg.InitProducerID, txn},
		{kmsg.AddPartitionsToTxn, slices.Concat(txn, fatal)},
		{kmsg.AddOffsetsToTxn, slices.Concat(txn, fatal)},
		{kmsg.TxnOffsetCommit, slices.Concat(txn, fatal, member)},
		{kmsg.EndTxn, slices.Concat(txn, fatal)},
		{kmsg.Produce, []*kerr.Error{kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.NotEnoughReplicas, kerr.InvalidProducerEpoch, kerr.OutOfOrderSequenceNumber}},
		{kmsg.OffsetCommit, slices.Concat(member, []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.UnknownTopicOrPartition})},
		{kmsg.OffsetFetch, []*kerr.Error{kerr.UnstableOffsetCommit, kerr.NotCoordinator}},
		{kmsg.Heartbeat, member},
		{kmsg.JoinGroup, []*kerr.Error{kerr.NotCoordinator, kerr.UnknownMemberID}},
		{kmsg.SyncGroup, []*kerr.Error{kerr.NotCoordinator, kerr.RebalanceInProgress}},
		{kmsg.Fetch, []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable}},
		{kmsg.ListOffsets, []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable}},
	} {
		t.Run(step.key.Name(), func(t *testing.T) {
			for _, fault := range step.errors {
				t.Run(fault.Message, func(t *testing.T) {
					t.Parallel()
					c := newCluster(t, 2)
					c.workload()
					c.Fault(kfake.Fault{Keys: []kmsg.Key{step.key}, Err: fault, Count: 3})
					var done ledger
					c.start(faultService(&done), quick())
					c.verify()
				})
			}
		})
	}
}

func TestASuccessorRepeatsNothingThatIsCommittedAndLosesNothing(t *testing.T) {
	c := newCluster(t, 2)
	c.workload()
	var done ledger
	total := 0
	for k := range faultKeys {
		total += len(wanted(k))
	}
	// Each member is stopped in order while it is busy: what it has finished is committed, so that no effect is repeated at all.
	for n := range 8 {
		stop := c.start(faultService(&done), quick())
		eventually(t, func() string {
			if done.count() < total*n/10 {
				return "the member does nothing"
			}
			return ""
		})
		stop()
	}
	c.start(faultService(&done), quick())
	c.verify()
	if n := done.count(); n != total {
		t.Errorf("%d effects, want %d: an ordered stop repeats none", n, total)
	}
	for k := range faultKeys {
		if got := done.of(faultKey(k)); !slices.Equal(got, wanted(k)) {
			t.Errorf("key %d: %v", k, got)
		}
	}
}

func TestAttemptsSurviveARestart(t *testing.T) {
	for name, inline := range map[string]time.Duration{"in the metadata": time.Minute, "in the retry topic": 0} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1)
			const key = "acme.myshopify.com|order/1"
			c.produce(event(key, 0), event("acme.myshopify.com|order/2", 0))
			var tries ledger
			svc := group.Service{Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
				tries.add(e.Key, strconv.Itoa(e.Attempt))
				if e.Key == key {
					return errors.New("not now")
				}
				return nil
			})}
			cfg := quick()
			cfg.Retry.Schedule = []time.Duration{0, 0, 10 * time.Second}
			cfg.Retry.InlineMax = inline
			stop := c.start(svc, cfg)
			eventually(t, func() string {
				if got := tries.of(key); len(got) < 2 {
					return fmt.Sprintf("tries: %v", got)
				}
				return ""
			})
			stop()
			cfg.Retry.Schedule = []time.Duration{0, 0, 10 * time.Millisecond}
			c.start(svc, cfg)
			eventually(t, func() string {
				if n := len(c.read(schemas.DeadLetterTopic(source, groupID))); n != 1 {
					return fmt.Sprintf("%d dead letters, tries %v", n, tries.of(key))
				}
				return ""
			})
			if got := tries.of(key); !slices.Equal(got, []string{"1", "2", "3"}) {
				t.Errorf("attempts: %v", got)
			}
		})
	}
}

// The end of a transaction is sent, the brokers act, and the answer never comes: only the group's offsets can tell what became of it.
func TestATransactionWhoseEndIsLostIsNeitherRepeatedNorForgotten(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]wiretest.Fault{"it was committed": wiretest.CutAfter, "it was not": wiretest.CutBefore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 2)
			c.workload()
			wire := wiretest.New()
			c.options = append(c.options, wire.Option())
			wire.Arm(kmsg.EndTxn.Int16(), fault, 30)
			var done ledger
			cfg := quick()
			cfg.Member.CommitTimeout = 2 * time.Second // the client repeats the end of a transaction for as long
			c.start(faultService(&done), cfg)
			eventually(t, func() string {
				if done.count() == 0 {
					return "nothing is done"
				}
				return ""
			})
			c.verify()
			if n := wire.Disarm(); n < 10 {
				t.Errorf("%d transactions met the fault", n)
			}
		})
	}
}
