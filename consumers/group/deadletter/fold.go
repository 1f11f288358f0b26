package deadletter

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// This file is what others need who keep a count of letters and waiting events as the topics grow.

// Sources returns which topics each group reads, as far as its dead-letter topics tell, both sorted. topics is the number of
// partitions of every topic of the cluster.
func Sources(topics map[string]int32) map[string][]string {
	out := map[string][]string{}
	for name := range topics {
		if topic, group := split(topics, name, ""); group != "" {
			out[group] = append(out[group], topic)
		}
	}
	for _, sources := range out {
		slices.Sort(sources)
	}
	return out
}

// LetterChange reads what a record of a dead-letter topic says: whether the letter with this source offset is open after it. ok is
// false for a record that is none of ours.
func LetterChange(r *kgo.Record) (source int64, open, ok bool) {
	h := read(r.Headers)
	source, ok = h.sourceOffset()
	return source, len(h.resolution) == 0, ok
}

// WaitingChange reads what a record of a retry topic says: whether the event with this source offset waits after it. The dead letter
// that keeps the place of a parked key does not wait.
func WaitingChange(r *kgo.Record) (source int64, waits, ok bool) {
	_, source, ok = schemas.SplitRetryKey(r.Key)
	if !ok {
		return 0, false, false
	}
	h := read(r.Headers)
	return source, h.waits(r.Value) && !h.isParked(), true
}
