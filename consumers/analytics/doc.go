// Package analytics moves every event from Kafka into ClickHouse: the table events holds each record with its metadata,
// its body byte for byte and some typed fields, and feeds the read models; the table activity holds what services did with events,
// and order_events is a copy of the event store of orders.
//
// Guarantees:
//
//   - Exactly once: each record that a consumer of committed records can read is one row, or one dead letter, whatever dies in between
//     and however often: sinks, brokers, ClickHouse. A batch's bounds are committed before its insert and are its token in ClickHouse;
//     a successor inserts the same range again under the same token, reads it back, inserts what is missing, and feeds the read
//     models of it again.
//   - Nothing is skipped. ClickHouse away means fetching pauses, what is held stays held, the same batch is tried again with
//     the same token, and no offset moves beyond it. The member stays in its group, and memory stays bounded.
//   - A record that cannot become a row, and a row of which ClickHouse refuses a value, becomes a dead letter of the group with the
//     reason before its batch is finalised; the rest of the batch goes in. A batch that is replayed writes the letter again; both name
//     the same source, and count as one letter.
//   - Within a partition, batches are inserted in the order of their offsets, one at a time.
//
// What it does not give:
//
//   - It does not deduplicate by webhook id: a delivery that Shopify repeated is two records, and two rows of events.
//   - An operator who moves the group's offsets back makes new batches of old records, with other bounds: rows repeat.
//   - A zombie's insert is dropped as long as its token is in the table's deduplication window: 100 000 inserts, an hour at 27 per second
//     in all. A process that is frozen for longer, in the middle of an insert that it then completes, can double that batch.
//   - Without clickhouse.fsync a machine that loses power can lose inserts that were acknowledged and finalised, or tokens of inserts
//     whose rows it has kept. With it, parts are on the disk; the token log is not (ClickHouse does not sync it), so a power loss
//     at the moment of an insert can still double that one batch, where its rows were kept and the read-back had no say.
//   - A view of your own that reads events needs a deduplication window at its target, or the sink refuses to start. Its rows are not
//     repaired after a death of ClickHouse: only the read models are fed again, since they take a row twice without harm.
//   - Readers can see part of a batch: ClickHouse commits each part on its own.
package analytics
