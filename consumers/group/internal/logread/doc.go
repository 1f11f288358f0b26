// Package logread reads parts of a partition with plain Fetch requests: no group, no consumer, no position that is kept.
//
// The keyed runtime reads with it what stands beside a source partition: the retry topic, the dead letters and the changelog of
// the state. Scan reads a range in order, At single records by their offsets.
//
// A reader never waits for a record that will not come: positions move over control records, aborted records and what compaction
// has removed. It waits, as long as its context allows, for what can come: a leader, a connection, and the end of a transaction that
// is open below the end of a range. Every read begins with the topic as it is then; a topic that is deleted and made again in the
// middle of a read is an error, because offsets of the two have nothing to do with each other.
package logread
