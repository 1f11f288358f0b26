// Package reread reads again, from outside and beside any group, what stands in Kafka: the events of a topic, and the state that a group
// keeps of each key. It commits nothing and joins nothing, so nobody notices.
//
// A read ends with what was there when it began, in committed mode: it waits for transactions that were open then. Records that no handler
// could read are passed over and counted.
package reread
