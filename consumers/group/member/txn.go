package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TxnOffsets adds offsets to tx's open transaction, within Config.CommitTimeout: they are committed when, and only when, the
// transaction is. The transaction is fenced by this member's generation: after an error it must be aborted. An offset whose
// owner is not owned is an error. Nothing is sent when metadata is larger than MaxMetadata (ErrMetadataTooLarge).
//
// tx must have produced a record in the transaction: its EndTransaction does not know of the offsets, and sends nothing for a
// transaction that it takes for empty.
func (c *Commit) TxnOffsets(ctx context.Context, tx *kgo.Client, transactionalID string, offsets []Offset) (err error) {
	wanted := len(offsets)
	offsets, err = c.admit(offsets)
	if err != nil {
		return err
	}
	if len(offsets) < wanted {
		// Their records would be committed without them.
		return c.m.commitError("commit offsets in a transaction", errNotOwned)
	}
	defer c.observe(commitTransaction, time.Now(), &err)
	ctx, cancel := context.WithTimeout(ctx, c.m.cfg.CommitTimeout)
	defer cancel()
	// The generation is read first: should the group move on from here, the coordinator refuses.
	memberID, generation := c.m.client().GroupMetadata()
	if identity := c.m.identity.Load(); identity == nil || *identity != memberID {
		return c.m.commitError("commit offsets in a transaction", errRenamed)
	}
	id, epoch, err := tx.ProducerID(ctx)
	if err != nil {
		return c.m.commitError("commit offsets in a transaction", fmt.Errorf("producer id: %w", err))
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = transactionalID, id, epoch, c.m.cfg.Group
	if err := addOffsets(ctx, tx, add); err != nil {
		return c.m.commitError("add offsets to a transaction", err)
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = transactionalID, c.m.cfg.Group, id, epoch
	req.MemberID, req.Generation = memberID, generation
	if c.m.cfg.InstanceID != "" {
		req.InstanceID = &c.m.cfg.InstanceID
	}
	if req.Topics, err = c.txnTopics(ctx, offsets); err != nil {
		return c.m.commitError("commit offsets in a transaction", err)
	}
	resp, err := req.RequestWith(ctx, tx)
	if err == nil {
		err = txnAnswer(req, resp)
	}
	return c.m.commitError("commit offsets in a transaction", err)
}

// addOffsets repeats while the coordinator still finishes the transaction before.
func addOffsets(ctx context.Context, tx *kgo.Client, req *kmsg.AddOffsetsToTxnRequest) error {
	for {
		resp, err := req.RequestWith(ctx, tx)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if !errors.Is(err, kerr.ConcurrentTransactions) {
			return err
		}
		if pause.Sleep(ctx, 20*time.Millisecond) != nil {
			return err
		}
	}
}

func (c *Commit) txnTopics(ctx context.Context, offsets []Offset) ([]kmsg.TxnOffsetCommitRequestTopic, error) {
	topics := make([]string, len(offsets))
	for i, o := range offsets {
		topics[i] = o.TP.Topic
	}
	ids, err := c.m.topicIDs(ctx, topics)
	if err != nil {
		return nil, err
	}
	index := make(map[string]int)
	var out []kmsg.TxnOffsetCommitRequestTopic
	for i := range offsets {
		o := &offsets[i]
		at, ok := index[o.TP.Topic]
		if !ok {
			at = len(out)
			index[o.TP.Topic] = at
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic, t.TopicID = o.TP.Topic, ids[o.TP.Topic]
			out = append(out, t)
		}
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = o.TP.Partition, o.At, -1, &o.Metadata
		out[at].Partitions = append(out[at].Partitions, p)
	}
	return out, nil
}

func txnAnswer(req *kmsg.TxnOffsetCommitRequest, resp *kmsg.TxnOffsetCommitResponse) error {
	a := make(answer)
	for _, t := range req.Topics {
		a[t.TopicID] = t.Topic
	}
	var errs []error
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			errs = append(errs, a.of(t.Topic, t.TopicID, p.Partition, p.ErrorCode))
		}
	}
	return errors.Join(errs...)
}

// topicIDs returns the ids by which newer brokers want topics named. A broker that knows no ids wants none.
func (m *Member) topicIDs(ctx context.Context, topics []string) (map[string][16]byte, error) {
	req := kmsg.NewPtrMetadataRequest()
	seen := make(map[string]bool)
	for _, topic := range topics {
		if seen[topic] {
			continue
		}
		seen[topic] = true
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, t)
	}
	resp, err := m.client().RequestCachedMetadata(ctx, req, time.Minute)
	if err != nil {
		return nil, fmt.Errorf("topic ids: %w", err)
	}
	ids := make(map[string][16]byte, len(seen))
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, fmt.Errorf("topic ids: topic %s: %w", *t.Topic, err)
		}
		ids[*t.Topic] = t.TopicID
	}
	return ids, nil
}
