package analytics

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// block is the rows of one batch, column by column. Its slices are built once and kept for every try of the insert.
type block struct {
	ids, types, shops, shopifyTopics      []string
	subjects, kinds, entities             []string
	times, received                       []time.Time
	contentTypes, eventIDs, apiVersions   []string
	partitionKeys, traceParents, bodies   []string
	orderIDs, customerIDs                 []uint64
	names, currencies                     []string
	totalPrices, currentTotals, subtotals []string
	totalTaxes, totalDiscounts            []string
	financialStatuses, fulfillStatuses    []string
	tests                                 []bool
	createdAts, updatedAts, cancelledAts  []time.Time
	topics                                []string
	partitions                            []uint32
	offsets                               []uint64
	problems                              problems
}

// column is one column of the insert. wire is the type in which it is sent over HTTP: where it is not the table's own, the
// server converts. String for LowCardinality and for Decimal spares this side a map look-up by reflection and a big.Int
// per value. The native protocol dictates the table's types, and the same slices are accepted there.
type column struct {
	name, wire string
	values     any
}

func (b *block) columns() []column {
	return []column{
		{"id", "String", b.ids},
		{"type", "String", b.types},
		{"shop", "String", b.shops},
		{"shopify_topic", "String", b.shopifyTopics},
		{"subject", "String", b.subjects},
		{"entity_kind", "String", b.kinds},
		{"entity_id", "String", b.entities},
		{"time", "DateTime64(9, 'UTC')", b.times},
		{"received_time", "DateTime64(9, 'UTC')", b.received},
		{"content_type", "String", b.contentTypes},
		{"event_id", "String", b.eventIDs},
		{"api_version", "String", b.apiVersions},
		{"partition_key", "String", b.partitionKeys},
		{"trace_parent", "String", b.traceParents},
		{"body", "String", b.bodies},
		{"order_id", "UInt64", b.orderIDs},
		{"customer_id", "UInt64", b.customerIDs},
		{"name", "String", b.names},
		{"currency", "String", b.currencies},
		{"total_price", "String", b.totalPrices},
		{"current_total_price", "String", b.currentTotals},
		{"subtotal_price", "String", b.subtotals},
		{"total_tax", "String", b.totalTaxes},
		{"total_discounts", "String", b.totalDiscounts},
		{"financial_status", "String", b.financialStatuses},
		{"fulfillment_status", "String", b.fulfillStatuses},
		{"test", "Bool", b.tests},
		{"created_at", "DateTime64(3, 'UTC')", b.createdAts},
		{"updated_at", "DateTime64(3, 'UTC')", b.updatedAts},
		{"cancelled_at", "DateTime64(3, 'UTC')", b.cancelledAts},
		{"_topic", "String", b.topics},
		{"_partition", "UInt32", b.partitions},
		{"_offset", "UInt64", b.offsets},
	}
}

func (b *block) rows() int { return len(b.ids) }

// reject is why a record cannot become a row.
type reject string

const (
	rejectNotAnEvent reject = "not_an_event"    // the headers are not those of an event: a foreign record
	rejectHeaders    reject = "header_too_long" // an attribute that no event of ours can have
	rejectReceived   reject = "received_time"   // received outside of [2000, 2100): it would open a table partition of its own
)

func rejects() []reject { return []reject{rejectNotAnEvent, rejectHeaders, rejectReceived} }

// rowError is returned by add.
type rowError struct {
	reason reject
	err    error
}

func (e *rowError) Error() string { return fmt.Sprintf("%s: %v", e.reason, e.err) }
func (e *rowError) Unwrap() error { return e.err }

// maxAttributeBytes bounds attributes that are dictionary-encoded. Ingest refuses longer ones.
const maxAttributeBytes = 256

// add appends the record's row, or returns a *rowError and leaves the block as it was. The row points into the record.
func (b *block) add(r *kgo.Record) error {
	e, err := schemas.ParseHeaders(r.Headers)
	if err != nil {
		return &rowError{rejectNotAnEvent, err}
	}
	if err := checkAttributes(&e); err != nil {
		return err
	}
	kind, entity, _ := strings.Cut(e.Subject, "/")
	if len(kind) > maxAttributeBytes {
		return &rowError{rejectHeaders, errors.New("the subject's kind is too long")}
	}
	var orderID uint64
	if kind == "order" {
		if orderID, err = strconv.ParseUint(entity, 10, 64); err != nil {
			b.problems[problemOrderID]++
		}
	}
	body := unsafe.String(unsafe.SliceData(r.Value), len(r.Value)) //nolint:gosec // the client never writes to a record it has handed out, and the block lives no longer than its records
	var x extracts
	extract(e.Topic, body, &x, &b.problems)
	b.appendEvent(&e, kind, entity)
	b.appendBody(body, orderID, &x)
	b.topics = append(b.topics, r.Topic)
	b.partitions = append(b.partitions, uint32(r.Partition)) //nolint:gosec // Kafka's partitions are not negative
	b.offsets = append(b.offsets, uint64(r.Offset))          //nolint:gosec // nor are offsets
	return nil
}

