// Package reports is the read side of ClickHouse: the questions that the console asks of the events and of the models fed by them.
//
// Guarantees:
//
//   - Nothing is written: every query runs with readonly set, and with limits on time, rows, bytes, memory, threads and answer
//     (Config), so that a page left open cannot take the server away from the sink.
//   - Values are bound, never pasted into a statement.
//   - Money is exact: it is Decimal in ClickHouse, decimal.Decimal here, and text in JSON. Amounts of different currencies are
//     never added.
//   - An answer is what ClickHouse holds when it is asked: exact by webhook for orders and money (the models let the newest
//     version win), by stored record for events.
//
// It is no query builder: one method per question, each with the table and the order of rows that make it fast.
package reports
