// Command runtime measures the keyed consumer runtime (consumers/group) on a real Kafka, and beside it Confluent's Parallel
// Consumer in KEY order on the same topic. Broker, members and the peer are processes of their own that share the machine, so
// only ratios within one run mean anything.
//
// It reports; it fails only when something was lost, repeated or out of order where it must not be.
package main
