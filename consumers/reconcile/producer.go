package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning"
	"millrace/schemas"
)

// made is an event on its way.
type made struct {
	finding Finding
	read    time.Time // when the store was asked
	version string    // of the API
	body    []byte
}

// producer writes events where the receiver of webhooks would have written them.
type producer struct{ client *kgo.Client }

// newProducer connects with the options that make a write as safe as a webhook's: idempotent, which is the client's default, and
// acknowledged by all replicas in sync. The order within a key is that of the calls.
func newProducer(options []kgo.Opt) (*producer, error) {
	client, err := kgo.NewClient(append(options[:len(options):len(options)],
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RecordPartitioner(partitioning.Partitioner()),
		kgo.ProducerBatchMaxBytes(schemas.MaxMessageBytes),
		kgo.UnknownTopicRetries(-1),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &producer{client: client}, nil
}

func (p *producer) close() { p.client.Close() }

// errKey is returned where a body names another order than the finding: then the body is wrong.
var errKey = errors.New("the body is about something else")

// send returns when Kafka has all events. After an error any of them may be stored; a later run finds out which.
func (p *producer) send(ctx context.Context, events []made) error {
	records := make([]*kgo.Record, 0, len(events))
	for i := range events {
		r, err := events[i].record(time.Now().UTC())
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	if err := p.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("write %d events to kafka: %w", len(events), err)
	}
	return nil
}

// record is the event as a webhook's, with its origin. Triggered-at is when the store was asked: of two versions with one updated_at
// it is the newer one that was read later.
func (m *made) record(now time.Time) (*kgo.Record, error) {
	f := &m.finding
	route, err := partitioning.For(f.Shop, f.Topic, m.body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.ID, err)
	}
	if f.Order != 0 && route.Subject != "order/"+f.Order.String() {
		return nil, fmt.Errorf("%s: %w: %s", f.ID, errKey, route.Subject)
	}
	e := schemas.Event{
		ID: f.ID, Shop: f.Shop, Topic: f.Topic, Subject: route.Subject, Time: m.read, Received: now, ContentType: "application/json",
		ShopifyAPIVersion: m.version, PartitionKey: route.Key, Origin: schemas.OriginReconcile,
	}
	return &kgo.Record{
		Topic: route.Topic, Key: []byte(route.Key), Value: m.body, Timestamp: now, Headers: schemas.AppendHeaders[kgo.RecordHeader](nil, &e),
	}, nil
}
