// Package partitioning decides where an event goes: which Kafka topic, and under which key. All events of one entity (an
// order, a stock item, a customer …) of one shop get the same key, so they share a partition and are read in the order in
// which they were written.
//
// It promises:
//   - For and Quarantine are pure: the same input gives the same route on every machine, and nothing is kept or logged.
//   - A key is printable ASCII, "<shop>|<kind>/<id>" or "<shop>|shop", with an id of at most MaxIDBytes; the first "|" ends
//     the shop, the first "/" after it the kind.
//   - A number, a string of digits and a gid of the same thing give the same key, exact beyond 2^53.
//   - Partition and Partitioner agree with the Java client's default partitioner for keyed records.
//
// It does not verify signatures or shop domains, create topics, or change a body. It cannot order what Shopify sends out of
// order; that takes the versions in the bodies, downstream.
//
// The decisions behind it are in DESIGN.md.
package partitioning
