package group_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/group"
	"millrace/consumers/group/internal/schedule"
)

func TestTheTransactionOfAMemberThatHasDiedIsEndedByItsSuccessor(t *testing.T) {
	c := newCluster(t, 1)
	const key = "acme.myshopify.com|order/1"
	var done ledger
	svc := group.Service{Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
		done.add(key, string(e.Body))
		return nil
	})}
	c.produce(event(key, 0))
	stop := c.start(svc, quick())
	eventually(t, func() string {
		if done.count() == 0 {
			return "nothing is done"
		}
		return ""
	})
	stop()
	before, err := kadm.NewClient(c.cl).FetchOffsets(t.Context(), groupID)
	if err != nil {
		t.Fatal(err)
	}
	at := before[source][0]
	writer := schedule.Writer(at.Metadata)
	if writer == "" || at.At != 1 {
		t.Fatalf("committed: %+v, writer %q", at.Offset, writer)
	}
	c.leaveOpen(groupID+"-"+writer, at.At, at.Metadata)

	began := time.Now()
	c.produce(event(key, 1))
	c.start(svc, quick())
	eventually(t, func() string {
		if got := done.of(key); len(got) < 2 {
			return "the successor waits for the open transaction"
		}
		return ""
	})
	// The transaction has a timeout of ten minutes; eventually gives up before.
	t.Logf("after %s", time.Since(began))
}

// leaveOpen is a member that has died between the offsets and the end of its transaction.
func (c *cluster) leaveOpen(id string, offset int64, metadata string) {
	c.t.Helper()
	tx, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID(id), kgo.TransactionTimeout(10*time.Minute))
	if err != nil {
		c.t.Fatal(err)
	}
	defer tx.Close()
	if err := tx.BeginTransaction(); err != nil {
		c.t.Fatal(err)
	}
	if err := tx.ProduceSync(c.t.Context(), &kgo.Record{Topic: output, Value: []byte("never seen")}).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
	pid, epoch, err := tx.ProducerID(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = id, pid, epoch, groupID
	added, err := add.RequestWith(c.t.Context(), tx)
	if err == nil {
		err = kerr.ErrorForCode(added.ErrorCode)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = id, pid, epoch, groupID
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = source, c.TopicInfo(source).TopicID
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset, p.Metadata = offset, &metadata
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(c.t.Context(), tx)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}
