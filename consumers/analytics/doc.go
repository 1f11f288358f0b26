// Package analytics moves every event from Kafka into ClickHouse: the table events holds each record with its metadata,
// its body byte for byte and some typed fields; the table orders (read through the view orders_current) holds the current
// state of each order. It also runs the schema's migrations.
//
// Guarantees:
//
//   - At least once: an offset is committed only after ClickHouse has acknowledged the rows before it. A record that is
//     inserted again with the same batch bounds is dropped by its deduplication token; after a crash the bounds may differ
//     and rows of events may repeat, while orders stays right, since the newest version wins however often it comes.
//   - Nothing is skipped. ClickHouse away means fetching pauses, what is held stays held, the same batch is tried again with
//     the same token, and nothing is committed. The member stays in its group.
//   - A record that cannot become a row goes to shopify.quarantine with its reason before its offset is committed.
//   - Within a partition, batches are inserted in the order of their offsets, one at a time.
//
// It does not deduplicate by webhook id: a delivery that Shopify repeated is two records, and two rows of events.
package analytics
