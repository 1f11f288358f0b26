package analytics

import (
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
	"millrace/schemas/ddl"
)

// rowBlock is the rows of one batch, column by column, all for one table. It is built once and kept for every try of the
// insert, so what it returns must not change between two calls.
//
// Each table has the columns _topic, _partition and _offset, found by a projection, and its own deduplication window: the
// sink's token and its read-back rest on them. One record becomes one row or is rejected.
type rowBlock interface {
	// table is the name of the table in the configured database.
	table() string
	// add appends the record's row, or returns a *rowError and leaves the block as it was. The row may point into the record.
	add(r *kgo.Record) error
	// rows returns the number of rows.
	rows() int
	// columns returns the columns, all of rows() values.
	columns() []column
	// kafkaOffsets returns the offset of each row, in the order of the rows.
	kafkaOffsets() []uint64
	// receivedTimes returns for each row when its webhook was received, for the histogram of latencies; nil where a table
	// has no such time.
	receivedTimes() []time.Time
	// problemCounts returns how many fields of the rows could not be read, by kind.
	problemCounts() problems
	// feeds reports whether a read model may take something from the rows.
	feeds(m ddl.Model) bool
}

// source is one Kafka topic that the sink reads, and what its records become.
type source struct {
	topic string
	rows  func(n int) rowBlock // an empty block with room for n rows
}

// sources returns what the sink reads: every readable domain into events, and what else has a table.
func sources() []source {
	var out []source
	for _, d := range schemas.Domains() {
		out = append(out, source{d.KafkaTopic(), func(n int) rowBlock { return newBlock(n) }})
	}
	return append(out,
		source{schemas.ActivityTopic, func(n int) rowBlock { return newActivityBlock(n) }},
		source{schemas.OrderEventsTopic, func(n int) rowBlock { return newOrderEventBlock(n) }},
	)
}

// Topics returns the Kafka topics that a Sink reads; each has a dead-letter topic of its group.
func Topics() []string {
	var out []string
	for _, s := range sources() {
		out = append(out, s.topic)
	}
	return out
}

// newRows returns an empty block for the records of a Kafka topic, with room for n rows.
func newRows(topic string, n int) rowBlock {
	all := sources()
	i := slices.IndexFunc(all, func(s source) bool { return s.topic == topic })
	return all[i].rows(n) // the sink is given no other topic than it has asked for
}

// rowsOf turns records of one topic into rows; rejected are those that cannot become one.
func rowsOf(topic string, records []*kgo.Record) (rowBlock, []rejected) {
	rows := newRows(topic, len(records))
	var out []rejected
	for _, r := range records {
		var bad *rowError
		if err := rows.add(r); errors.As(err, &bad) {
			out = append(out, rejected{record: r, err: bad})
		}
	}
	return rows, out
}

// tableEvents holds every record of the event topics; the read models are fed from it.
const tableEvents = "events"

func (b *block) table() string              { return tableEvents }
func (b *block) kafkaOffsets() []uint64     { return b.offsets }
func (b *block) receivedTimes() []time.Time { return b.received }
func (b *block) problemCounts() problems    { return b.problems }

// feeds goes by the Shopify topics that the model's feed names; one that names none takes from all.
func (b *block) feeds(m ddl.Model) bool {
	return len(m.Topics) == 0 || slices.ContainsFunc(b.shopifyTopics, func(t string) bool { return slices.Contains(m.Topics, t) })
}
