package analytics

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
	"millrace/schemas/ddl"
)

// tableActivity holds what services did with events, a row per record of schemas.ActivityTopic.
const tableActivity = "activity"

// activityBlock is the rows of a batch of schemas.ActivityTopic.
type activityBlock struct {
	services, instances, sourceTopics []string
	sourcePartitions                  []uint32
	sourceOffsets                     []uint64
	webhookIDs, shops, shopifyTopics  []string
	subjects, kinds, entities         []string
	received                          []time.Time
	outcomes, classes                 []string
	attempts                          []uint32
	errs, notes                       []string
	started, ended, due               []time.Time
	topics                            []string
	partitions                        []uint32
	offsets                           []uint64
	problems                          problems
}

// newActivityBlock returns a block with room for n rows.
func newActivityBlock(n int) *activityBlock {
	texts := func() []string { return make([]string, 0, n) }
	moments := func() []time.Time { return make([]time.Time, 0, n) }
	return &activityBlock{
		services: texts(), instances: texts(), sourceTopics: texts(),
		sourcePartitions: make([]uint32, 0, n), sourceOffsets: make([]uint64, 0, n),
		webhookIDs: texts(), shops: texts(), shopifyTopics: texts(),
		subjects: texts(), kinds: texts(), entities: texts(), received: moments(),
		outcomes: texts(), classes: texts(), attempts: make([]uint32, 0, n), errs: texts(), notes: texts(),
		started: moments(), ended: moments(), due: moments(),
		topics: texts(), partitions: make([]uint32, 0, n), offsets: make([]uint64, 0, n),
	}
}

func (b *activityBlock) table() string           { return tableActivity }
func (b *activityBlock) rows() int               { return len(b.services) }
func (b *activityBlock) kafkaOffsets() []uint64  { return b.offsets }
func (b *activityBlock) problemCounts() problems { return b.problems }

// receivedTimes is nil: the events' own rows tell how long it takes from a webhook to its row.
func (b *activityBlock) receivedTimes() []time.Time { return nil }

// feeds is false: the models are made of events.
func (b *activityBlock) feeds(ddl.Model) bool { return false }

func (b *activityBlock) columns() []column {
	return []column{
		{"service", "String", b.services},
		{"instance", "String", b.instances},
		{"source_topic", "String", b.sourceTopics},
		{"source_partition", "UInt32", b.sourcePartitions},
		{"source_offset", "UInt64", b.sourceOffsets},
		{"webhook_id", "String", b.webhookIDs},
		{"shop", "String", b.shops},
		{"shopify_topic", "String", b.shopifyTopics},
		{"subject", "String", b.subjects},
		{"entity_kind", "String", b.kinds},
		{"entity_id", "String", b.entities},
		{"received_time", "DateTime64(9, 'UTC')", b.received},
		{"outcome", "String", b.outcomes},
		{"class", "String", b.classes},
		{"attempt", "UInt32", b.attempts},
		{"error", "String", b.errs},
		{"note", "String", b.notes},
		{"started", "DateTime64(9, 'UTC')", b.started},
		{"ended", "DateTime64(9, 'UTC')", b.ended},
		{"due", "DateTime64(9, 'UTC')", b.due},
		{"_topic", "String", b.topics},
		{"_partition", "UInt32", b.partitions},
		{"_offset", "UInt64", b.offsets},
	}
}

// add appends the record's row, or returns a *rowError and leaves the block as it was.
func (b *activityBlock) add(r *kgo.Record) error {
	a, err := schemas.ParseActivity(r.Value)
	if err != nil {
		return &rowError{rejectNotAnEvent, err}
	}
	kind, entity, _ := strings.Cut(a.Subject, "/")
	for _, text := range [...]string{a.Service, a.Instance, a.SourceTopic, a.Shop, a.ShopifyTopic, kind, a.Outcome, a.Class} {
		if len(text) > maxAttributeBytes {
			return &rowError{rejectHeaders, fmt.Errorf("a field has %d bytes, more than %d", len(text), maxAttributeBytes)}
		}
	}
	if y := a.Started.Year(); y < 2000 || y >= 2100 {
		return &rowError{rejectReceived, fmt.Errorf("started %s", a.Started.Format(time.RFC3339))}
	}
	b.services = append(b.services, a.Service)
	b.instances = append(b.instances, a.Instance)
	b.sourceTopics = append(b.sourceTopics, a.SourceTopic)
	b.sourcePartitions = append(b.sourcePartitions, uint32(a.SourcePartition)) //nolint:gosec // ParseActivity refuses negative numbers
	b.sourceOffsets = append(b.sourceOffsets, uint64(a.SourceOffset))          //nolint:gosec // as above
	b.webhookIDs = append(b.webhookIDs, a.WebhookID)
	b.shops = append(b.shops, a.Shop)
	b.shopifyTopics = append(b.shopifyTopics, a.ShopifyTopic)
	b.subjects = append(b.subjects, a.Subject)
	b.kinds = append(b.kinds, kind)
	b.entities = append(b.entities, entity)
	b.received = append(b.received, b.moment(a.Received))
	b.outcomes = append(b.outcomes, a.Outcome)
	b.classes = append(b.classes, a.Class)
	b.attempts = append(b.attempts, uint32(a.Attempt)) //nolint:gosec // as above
	b.errs = append(b.errs, a.Error)
	b.notes = append(b.notes, a.Note)
	b.started = append(b.started, a.Started)
	b.ended = append(b.ended, b.moment(a.Ended))
	b.due = append(b.due, b.moment(a.Due))
	b.topics = append(b.topics, r.Topic)
	b.partitions = append(b.partitions, uint32(r.Partition)) //nolint:gosec // Kafka's partitions are not negative
	b.offsets = append(b.offsets, uint64(r.Offset))          //nolint:gosec // nor are offsets
	return nil
}

// moment is the time as the table has it: the first second of 1970 says that there is none.
func (b *activityBlock) moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return clamp(t, &b.problems)
}
