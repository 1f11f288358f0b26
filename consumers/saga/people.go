package saga

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"millrace/partitioning"

	"millrace/consumers/group/orderevent"
	"millrace/consumers/group/reread"
	"millrace/schemas"
)

// This file is for people: to see the runs there are, and to step in.

// OrderRun is the run of an order.
type OrderRun struct {
	Order
	Run
}

// Desk reads the runs of a consumer group, and takes what people want of them.
type Desk struct {
	kafka      []kgo.Opt
	group      string
	reader     *reread.Reader
	partitions int32
}

const (
	// readers is how many partitions are read at a time. It bounds memory: each holds one response.
	readers = 8
	// askTimeout bounds a question about topics: an answer takes milliseconds.
	askTimeout = 30 * time.Second
)

// OpenDesk finds the state of the group. kafka is how to connect. Close the Desk.
func OpenDesk(ctx context.Context, kafka []kgo.Opt, group string) (*Desk, error) {
	reader, err := reread.Open(kafka)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	n, err := reader.Partitions(ctx, schemas.StateTopic(schemas.OrderEventsTopic, group))
	if err != nil {
		reader.Close()
		return nil, err
	}
	return &Desk{kafka: kafka, group: group, reader: reader, partitions: n}, nil
}

// Close ends the connections.
func (d *Desk) Close() { d.reader.Close() }

// Runs returns the runs that want chooses, in no order, as of now. Orders without a run are none. Partitions are read side by side.
func (d *Desk) Runs(ctx context.Context, want func(*OrderRun) bool) ([]OrderRun, error) {
	var mu sync.Mutex
	found := map[string]OrderRun{} // only what is wanted: of a million runs a few hundred go on
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for p := range d.partitions {
		g.Go(func() error {
			return d.reader.StateLog(ctx, d.group, schemas.OrderEventsTopic, p, func(key string, value []byte) error {
				r, err := orderRun(key, value)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				if r.Phase != "" && want(&r) {
					found[key] = r
				} else {
					delete(found, key)
				}
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	runs := make([]OrderRun, 0, len(found))
	for _, r := range found {
		runs = append(runs, r)
	}
	return runs, nil
}

// ErrNoRun is returned, wrapped, for an order without a run.
var ErrNoRun = errors.New("the order has no run")

// Run returns the run of an order.
func (d *Desk) Run(ctx context.Context, of Order) (OrderRun, error) {
	key := recordKey(of)
	var value []byte
	partition := partitioning.Partition([]byte(key), d.partitions)
	err := d.reader.StateLog(ctx, d.group, schemas.OrderEventsTopic, partition, func(k string, v []byte) error {
		if k == key {
			value = bytes.Clone(v)
		}
		return nil
	})
	if err != nil {
		return OrderRun{}, err
	}
	r, err := orderRun(key, value)
	switch {
	case err != nil:
		return OrderRun{}, err
	case r.Phase == "" && r.Cancelled:
		return r, fmt.Errorf("%w: it was cancelled before it began", ErrNoRun)
	case r.Phase == "":
		return r, fmt.Errorf("%w: %s of %s", ErrNoRun, of.ID, of.Shop)
	}
	return r, nil
}

func recordKey(of Order) string { return of.Shop + "|order/" + of.ID }

func orderRun(key string, value []byte) (OrderRun, error) {
	r, err := ReadRun(value)
	if err != nil {
		return OrderRun{}, fmt.Errorf("%s: %w", key, err)
	}
	shop, entity, _ := strings.Cut(key, "|")
	return OrderRun{Order: Order{Shop: shop, ID: strings.TrimPrefix(entity, "order/")}, Run: r}, nil
}

// Want is what a person may want of a run.
type Want string

// What there is to want.
const (
	Retry Want = "retry"
	Abort Want = "abort"
)

// Refuses says why a run will do nothing about what is wanted; nil where it will.
func (r *Run) Refuses(w Want) error {
	switch {
	case w == Retry && (r.Phase == Parked || r.Asked != nil), w == Abort && (r.Phase == Running || r.Phase == Parked):
		return nil
	case w == Abort && r.Phase == Compensating:
		return errors.New("it is being undone already")
	case w == Abort && r.Phase == Completed:
		return errors.New("it is complete: cancel the order in the shop to have it undone")
	default:
		return fmt.Errorf("it is %s", r.Phase)
	}
}

// Ask writes what who wants of runs to the event store, where the saga finds it as it finds any event.
func (d *Desk) Ask(ctx context.Context, w Want, who string, runs ...OrderRun) error {
	client, err := kgo.NewClient(append(d.kafka[:len(d.kafka):len(d.kafka)], kgo.RecordPartitioner(partitioning.Partitioner()))...)
	if err != nil {
		return fmt.Errorf("connect to write events: %w", err)
	}
	defer client.Close()
	records := make([]*kgo.Record, 0, len(runs))
	for i := range runs {
		rec, err := request(w, who, &runs[i])
		if err != nil {
			return err
		}
		records = append(records, rec)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("write to topic %s: %w", schemas.OrderEventsTopic, err)
	}
	return nil
}

func request(w Want, who string, r *OrderRun) (*kgo.Record, error) {
	want := schemas.SagaRequest{Saga: r.Saga, Who: who}
	var data schemas.OrderEventData = &schemas.SagaRetryRequested{SagaRequest: want}
	if w == Abort {
		data = &schemas.SagaAbortRequested{SagaRequest: want}
	}
	// What a person wants has no event that it comes from; each time it is something new.
	cause := schemas.Event{ID: uuid.NewString(), Shop: r.Shop, Subject: "order/" + r.ID}
	e, err := schemas.NewOrderEvent(&cause, schemas.ByOperator, time.Now(), data)
	if err != nil {
		return nil, err
	}
	e.Reason = "by " + who
	out, err := orderevent.Record(&e)
	if err != nil {
		return nil, err
	}
	rec := &kgo.Record{Topic: out.Topic, Key: []byte(out.Key), Value: out.Value}
	for _, h := range out.Headers {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return rec, nil
}
