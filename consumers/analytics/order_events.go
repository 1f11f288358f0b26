package analytics

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
	"millrace/schemas/ddl"
)

// tableOrderEvents is the copy of the event store, a row per record of schemas.OrderEventsTopic.
const tableOrderEvents = "order_events"

// orderEventBlock is the rows of a batch of schemas.OrderEventsTopic.
type orderEventBlock struct {
	ids, shops, orders, types []string
	versions                  []uint32
	ats, received             []time.Time
	by, causes, reasons       []string
	values                    []string
	topics                    []string
	partitions                []uint32
	offsets                   []uint64
	problems                  problems
}

// newOrderEventBlock returns a block with room for n rows.
func newOrderEventBlock(n int) *orderEventBlock {
	texts := func() []string { return make([]string, 0, n) }
	return &orderEventBlock{
		ids: texts(), shops: texts(), orders: texts(), types: texts(), versions: make([]uint32, 0, n),
		ats: make([]time.Time, 0, n), received: make([]time.Time, 0, n),
		by: texts(), causes: texts(), reasons: texts(), values: texts(),
		topics: texts(), partitions: make([]uint32, 0, n), offsets: make([]uint64, 0, n),
	}
}

func (b *orderEventBlock) table() string           { return tableOrderEvents }
func (b *orderEventBlock) rows() int               { return len(b.ids) }
func (b *orderEventBlock) kafkaOffsets() []uint64  { return b.offsets }
func (b *orderEventBlock) problemCounts() problems { return b.problems }

// receivedTimes is nil: the webhooks' own rows tell how long it takes from a webhook to its row.
func (b *orderEventBlock) receivedTimes() []time.Time { return nil }

// feeds is false: the models are made of webhooks.
func (b *orderEventBlock) feeds(ddl.Model) bool { return false }

func (b *orderEventBlock) columns() []column {
	return []column{
		{"id", "String", b.ids},
		{"shop", "String", b.shops},
		{"order_id", "String", b.orders},
		{"type", "String", b.types},
		{"version", "UInt32", b.versions},
		{"at", "DateTime64(9, 'UTC')", b.ats},
		{"received_time", "DateTime64(9, 'UTC')", b.received},
		{"told_by", "String", b.by},
		{"cause", "String", b.causes},
		{"reason", "String", b.reasons},
		{"value", "String", b.values},
		{"_topic", "String", b.topics},
		{"_partition", "UInt32", b.partitions},
		{"_offset", "UInt64", b.offsets},
	}
}

// add appends the record's row, or returns a *rowError and leaves the block as it was. Data are not looked at: an event of a newer
// program is copied as any other. The row points into the record.
func (b *orderEventBlock) add(r *kgo.Record) error {
	meta, err := schemas.ParseHeaders(r.Headers)
	if err != nil {
		return &rowError{rejectNotAnEvent, err}
	}
	e, version, err := schemas.ParseOrderEvent(&meta, r.Value)
	if err != nil {
		return &rowError{rejectNotAnEvent, err}
	}
	for _, text := range [...]string{meta.Shop, meta.Topic, e.By} {
		if len(text) > maxAttributeBytes {
			return &rowError{rejectHeaders, fmt.Errorf("an attribute has %d bytes, more than %d", len(text), maxAttributeBytes)}
		}
	}
	if y := e.At.Year(); y < 2000 || y >= 2100 {
		return &rowError{rejectReceived, fmt.Errorf("happened at %s", e.At.Format(time.RFC3339))}
	}
	name, _ := schemas.OrderEventType(meta.Topic)
	b.ids = append(b.ids, e.ID)
	b.shops = append(b.shops, e.Shop)
	b.orders = append(b.orders, e.OrderID)
	b.types = append(b.types, name)
	b.versions = append(b.versions, version)
	b.ats = append(b.ats, e.At)
	b.received = append(b.received, clamp(e.Known, &b.problems))
	b.by = append(b.by, e.By)
	b.causes = append(b.causes, e.Cause)
	b.reasons = append(b.reasons, e.Reason)
	b.values = append(b.values, unsafe.String(unsafe.SliceData(r.Value), len(r.Value))) //nolint:gosec // the client never writes to a record it has handed out, and the block lives no longer than its records
	b.topics = append(b.topics, r.Topic)
	b.partitions = append(b.partitions, uint32(r.Partition)) //nolint:gosec // Kafka's partitions are not negative
	b.offsets = append(b.offsets, uint64(r.Offset))          //nolint:gosec // nor are offsets
	return nil
}
