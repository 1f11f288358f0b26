// Package sink runs the analytics sink on a real Kafka and the ClickHouse engine while everything around it is harmed, and compares
// what is in the tables with what is in Kafka.
//
// A producer writes the events of a story (package story) in transactions, some of which it aborts, so that offsets have gaps. Three
// sinks are processes of their own; between each of them and the engine stands a door of a proxy (package proxy), which holds
// inserts back, drops answers and cuts connections. Sinks are killed, stopped, and frozen with an insert in the proxy that lands
// after that of their successor; brokers are killed; the engine is killed in the middle of inserts, most often between the moment in
// which a table's deduplication log has an insert's token and the one in which the part gets its name.
//
// Afterwards everything that Kafka has for a committed reader is read again into a book (package truth), which must agree with what
// the producer knows, and every row of events, every read model and every aggregate is compared with the book.
//
// With -without-read-back the sinks do not read back what they repeat, and the run succeeds when it finds the loss that comes of it.
package sink
