package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/sink/truth"
	"millrace/deploy/internal/pause"
	"millrace/schemas"
)

// witness reads everything that Kafka has for a committed reader, from its beginning to where it ends now, into the book.
func witness(ctx context.Context, seeds []string, book *truth.Book) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumeTopics(eventTopics()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		// The last record of each partition is the mark of a transaction's end, and says that all has been read.
		kgo.KeepControlRecords(), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return fmt.Errorf("read Kafka again: %w", err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, eventTopics()...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("read Kafka again: ask for its end: %w", err)
	}
	left := map[truth.Place]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[truth.Place{Topic: o.Topic, Partition: o.Partition}] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read Kafka again: %w", ctx.Err())
		}
		var bad error
		fetches.EachRecord(func(r *kgo.Record) {
			at := truth.Place{Topic: r.Topic, Partition: r.Partition}
			if bad == nil && !r.Attrs.IsControl() {
				bad = see(book, at, r)
			}
			if end, open := left[at]; open && r.Offset >= end-1 {
				delete(left, at)
			}
		})
		if bad != nil {
			return bad
		}
	}
	return nil
}

func see(book *truth.Book, at truth.Place, r *kgo.Record) error {
	e, err := schemas.ParseHeaders(r.Headers)
	if err != nil {
		return fmt.Errorf("read Kafka again: %s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	return book.Seen(at, r.Offset, &e, r.Value)
}

// drained waits until the group has committed everything that the book has.
func drained(ctx context.Context, seeds []string, book *truth.Book) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		return fmt.Errorf("wait for the group: %w", err)
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	for {
		behind, err := behind(ctx, adm, book)
		if err == nil && behind == 0 {
			return nil
		}
		if pause.For(ctx, 300*time.Millisecond) != nil {
			return fmt.Errorf("the group is still %d records behind (%w)", behind, err)
		}
	}
}

// behind counts the records of the book that the group has not committed.
func behind(ctx context.Context, adm *kadm.Client, book *truth.Book) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	committed, err := adm.FetchOffsets(ctx, groupID)
	if err == nil {
		err = committed.Error()
	}
	if err != nil {
		return -1, err
	}
	sum := 0
	for _, at := range book.Places() {
		offset := int64(0)
		if o, known := committed.Lookup(at.Topic, at.Partition); known {
			offset = max(o.At, 0)
		}
		sum += book.CountFrom(at, offset)
	}
	return sum, nil
}
