// Package verify holds the events table of a ClickHouse against the ledger of a simulator run.
//
// # What is checked
//
//   - missing: an acknowledged event that is not in the table. The one thing that must never be.
//   - wrong: a row whose body (by SHA-256, computed in ClickHouse), topic, shop, subject or partition key is not what was sent.
//   - surplus: more Kafka records of one webhook id than there were requests that can have been stored (2xx, 5xx, timeout,
//     broken connection; not a refused connection and not a 4xx).
//   - repeated: one Kafka record (topic, partition, offset) in several rows: the sink inserted it twice, which its
//     exactly-once promise forbids, whatever died meanwhile.
//   - order: per entity, the first offsets of events are not in the order in which their deliveries were made. Event X
//     must come before Y when X was acknowledged before the first attempt of Y was made; see the stamps of package ledger.
//   - split: an entity's rows are in more than one Kafka partition, so that no order is promised.
//
// Counted, but no violation: events stored without an acknowledgement (a 503 or a timeout may have been durable), rows with
// ids that the ledger does not know (other senders, or a simulator that was killed before it could write the line) and
// records of duplicates that were sent on purpose.
//
// The expected subject comes from the ledger, whose writer knows it without reading bodies, so the check does not share a
// mistake with the code it checks.
//
// # Cost
//
// One pass over the table; memory is some 300 bytes per ledger line. Rows are read as they come, unsorted.
package verify
