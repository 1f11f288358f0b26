package partitioning

import "github.com/twmb/franz-go/pkg/kgo"

// Partitioner returns the partitioner that every millrace producer uses: murmur2 of the key, as the Java client's default.
// Records without a key (millrace writes none) stick to one partition per batch.
func Partitioner() kgo.Partitioner { return kgo.StickyKeyPartitioner(nil) }

// Partition returns the partition, from 0 to partitions-1, that Partitioner chooses for a key; a nil key counts as an empty
// one. It panics when partitions is less than 1: no topic has none.
//
// It asks the producer's partitioner instead of hashing by itself, so that the two cannot drift apart.
func Partition(key []byte, partitions int32) int32 {
	if partitions < 1 {
		panic("partitioning: a topic has at least one partition")
	}
	if key == nil {
		key = []byte{}
	}
	p := Partitioner().ForTopic("").Partition(&kgo.Record{Key: key}, int(partitions))
	return int32(p) //nolint:gosec // less than partitions, which is an int32
}
