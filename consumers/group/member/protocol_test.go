package member

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// KIP-848: the brokers share the partitions out.
func consumerProtocol() Config {
	c := testConfig()
	c.Protocol = ProtocolConsumer
	return c
}

// newWorld848 has brokers that ask for heartbeats more often than their default of 5 s, which decides how fast a group moves.
func newWorld848(t *testing.T, partitions int32) *world {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic, retry), kfake.BrokerConfigs(map[string]string{
		"group.consumer.heartbeat.interval.ms": "100", "group.consumer.session.timeout.ms": "1000",
	}))
	if err != nil {
		t.Fatalf("NewCluster() error: %v", err)
	}
	t.Cleanup(cluster.Close)
	w := worldOf(t, cluster.ListenAddrs())
	w.cluster = cluster
	return w
}

func TestTheConsumerProtocolIsSpokenAndCommitsWorkInIt(t *testing.T) {
	w := newWorld848(t, 2)
	classic := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
	modern := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, Observe: true, Count: -1})
	commitEverywhere(t, w, consumerProtocol())
	if classic.Hits() != 0 || modern.Hits() == 0 {
		t.Errorf("%d requests of the classic protocol, %d of the other", classic.Hits(), modern.Hits())
	}
}

func TestMembersSwapPartitionsInTheConsumerProtocol(t *testing.T) {
	swapPartitions(t, newWorld848(t, 6), consumerProtocol())
}

func TestNothingIsCommittedAfterARevocationInTheConsumerProtocol(t *testing.T) {
	nothingAfterRevocation(t, newWorld848(t, 2), consumerProtocol())
}

func TestAZombieOfTheConsumerProtocolLosesItsPartitions(t *testing.T) {
	w := newWorld848(t, 1)
	w.produce(0, 5)
	zombie(t, w, consumerProtocol())
}

func TestARestartWithTheSameInstanceIDMovesNoPartitionsInTheConsumerProtocol(t *testing.T) {
	restartInPlace(t, newWorld848(t, 4), consumerProtocol())
}

func TestAMemberFallsBackToTheClassicProtocol(t *testing.T) {
	w := newWorld(t, 1)
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, Err: kerr.UnsupportedVersion, Count: -1, TopLevel: true})
	m := w.ready(consumerProtocol(), newShape(t, "a"), 1)
	if err := m.offsets(t, Offset{TP: tp(0), Owner: tp(0), At: 1}); err != nil {
		t.Errorf("Offsets() error: %v", err)
	}
	m.mustStop(t, 2*time.Second)
}

func TestAStaleEpochInATransactionIsAnError(t *testing.T) {
	w := newWorld848(t, 1)
	m := w.ready(consumerProtocol(), newShape(t, "a"), 1)
	tx := w.transactional("tx-1")
	w.begin(tx)
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.StaleMemberEpoch})
	err := m.Exclusive(t.Context(), func(c *Commit) error {
		return c.TxnOffsets(t.Context(), tx, "tx-1", []Offset{{TP: tp(0), Owner: tp(0), At: 5}})
	})
	if !errors.Is(err, kerr.StaleMemberEpoch) {
		t.Errorf("TxnOffsets() error = %v, want STALE_MEMBER_EPOCH", err)
	}
	m.mustStop(t, 2*time.Second)
}
