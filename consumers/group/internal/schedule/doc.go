// Package schedule decides which event runs next, what a commit holds, and what waits where. It is pure: no goroutines, no locks, no
// clock and no Kafka; its caller holds one lock around every call and says what time it is. That is what lets a model test drive it.
//
// Everything is per partition, and within it per key:
//
//   - a key's queue holds its events in memory, by source offset; the first is its head;
//   - a key's room holds its events that wait in the retry topic, by source offset: 24 bytes each, the body is read when it is due.
//
// Invariants, which the model test checks:
//
//   - at most one event of a key runs, and never one while an event of its key with a lower offset is unsettled;
//   - while the room of a key is not empty, nothing stands in its queue but what was loaded from the room's front; what comes from
//     the source goes behind, into the room, by a write of the next commit;
//   - an event is settled in a commit if and only if that commit holds all that it wrote.
package schedule
