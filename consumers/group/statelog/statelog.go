// Package statelog reads from outside what a service keeps per key: its state topics, beside the group, which does not notice.
//
// What is read is what was committed by the time of the call. It is not the state that the owner of the partition works with, which may be
// one commit ahead.
package statelog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"millrace/partitioning"

	"millrace/consumers/group/internal/logread"
	"millrace/consumers/group/internal/state"
	"millrace/schemas"
)

// readers is how many partitions are read at a time. It bounds memory: each holds one response.
const readers = 8

// askTimeout bounds a question about topics: an answer takes milliseconds.
const askTimeout = 30 * time.Second

// Log is the state that a consumer group keeps beside one source topic.
type Log struct {
	client     *kgo.Client
	reader     *logread.Reader
	topic      string // of the state
	partitions int32
}

// Open finds the state topic. kafka is how to connect. Close the Log.
func Open(ctx context.Context, kafka []kgo.Opt, source, group string) (*Log, error) {
	topic := schemas.StateTopic(source, group)
	client, err := kgo.NewClient(kafka...)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", topic, err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err == nil {
		err = list[topic].Err
	}
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("open topic %s, which `millrace topics apply` makes and the user must be allowed to READ: %w", topic, err)
	}
	partitions := int32(len(list[topic].Partitions)) //nolint:gosec // Kafka counts them in an int32
	return &Log{client: client, reader: logread.New(client), topic: topic, partitions: partitions}, nil
}

// Close ends the connections.
func (l *Log) Close() { l.client.Close() }

// Fold calls f with every record of the log: in order within a partition, and for partitions side by side, so f is told which. The last value
// of a key is its state; nil says that the key has none any more. f may keep the value.
func (l *Log) Fold(ctx context.Context, f func(partition int32, key string, value []byte) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for p := range l.partitions {
		g.Go(func() error {
			return l.scan(ctx, p, func(key string, value []byte) error { return f(p, key, value) })
		})
	}
	return g.Wait()
}

// Get returns the value of one key, nil for none.
func (l *Log) Get(ctx context.Context, key string) (value []byte, err error) {
	err = l.scan(ctx, partitioning.Partition([]byte(key), l.partitions), func(k string, v []byte) error {
		if k == key {
			value = v
		}
		return nil
	})
	return value, err
}

func (l *Log) scan(ctx context.Context, partition int32, f func(key string, value []byte) error) error {
	starts, err := l.reader.Starts(ctx, l.topic, []int32{partition})
	if err != nil {
		return err
	}
	ends, err := l.reader.Ends(ctx, l.topic, []int32{partition})
	if err != nil {
		return err
	}
	_, err = l.reader.Scan(ctx, l.topic, partition, starts[partition], ends[partition], func(r *kgo.Record) error {
		var value []byte
		if r.Value != nil {
			e, err := state.Decode(r.Value)
			if err != nil {
				return fmt.Errorf("read the state of %s at offset %d: %w", r.Key, r.Offset, err)
			}
			if e.HasValue {
				value = e.Value
			}
		}
		return f(string(r.Key), slices.Clone(value)) // it would keep its whole batch alive
	})
	return err
}
