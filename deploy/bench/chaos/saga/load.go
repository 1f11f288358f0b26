package saga

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/saga/check"
	"millrace/partitioning"
	"millrace/schemas"
)

// load writes the shops' events as the receiver does, at a steady rate of orders.
type load struct {
	o      *Options
	client *kgo.Client
	author author

	mu     sync.Mutex
	orders []check.Order
	events int
	err    error
}

func newLoad(o *Options, seeds []string) (*load, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.RecordPartitioner(partitioning.Partitioner()), kgo.ProducerLinger(time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("build the producer of the load: %w", err)
	}
	return &load{o: o, client: client, author: author{o: o, dice: rand.New(rand.NewPCG(o.Seed, 1))}}, nil //nolint:gosec // repeatable on purpose
}

// run begins orders until enough is closed, tells all that they have to tell and waits for every acknowledgement.
func (l *load) run(ctx context.Context, enough <-chan struct{}) error {
	defer l.client.Close()
	var underWay []delivery
	begin, begun := time.Now(), 0
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for over := false; !over || len(underWay) > 0; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-enough:
			over, enough = true, nil
		case now := <-tick.C:
			for ; !over && begun < int(now.Sub(begin).Seconds()*l.o.Rate); begun++ {
				known, told := l.author.order(now)
				l.mu.Lock()
				l.orders = append(l.orders, known)
				l.mu.Unlock()
				underWay = append(underWay, told...)
			}
			underWay = slices.DeleteFunc(underWay, func(d delivery) bool {
				if d.at.After(now) {
					return false
				}
				l.produce(ctx, d)
				return true
			})
		}
		if err := l.failure(); err != nil {
			return err
		}
	}
	if err := l.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for the last events: %w", err)
	}
	return l.failure()
}

// produce writes one event. One that Kafka did not take is an error of the run: nothing can be said of its order.
func (l *load) produce(ctx context.Context, d delivery) {
	route, err := partitioning.For(d.order.Shop, d.topic, d.body)
	if err != nil {
		panic("chaos: an order is no JSON: " + err.Error())
	}
	now := time.Now()
	envelope := schemas.Event{
		ID: d.id, Shop: d.order.Shop, Topic: d.topic, Subject: route.Subject, Time: d.at, Received: now, ContentType: "application/json",
		ShopifyAPIVersion: "2026-10", PartitionKey: route.Key,
	}
	r := &kgo.Record{Topic: route.Topic, Key: []byte(route.Key), Value: d.body, Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &envelope)}
	l.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.err = errors.Join(l.err, fmt.Errorf("send %s of %s: %w", d.topic, d.order, err))
		}
		l.events++
	})
}

func (l *load) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// told returns the orders so far.
func (l *load) told() []check.Order {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.orders)
}
