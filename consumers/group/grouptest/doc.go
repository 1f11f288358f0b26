// Package grouptest lets a service's handler be tested without Kafka: Unit stands in for the runtime's unit of work, Verdict reads
// what a handler's error means. It does not schedule, retry or order anything.
package grouptest
