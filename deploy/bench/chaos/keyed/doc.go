// Package keyed runs the keyed consumer runtime on a real Kafka while everything around it is harmed, and compares what it left
// behind with what it must be.
//
// Scenario "harm": member processes are killed with kill -9 and SIGTERM, frozen for longer than their session, and replaced while
// frozen; brokers are killed; leaders and replicas are moved. Each attempt of a handler is a line in a ledger of effects (package
// ledger), and package check compares the ledger, the dead letters, the emitted records, the state, the retry topic and the offsets
// with the load, whose every event has its fate from the seed.
//
// Scenario "outage": nothing is killed; the backend of one shop is away for some minutes. The other shops' latency before and during
// it are compared, and the events of that shop must all be done afterwards.
package keyed
