package logread

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrTopicRemade is returned, wrapped, when the topic was deleted and made again in the middle of a read.
var ErrTopicRemade = errors.New("topic was made anew")

const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = time.Second
)

// Reader reads partitions. It is safe for concurrent use; fetches of one broker go one after the other over the client's
// connection for fetches.
type Reader struct {
	cl  *kgo.Client
	dec kgo.Decompressor

	mu     sync.Mutex
	topics map[string]topicInfo // as last heard; forgotten when a broker contradicts
}

// topicInfo is where a topic's partitions are. It is not changed once it is there.
type topicInfo struct {
	id      [16]byte
	leaders map[int32]int32
}

// New returns a Reader that sends its requests with the client, whose consumer, if it has one, shares the connection for fetches.
func New(cl *kgo.Client) *Reader {
	return &Reader{cl: cl, dec: kgo.DefaultDecompressor(), topics: map[string]topicInfo{}}
}

// TopicID returns the id that the topic got when it was made. It waits for the topic to be known until ctx is over.
func (r *Reader) TopicID(ctx context.Context, topic string) ([16]byte, error) {
	r.forget(topic)
	t, err := r.topic(ctx, topic)
	return t.id, err
}

// Ends returns the high watermarks: the offsets after the last records that are safe, those of open transactions included.
func (r *Reader) Ends(ctx context.Context, topic string, partitions []int32) (map[int32]int64, error) {
	return r.list(ctx, topic, partitions, -1)
}

// Starts returns the offsets at which the logs begin.
func (r *Reader) Starts(ctx context.Context, topic string, partitions []int32) (map[int32]int64, error) {
	return r.list(ctx, topic, partitions, -2)
}

func (r *Reader) list(ctx context.Context, topic string, partitions []int32, at int64) (map[int32]int64, error) {
	found := make(map[int32]int64, len(partitions))
	for n := 1; ; n++ {
		missing := slices.DeleteFunc(slices.Clone(partitions), func(p int32) bool { _, ok := found[p]; return ok })
		if len(missing) == 0 {
			return found, nil
		}
		err := r.listOnce(ctx, topic, missing, at, found)
		if err == nil {
			continue
		}
		if !retriable(err) {
			return nil, fmt.Errorf("list offsets of %s: %w", topic, err)
		}
		if sleep(ctx, n) != nil {
			return nil, fmt.Errorf("list offsets of %s: %w: %w", topic, ctx.Err(), err)
		}
	}
}

// listOnce asks for the partitions and notes what it gets; an error says that not all have answered.
func (r *Reader) listOnce(ctx context.Context, topic string, partitions []int32, at int64, found map[int32]int64) error {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for _, num := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = num, at
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, r.cl) // the client splits it by leader
	if err != nil {
		return err
	}
	n := 0
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if e := kerr.ErrorForCode(p.ErrorCode); e != nil {
				err = fmt.Errorf("partition %d: %w", p.Partition, e)
				continue
			}
			found[p.Partition] = p.Offset
			n++
		}
	}
	if err == nil && n < len(partitions) {
		err = fmt.Errorf("%w: %d of %d partitions answered", errIncomplete, n, len(partitions))
	}
	return err
}

// errIncomplete is an answer without what was asked for.
var errIncomplete = errors.New("incomplete answer")

func (r *Reader) forget(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.topics, topic)
}

// topic returns the topic as last heard, or asks until it is known.
func (r *Reader) topic(ctx context.Context, topic string) (topicInfo, error) {
	for n := 1; ; n++ {
		r.mu.Lock()
		t, ok := r.topics[topic]
		r.mu.Unlock()
		if ok {
			return t, nil
		}
		err := r.load(ctx, topic)
		if err == nil {
			continue
		}
		if !retriable(err) {
			return topicInfo{}, fmt.Errorf("look up %s: %w", topic, err)
		}
		if sleep(ctx, n) != nil {
			return topicInfo{}, fmt.Errorf("look up %s: %w: %w", topic, ctx.Err(), err)
		}
	}
}

func (r *Reader) load(ctx context.Context, topic string) error {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, r.cl)
	if err != nil {
		return err
	}
	if len(resp.Topics) != 1 {
		return fmt.Errorf("%w: %d topics in it", errIncomplete, len(resp.Topics))
	}
	answer := resp.Topics[0]
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return err
	}
	info := topicInfo{id: answer.TopicID, leaders: make(map[int32]int32, len(answer.Partitions))}
	for _, p := range answer.Partitions {
		// A partition whose leader is not there yet is left out: whoever needs it asks again.
		if kerr.ErrorForCode(p.ErrorCode) == nil || p.Leader >= 0 {
			info.leaders[p.Partition] = p.Leader
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics[topic] = info
	return nil
}

// retriable tells whether asking again can help: everything but a refusal, and the end of the topic, the context or the client.
func retriable(err error) bool {
	if errors.Is(err, ErrTopicRemade) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kgo.ErrClientClosed) {
		return false
	}
	var e *kerr.Error
	return !errors.As(err, &e) || e.Retriable
}

// sleep waits after the nth failure in a row.
func sleep(ctx context.Context, n int) error {
	return pause.Sleep(ctx, min(minBackoff<<min(n-1, 10), maxBackoff))
}
