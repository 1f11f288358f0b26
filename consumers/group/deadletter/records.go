package deadletter

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// Action is what a person does with a letter.
type Action uint8

// The actions.
const (
	ActionRedrive Action = iota + 1 // send it back through the order of its entity
	ActionDrop                      // settle it without handling it
)

// String is the word for it, in the infinitive.
func (a Action) String() string {
	if a == ActionRedrive {
		return schemas.RetryByRedrive
	}
	return schemas.RetryByDrop
}

func (a Action) resolution() string {
	if a == ActionRedrive {
		return schemas.ResolutionRedriven
	}
	return schemas.ResolutionDropped
}

// records are the two by which a letter is settled: one for the owner of the partition, in the retry topic, and the note in the
// dead-letter topic. Both name their partition. now is the text of the
// time, due and resolution alike.
func (a Action) records(l *Letter, by string, now []byte) []*kgo.Record {
	source := []kgo.RecordHeader{
		{Key: schemas.HeaderSourceTopic, Value: []byte(l.ID.Topic)},
		{Key: schemas.HeaderSourcePartition, Value: strconv.AppendInt(nil, int64(l.ID.Partition), 10)},
		{Key: schemas.HeaderSourceOffset, Value: strconv.AppendInt(nil, l.ID.Offset, 10)},
	}
	waiting := &kgo.Record{
		Topic: schemas.RetryTopic(l.ID.Topic, l.Group), Partition: l.ID.Partition, Key: schemas.RetryKey(l.Key, l.ID.Offset),
	}
	if a == ActionRedrive {
		// An event without a value goes back with an empty one: null would mean that nothing waits.
		waiting.Value = append([]byte{}, l.Value...)
		waiting.Headers = append(append(original(l.Headers), source...),
			kgo.RecordHeader{Key: schemas.HeaderAttempts, Value: []byte("0")},
			kgo.RecordHeader{Key: schemas.HeaderRetryDue, Value: now},
		)
		if l.Replay != "" { // without it the event would be taken for a repeat of itself
			waiting.Headers = append(waiting.Headers, kgo.RecordHeader{Key: schemas.HeaderReplay, Value: []byte(l.Replay)})
		}
	} else {
		waiting.Headers = source[:len(source):len(source)]
	}
	waiting.Headers = append(waiting.Headers, kgo.RecordHeader{Key: schemas.HeaderRetryBy, Value: []byte(a.String())})
	settled := &kgo.Record{
		Topic: schemas.DeadLetterTopic(l.ID.Topic, l.Group), Partition: l.ID.Partition, Key: l.Key,
		Headers: append(source[:len(source):len(source)],
			kgo.RecordHeader{Key: schemas.HeaderResolution, Value: []byte(a.resolution())},
			kgo.RecordHeader{Key: schemas.HeaderResolutionBy, Value: []byte(by)},
			kgo.RecordHeader{Key: schemas.HeaderResolutionTime, Value: now},
		),
	}
	return []*kgo.Record{waiting, settled}
}
