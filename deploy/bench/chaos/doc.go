// Command chaos runs the whole pipeline as separate processes, sends it a simulated store's webhooks, kills what it
// pleases with kill -9 while they come in, and lets storesim compare ClickHouse with its ledger. Its exit code is
// storesim's: 0 when nothing that was answered 200 is missing, no Kafka record is in
// two rows, and every entity's events are in the order sent.
//
// Five targets: "cluster" is a real Apache Kafka with three brokers, the ClickHouse engine, the receiver and two analytics
// consumers; "dev" is `millrace dev`. With -kills 0 it is a plain end-to-end run. "runtime" is another matter, the keyed consumer
// runtime alone with a ledger of every attempt: see package keyed. "sink" is the analytics sink alone, compared record by record
// and amount by amount: see package sink. "saga" is the saga with its partners, killed at every boundary of every step: see package
// saga.
package main