func checkAttributes(e *schemas.Event) error {
	for _, a := range [...]string{e.Shop, e.Topic, e.ContentType, e.ShopifyAPIVersion} {
		if len(a) > maxAttributeBytes {
			return &rowError{rejectHeaders, fmt.Errorf("an attribute has %d bytes, more than %d", len(a), maxAttributeBytes)}
		}
	}
	if y := e.Received.Year(); y < 2000 || y >= 2100 {
		return &rowError{rejectReceived, fmt.Errorf("received time %s", e.Received.Format(time.RFC3339))}
	}
	return nil
}

func (b *block) appendEvent(e *schemas.Event, kind, entity string) {
	b.ids = append(b.ids, e.ID)
	b.types = append(b.types, schemas.Type(e.Topic))
	b.shops = append(b.shops, e.Shop)
	b.shopifyTopics = append(b.shopifyTopics, e.Topic)
	b.subjects = append(b.subjects, e.Subject)
	b.kinds = append(b.kinds, kind)
	b.entities = append(b.entities, entity)
	b.times = append(b.times, clamp(e.Time, &b.problems))
	b.received = append(b.received, e.Received)
	b.contentTypes = append(b.contentTypes, e.ContentType)
	b.eventIDs = append(b.eventIDs, e.ShopifyEventID)
	b.apiVersions = append(b.apiVersions, e.ShopifyAPIVersion)
	b.partitionKeys = append(b.partitionKeys, e.PartitionKey)
	b.traceParents = append(b.traceParents, e.TraceParent)
}

func (b *block) appendBody(body string, orderID uint64, x *extracts) {
	b.bodies = append(b.bodies, body)
	b.orderIDs = append(b.orderIDs, orderID)
	b.customerIDs = append(b.customerIDs, x.customerID)
	b.names = append(b.names, x.name)
	b.currencies = append(b.currencies, x.currency)
	b.totalPrices = append(b.totalPrices, x.totalPrice)
	b.currentTotals = append(b.currentTotals, x.currentTotal)
	b.subtotals = append(b.subtotals, x.subtotal)
	b.totalTaxes = append(b.totalTaxes, x.totalTax)
	b.totalDiscounts = append(b.totalDiscounts, x.totalDiscounts)
	b.financialStatuses = append(b.financialStatuses, x.financialStatus)
	b.fulfillStatuses = append(b.fulfillStatuses, x.fulfillStatus)
	b.tests = append(b.tests, x.test)
	b.createdAts = append(b.createdAts, x.createdAt)
	b.updatedAts = append(b.updatedAts, x.updatedAt)
	b.cancelledAts = append(b.cancelledAts, x.cancelledAt)
}

// newBlock returns a block with room for n rows.
func newBlock(n int) *block {
	texts := func() []string { return make([]string, 0, n) }
	moments := func() []time.Time { return make([]time.Time, 0, n) }
	return &block{
		ids: texts(), types: texts(), shops: texts(), shopifyTopics: texts(),
		subjects: texts(), kinds: texts(), entities: texts(),
		times: moments(), received: moments(),
		contentTypes: texts(), eventIDs: texts(), apiVersions: texts(),
		partitionKeys: texts(), traceParents: texts(), bodies: texts(),
		orderIDs: make([]uint64, 0, n), customerIDs: make([]uint64, 0, n),
		names: texts(), currencies: texts(),
		totalPrices: texts(), currentTotals: texts(), subtotals: texts(),
		totalTaxes: texts(), totalDiscounts: texts(),
		financialStatuses: texts(), fulfillStatuses: texts(),
		tests:      make([]bool, 0, n),
		createdAts: moments(), updatedAts: moments(), cancelledAts: moments(),
		topics: texts(), partitions: make([]uint32, 0, n), offsets: make([]uint64, 0, n),
	}
}
