package txn

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning"
)

// partitioner keeps the partition of a record that names one, and places one marked -1 by its key as every producer of millrace
// does; no key counts as an empty one, so that a repeat goes where the first try went.
type partitioner struct{ byKey kgo.Partitioner }

func newPartitioner() kgo.Partitioner { return partitioner{partitioning.Partitioner()} }

// ForTopic implements kgo.Partitioner.
func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{p.byKey.ForTopic(topic)}
}

type topicPartitioner struct{ byKey kgo.TopicPartitioner }

// RequiresConsistency makes n in Partition count all partitions, also those without a leader.
func (topicPartitioner) RequiresConsistency(*kgo.Record) bool { return true }

// Partition implements kgo.TopicPartitioner.
func (p topicPartitioner) Partition(r *kgo.Record, n int) int {
	switch {
	case r.Partition >= 0:
		return int(r.Partition)
	case r.Key == nil:
		return p.byKey.Partition(&kgo.Record{Key: []byte{}}, n)
	default:
		return p.byKey.Partition(r, n)
	}
}
