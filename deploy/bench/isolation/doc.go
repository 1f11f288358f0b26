// Command isolation measures whether a slow partner of one service is felt by the others, and whether a limit that is set for a consumer
// group holds however many processes it has.
//
//   - isolation: notifications and analytics beside an ERP that answers at once, and beside one that takes 10 s and two calls at a
//     time, in turns; a real Kafka, all services in one process, as `millrace dev` runs them. The time from a webhook's receipt to its mail
//     and to its row, and the ratio of the medians of p99.
//   - rate: an ERP with erp.call.group_rate and group_concurrency, and a backlog, with 1, 2 and 4 processes: calls per second over the whole
//     time, the most in any second, and the most at once, as the ERP saw them.
//
// What it is not: a measurement of how fast anything can be; that is deploy/bench/runtime and deploy/bench/sink.
package main
