package logread

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// fetchWaitMillis is how long a broker waits for something new before it answers with nothing. Meanwhile other fetches from it wait too.
	fetchWaitMillis = 100

	readUncommitted int8 = 0
	readCommitted   int8 = 1
)

// errOutOfRange says that the log does not have the position: it begins after it, or ends before it.
var errOutOfRange = errors.New("position is not in the log")

// cursor is one read of one partition: it stays with the incarnation of the topic that it began with.
type cursor struct {
	r         *Reader
	topic     string
	partition int32
	isolation int8
	id        [16]byte
	failures  int // in a row
}

func (r *Reader) cursor(ctx context.Context, topic string, partition int32, isolation int8) (*cursor, error) {
	t, err := r.topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	return &cursor{r: r, topic: topic, partition: partition, isolation: isolation, id: t.id}, nil
}

// fetch returns one answer of the leader, which may be empty. It asks again, after looking for the leader, until there is one or ctx is
// over. The first batch of the answer is whole, whatever its size; the last one may be cut.
func (c *cursor) fetch(ctx context.Context, from int64, maxBytes int32) (*kmsg.FetchResponseTopicPartition, error) {
	for {
		p, err := c.fetchOnce(ctx, from, maxBytes)
		if err == nil {
			c.failures = 0
			return p, nil
		}
		if errors.Is(err, errOutOfRange) || !retriable(err) {
			return nil, err
		}
		c.r.forget(c.topic)
		c.failures++
		if sleep(ctx, c.failures) != nil {
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

func (c *cursor) fetchOnce(ctx context.Context, from int64, maxBytes int32) (*kmsg.FetchResponseTopicPartition, error) {
	t, err := c.r.topic(ctx, c.topic)
	if err != nil {
		return nil, err
	}
	if t.id != c.id {
		return nil, ErrTopicRemade
	}
	leader, ok := t.leaders[c.partition]
	if !ok {
		return nil, fmt.Errorf("partition %d: %w", c.partition, kerr.LeaderNotAvailable)
	}
	resp, err := c.r.cl.Broker(int(leader)).Request(ctx, c.request(from, maxBytes))
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return c.answer(resp.(*kmsg.FetchResponse))
}

func (c *cursor) request(from int64, maxBytes int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID = -1
	req.MaxWaitMillis = fetchWaitMillis
	req.MinBytes = 1
	req.MaxBytes = maxBytes
	req.IsolationLevel = c.isolation
	req.SessionEpoch = -1 // no session: each request stands for itself
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = c.topic, c.id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = c.partition, from, maxBytes
	p.CurrentLeaderEpoch, p.LastFetchedEpoch, p.LogStartOffset = -1, -1, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func (c *cursor) answer(resp *kmsg.FetchResponse) (*kmsg.FetchResponseTopicPartition, error) {
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			if p.Partition != c.partition {
				continue
			}
			err := kerr.ErrorForCode(p.ErrorCode)
			switch {
			case errors.Is(err, kerr.OffsetOutOfRange):
				return nil, errOutOfRange
			case err != nil:
				return nil, err
			}
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w: partition %d is not in it", errIncomplete, c.partition)
}
