package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning"
	"millrace/schemas"
)

const (
	// sourceTopic is the topic that the rates are measured on.
	sourceTopic = "bench.orders"
	// shops is how many shops the keys belong to.
	shops = 200
	// leastValueBytes has room for what every value says.
	leastValueBytes = 128
)

// entity is what the records of one key have in common.
type entity struct {
	shop, subject, key string
}

func entityOf(shop string, n int) entity {
	subject := "order/" + strconv.Itoa(5_000_000_000_000+n)
	return entity{shop, subject, shop + "|" + subject}
}

// keyOf returns the n-th key of the bench.
func keyOf(n int) entity { return entityOf(fmt.Sprintf("shop-%03d.myshopify.com", n%shops), n) }

// record makes an event as ingest writes it, with a body of the given size: half of it random letters, so that compression has
// about as much to do as with real orders.
func record(topic string, e entity, seq, size int, random *rand.Rand) *kgo.Record {
	now := time.Now()
	event := schemas.Event{
		ID:   fmt.Sprintf("%08x-%04x-4000-8000-%012x", seq, len(e.key), random.Uint64()>>16),
		Shop: e.shop, Topic: "orders/updated", Subject: e.subject, Time: now, Received: now, ContentType: "application/json",
		ShopifyEventID: fmt.Sprintf("%032x", random.Uint64()), ShopifyAPIVersion: "2026-10", PartitionKey: e.key,
	}
	return &kgo.Record{Topic: topic, Key: []byte(e.key), Value: body(e, seq, size, random), Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &event)}
}

func body(e entity, seq, size int, random *rand.Rand) []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b := make([]byte, 0, size)
	b = fmt.Appendf(b, `{"entity":%q,"seq":%d,"text":"`, e.subject, seq)
	for len(b) < size/2 {
		for bits := random.Uint64(); bits > 0 && len(b) < size/2; bits >>= 6 {
			b = append(b, letters[bits&63])
		}
	}
	b = append(b, `","note":"`...)
	b = append(b, bytes.Repeat([]byte("0.00 "), size/5)...)
	return append(b[:size-2], `"}`...)
}

// recordBytes returns the sizes of a typical record: key, value and headers (names and values).
func recordBytes(size int) (key, value, headers int) {
	r := record(sourceTopic, keyOf(1), 1, size, rand.New(rand.NewPCG(1, 2))) //nolint:gosec // test data
	for _, h := range r.Headers {
		headers += len(h.Key) + len(h.Value)
	}
	return len(r.Key), len(r.Value), headers
}

// place says which key stands at which offset.
type place struct {
	keys [][]int32 // by partition and offset: number of the key
}

// fill writes n records over the keys in random order and returns where they are.
func (b *bench) fill(ctx context.Context, topic string, n int) (*place, error) {
	started := time.Now()
	producer, err := b.producer(kgo.ProducerLinger(5 * time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var mu sync.Mutex
	p := &place{keys: make([][]int32, b.o.partitions)}
	random := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // test data, the same in every run
	for i := range n {
		k := random.IntN(b.o.keys)
		if i < b.o.keys {
			k = i // each key has a record, however few there are
		}
		r := record(topic, keyOf(k), i, b.o.valueBytes, random)
		producer.Produce(ctx, r, func(r *kgo.Record, produceErr error) {
			mu.Lock()
			defer mu.Unlock()
			if produceErr != nil {
				err = errors.Join(err, produceErr)
				return
			}
			at := &p.keys[r.Partition]
			for int64(len(*at)) <= r.Offset {
				*at = append(*at, -1)
			}
			(*at)[r.Offset] = int32(k) //nolint:gosec // a person's small number
		})
		if ctx.Err() != nil {
			break
		}
	}
	flushErr := producer.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	if err = errors.Join(flushErr, err); err != nil {
		return nil, fmt.Errorf("fill %s: %w", topic, err)
	}
	b.note("%d records written to %s in %.0f s", n, topic, time.Since(started).Seconds())
	return p, nil
}

// producer returns a client that writes as ingest does.
func (b *bench) producer(opts ...kgo.Opt) (*kgo.Client, error) {
	producer, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.kafka.Brokers()...), kgo.RecordPartitioner(partitioning.Partitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(20_000),
	}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("make producer: %w", err)
	}
	return producer, nil
}

// source makes and fills the topic of the rates, once.
func (b *bench) source(ctx context.Context) error {
	if b.filled {
		return nil
	}
	if err := b.makeTopic(ctx, sourceTopic); err != nil {
		return err
	}
	if _, err := b.fill(ctx, sourceTopic, b.o.records); err != nil {
		return err
	}
	b.filled = true
	return nil
}
