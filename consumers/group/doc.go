// Package group is the runtime that every keyed service of millrace stands on: it makes a Handler, which sees one event at a time,
// into a member of a consumer group.
//
// What a service gets:
//
//   - Order. Events of one key are handled one at a time, in the order of their offsets: across retries, restarts, rebalances and
//     crashes. Events of different keys are handled side by side, and none waits for another's failure.
//   - One commit. What an event wrote (emitted records, state, a retry, a dead letter) and the fact that it is done become visible
//     together, in one Kafka transaction, or not at all; where nothing was written a plain offset commit does.
//   - Retries. A failed event is tried again by a schedule: short waits in memory, long ones in a retry topic, where a million
//     waiting events cost an index of some bytes each. Later events of its key stay behind it.
//   - Dead letters, state per key, recognition of repeats, classes of priority, gates that stop dispatch while a dependency is away.
//   - A record of what became of each event (Config.Activity), for people who ask which service did what with an order.
//
// What it does not give: exactly once for effects on the world outside. After a crash a handler may see an event again.
//
// Package member is the membership below; package outgoing guards calls to others; package deadletter is for people who deal with
// dead letters, package status tells how groups are doing. DESIGN.md has the decisions.
package group
