package reread

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
	"millrace/consumers/group/internal/logread"
	"millrace/consumers/group/internal/state"
	"millrace/partitioning"
	"millrace/schemas"
)

// ErrNoTopic is returned, wrapped, for a topic that is not there, or that the user may not see.
var ErrNoTopic = errors.New("topic is not there")

// Reader reads partitions. It is safe for concurrent use. Close it.
type Reader struct {
	client *kgo.Client
	admin  *kadm.Client
	logs   *logread.Reader

	read, total atomic.Int64
	foreign     atomic.Int64
}

// Open connects to nothing yet. kafka is how to connect: no group, no topics.
func Open(kafka []kgo.Opt) (*Reader, error) {
	client, err := kgo.NewClient(kafka...)
	if err != nil {
		return nil, fmt.Errorf("open reader: %w", err)
	}
	return &Reader{client: client, admin: kadm.NewClient(client), logs: logread.New(client)}, nil
}

// Close ends the connections.
func (r *Reader) Close() { r.client.Close() }

// Progress is how many records all reads so far have passed, and how many they have to pass.
func (r *Reader) Progress() (read, total int64) { return r.read.Load(), r.total.Load() }

// Foreign is how many records were passed over because they are not what the topic is for.
func (r *Reader) Foreign() int64 { return r.foreign.Load() }

// Partitions returns the number of partitions of a topic.
func (r *Reader) Partitions(ctx context.Context, topic string) (int32, error) {
	list, err := r.admin.ListTopics(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("look up %s: %w", topic, err)
	}
	t, ok := list[topic]
	if !ok || t.Err != nil {
		return 0, fmt.Errorf("%w: %s; `millrace topics apply` makes it", ErrNoTopic, topic)
	}
	return int32(len(t.Partitions)), nil //nolint:gosec // Kafka counts them in an int32
}

// PartitionOf returns the partition of a topic that has the records of a key.
func (r *Reader) PartitionOf(ctx context.Context, topic, key string) (int32, error) {
	n, err := r.Partitions(ctx, topic)
	if err != nil {
		return 0, err
	}
	return partitioning.Partition([]byte(key), n), nil
}

// Events calls f with each event of a partition, in order. An event's body is good until f has returned.
func (r *Reader) Events(ctx context.Context, topic string, partition int32, f func(*group.Event) error) error {
	return r.scan(ctx, topic, partition, func(rec *kgo.Record) error {
		meta, err := schemas.ParseHeaders(rec.Headers)
		if err != nil {
			r.foreign.Add(1)
			return nil //nolint:nilerr // of a stranger, or broken: it is counted, and no reason to stop
		}
		return f(&group.Event{Event: meta, Key: string(rec.Key), Body: rec.Value, KafkaTopic: topic, Partition: partition, Offset: rec.Offset})
	})
}

// State calls f with the value that a group keeps of each key of a partition of the topic it reads, in no order.
func (r *Reader) State(ctx context.Context, groupID, topic string, partition int32, f func(key string, value []byte) error) error {
	newest := map[string][]byte{}
	err := r.StateLog(ctx, groupID, topic, partition, func(key string, value []byte) error {
		if value == nil {
			delete(newest, key)
			return nil
		}
		newest[key] = append(newest[key][:0], value...) // its batch must not stay in memory
		return nil
	})
	if err != nil {
		return err
	}
	for key, value := range newest {
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

// StateLog calls f with each value that a group has kept of the keys of a partition, in order, for who need not hold them all: the last of
// a key is its state, and nil says that it has none any more. A value is good until f has returned.
func (r *Reader) StateLog(ctx context.Context, groupID, topic string, partition int32, f func(key string, value []byte) error) error {
	name := schemas.StateTopic(topic, groupID)
	return r.scan(ctx, name, partition, func(rec *kgo.Record) error {
		if rec.Value == nil {
			return f(string(rec.Key), nil)
		}
		e, err := state.Decode(rec.Value)
		switch {
		case err != nil:
			return fmt.Errorf("read the state of %s in %s at offset %d: %w", rec.Key, name, rec.Offset, err)
		case !e.HasValue:
			return f(string(rec.Key), nil)
		case e.Value == nil:
			return f(string(rec.Key), []byte{})
		}
		return f(string(rec.Key), e.Value)
	})
}

// scan reads a partition from its beginning to its end as of now.
func (r *Reader) scan(ctx context.Context, topic string, partition int32, f func(*kgo.Record) error) error {
	if _, err := r.Partitions(ctx, topic); err != nil { // a topic that is not there would be waited for
		return err
	}
	starts, err := r.logs.Starts(ctx, topic, []int32{partition})
	if err != nil {
		return err
	}
	ends, err := r.logs.Ends(ctx, topic, []int32{partition})
	if err != nil {
		return err
	}
	from, to := starts[partition], ends[partition]
	r.total.Add(max(to-from, 0))
	at := from
	_, err = r.logs.Scan(ctx, topic, partition, from, to, func(rec *kgo.Record) error {
		r.read.Add(rec.Offset + 1 - at)
		at = rec.Offset + 1
		return f(rec)
	})
	r.read.Add(max(to-at, 0))
	return err
}
