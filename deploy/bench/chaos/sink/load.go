package sink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/sink/story"
	"millrace/deploy/bench/chaos/sink/truth"
	"millrace/deploy/internal/pause"
	"millrace/partitioning"
	"millrace/schemas"
)

// load writes the story to Kafka in transactions, as the receiver would but for these.
type load struct {
	o     *Options
	seeds []string
	story *story.Story
	book  *truth.Book
	dice  *rand.Rand

	again     []*kgo.Record // of transactions that were aborted: told once more
	committed atomic.Int64
	aborted   atomic.Int64
	unknown   atomic.Int64
	failures  atomic.Int64
}

func newLoad(o *Options, seeds []string, book *truth.Book) *load {
	return &load{
		o: o, seeds: seeds, book: book, dice: rand.New(rand.NewPCG(o.Seed, 1)), //nolint:gosec // repeatable on purpose
		story: story.New(story.Config{Seed: o.Seed, Shops: o.Shops, Duplicates: o.Duplicates, Disorder: o.Disorder, Now: time.Now}),
	}
}

// Times of the load.
const (
	transactionEvery  = 200 * time.Millisecond
	transactionWithin = 40 * time.Second
)

// run writes until ctx ends. A transaction that fails, because a broker died, is ended by the next client with the same id.
func (l *load) run(ctx context.Context) error {
	begin := time.Now()
	for ctx.Err() == nil {
		client, err := kgo.NewClient(kgo.SeedBrokers(l.seeds...), kgo.TransactionalID("chaos-story"), kgo.TransactionTimeout(10*time.Second),
			kgo.RecordPartitioner(partitioning.Partitioner()), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000),
			kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }), kgo.MetadataMinAge(250*time.Millisecond))
		if err != nil {
			return fmt.Errorf("build the producer of the load: %w", err)
		}
		for ctx.Err() == nil && err == nil {
			owed := int64(time.Since(begin).Seconds()*l.o.Rate) - l.committed.Load() - l.unknown.Load()
			// What an outage of Kafka has held up is not sent in one heap.
			if n := min(owed, int64(l.o.Rate)); n > 0 {
				err = l.transaction(ctx, client, int(n))
			}
			_ = pause.For(ctx, transactionEvery)
		}
		if err != nil {
			l.failures.Add(1)
			_ = pause.For(ctx, 300*time.Millisecond)
		}
		client.Close()
	}
	return nil
}

// transaction writes n events and commits or aborts them. It is not cut by the end of ctx: what it left open would have no fate.
func (l *load) transaction(ctx context.Context, client *kgo.Client, n int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionWithin)
	defer cancel()
	abort := l.dice.Float64() < l.o.Aborted
	records := l.take(n)
	if err := client.BeginTransaction(); err != nil {
		l.again = append(l.again, records...)
		return fmt.Errorf("begin: %w", err)
	}
	var failed atomic.Bool
	produce := func(r *kgo.Record) {
		client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(true)
			}
		})
	}
	for i, r := range records {
		produce(&kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp})
		if abort && i%2 == 0 {
			produce(l.record(l.story.Phantom()))
		}
	}
	if err := client.Flush(ctx); err != nil || failed.Load() || abort {
		l.again = append(l.again, records...)
		l.aborted.Add(int64(len(records)))
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return client.EndTransaction(ctx, kgo.TryAbort)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		l.unknown.Add(int64(len(records)))
		return errors.Join(fmt.Errorf("commit: %w", err), l.enter(records, truth.Unknown))
	}
	l.committed.Add(int64(len(records)))
	return l.enter(records, truth.Committed)
}

func (l *load) enter(records []*kgo.Record, fate truth.Fate) error {
	for _, r := range records {
		e, err := schemas.ParseHeaders(r.Headers)
		if err != nil {
			return err
		}
		if err := l.book.Sent(&e, r.Value, fate); err != nil {
			return err
		}
	}
	return nil
}

// take returns what is to be told again, and then what is new.
func (l *load) take(n int) []*kgo.Record {
	k := min(n, len(l.again))
	records := l.again[:k:k]
	l.again = l.again[k:]
	for len(records) < n {
		records = append(records, l.record(l.story.Next()))
	}
	return records
}

// record makes of an event what the receiver makes of a webhook. Some were received last month, so that a batch may fall into two
// partitions of the table.
func (l *load) record(e story.Event) *kgo.Record {
	now := time.Now()
	received := now
	if l.dice.IntN(200) == 0 {
		received = now.AddDate(0, 0, -31)
	}
	route, err := partitioning.For(e.Shop, e.Topic, e.Body)
	if err != nil {
		panic("chaos: the story made a body that is no JSON: " + err.Error())
	}
	envelope := schemas.Event{
		ID: e.ID, Shop: e.Shop, Topic: e.Topic, Subject: route.Subject, Time: e.Time, Received: received, ContentType: "application/json",
		ShopifyEventID: e.EventID, ShopifyAPIVersion: "2026-10", PartitionKey: route.Key,
	}
	return &kgo.Record{
		Topic: route.Topic, Key: []byte(route.Key), Value: e.Body, Timestamp: now, Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &envelope),
	}
}
