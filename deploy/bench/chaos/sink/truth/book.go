// Package truth is what the sink must have made of what is in Kafka: a book of every record, and the read models and aggregates
// recomputed from the bodies by the definitions in schemas/README.md, in Go and without any of the SQL.
//
// The book is written from two sides. The producer enters what it sent and what became of its transaction; a reader of committed
// records enters what it saw and where. Audit compares the two. Only what was seen counts as being in Kafka.
package truth

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"millrace/deploy/bench/chaos/sink/story"
	"millrace/schemas"
)

// Fate is what became of the transaction that a record was in.
type Fate int

// The fates. What was aborted is never entered.
const (
	Committed Fate = iota
	Unknown        // the broker died while it committed
)

// Place is a partition of a topic.
type Place struct {
	Topic     string
	Partition int32
}

// Sum is a hash of everything of an event that the table must have.
type Sum [sha256.Size]byte

// SumSQL is Sum in upper-case hex, of a row of events.
const SumSQL = `hex(SHA256(concat(id, '\n', shop, '\n', shopify_topic, '\n', subject, '\n', partition_key, '\n', toString(toUnixTimestamp64Nano(time)), '\n', body)))`

func sumOf(e *schemas.Event, body []byte) Sum {
	h := sha256.New()
	for _, s := range []string{e.ID, e.Shop, e.Topic, e.Subject, e.PartitionKey, strconv.FormatInt(e.Time.UnixNano(), 10)} {
		h.Write([]byte(s + "\n"))
	}
	h.Write(body)
	return Sum(h.Sum(nil))
}

// SQL is how SumSQL writes the hash.
func (s Sum) SQL() string { return strings.ToUpper(hex.EncodeToString(s[:])) }

// told is one event of the story, by its number there.
type told struct {
	sum                      Sum
	committed, unknown, seen uint16 // records; more than one for a repeat
}

// Entry is one record in Kafka.
type Entry struct {
	Offset int64
	Event  uint32 // number in the story
}

// Book is the account. Sent and Seen may be called from different goroutines.
type Book struct {
	mu      sync.Mutex
	told    []told
	entries map[Place][]Entry
	records int
	faults  []string
	Models  *Models
}

// NewBook returns an empty book.
func NewBook() *Book { return &Book{entries: map[Place][]Entry{}, Models: newModels()} }

// number finds an event's number in its id.
func number(id string) (uint32, error) {
	_, tail, _ := strings.Cut(id, "-4000-8000-")
	n, err := strconv.ParseUint(tail, 16, 32)
	if err != nil || story.IsPhantom(id) {
		return 0, fmt.Errorf("%q is not the id of an event of the story", id)
	}
	return uint32(n), nil
}

// at returns the event's account.
func (b *Book) at(n uint32) *told {
	for uint32(len(b.told)) <= n { //nolint:gosec // an index that fits
		b.told = append(b.told, make([]told, max(1024, len(b.told)))...)
	}
	return &b.told[n]
}

// Sent enters a record whose transaction was to be committed.
func (b *Book) Sent(e *schemas.Event, body []byte, fate Fate) error {
	n, err := number(e.ID)
	if err != nil {
		return err
	}
	sum := sumOf(e, body)
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.at(n)
	if t.committed+t.unknown > 0 && t.sum != sum {
		return fmt.Errorf("event %s was sent with two contents", e.ID)
	}
	t.sum = sum
	if fate == Committed {
		t.committed++
	} else {
		t.unknown++
	}
	return nil
}

// Seen enters a record that a reader of committed records got. What must not be there is kept for Audit.
func (b *Book) Seen(at Place, offset int64, e *schemas.Event, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := number(e.ID)
	if err != nil {
		b.faults = append(b.faults, fmt.Sprintf("%s/%d@%d: a committed reader sees a record of an aborted transaction: %v", at.Topic, at.Partition, offset, err))
		return nil
	}
	t := b.at(n)
	if sum := sumOf(e, body); t.sum != sum {
		b.faults = append(b.faults, fmt.Sprintf("%s/%d@%d: event %s is not what was sent", at.Topic, at.Partition, offset, e.ID))
		return nil
	}
	t.seen++
	b.entries[at] = append(b.entries[at], Entry{Offset: offset, Event: n})
	b.records++
	return b.Models.add(&record{Place: at, offset: offset, event: e, body: body})
}

// Audit says where producer and reader disagree: then Kafka, or this test, is at fault, and not the sink.
func (b *Book) Audit() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := slices.Clone(b.faults)
	for n, t := range b.told {
		if t.seen < t.committed || t.seen > t.committed+t.unknown {
			faults = append(faults, fmt.Sprintf("event %d was committed in %d records, perhaps in %d more, and %d are in Kafka", n, t.committed, t.unknown, t.seen))
		}
	}
	return faults
}

// Records is the number of records in Kafka, and Events that of distinct events.
func (b *Book) Records() int { return b.records }

// Events is the number of distinct webhook ids in Kafka.
func (b *Book) Events() (n int) {
	for i := range b.told {
		if b.told[i].seen > 0 {
			n++
		}
	}
	return n
}

// Places returns the partitions that have records, in a fixed order.
func (b *Book) Places() []Place {
	var all []Place
	for p := range b.entries {
		all = append(all, p)
	}
	slices.SortFunc(all, func(x, y Place) int {
		if c := strings.Compare(x.Topic, y.Topic); c != 0 {
			return c
		}
		return int(x.Partition - y.Partition)
	})
	return all
}

// Entries returns the records of a partition in the order of their offsets.
func (b *Book) Entries(at Place) []Entry { return b.entries[at] }

// Sum returns the hash of an event.
func (b *Book) Sum(n uint32) Sum { return b.told[n].sum }

// CountFrom counts the records of a partition from an offset on.
func (b *Book) CountFrom(at Place, offset int64) int {
	all := b.entries[at]
	i, _ := slices.BinarySearchFunc(all, offset, func(e Entry, o int64) int {
		switch {
		case e.Offset < o:
			return -1
		case e.Offset > o:
			return 1
		default:
			return 0
		}
	})
	return len(all) - i
}
