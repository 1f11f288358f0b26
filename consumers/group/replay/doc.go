// Package replay has past events handled once more by one service, and by no other.
//
// It goes the way of a redriven dead letter: each event is read where it came to, and written to the service's own retry topic
// (schemas.RetryTopic), into the same partition and under the key of a waiting event, due now and marked with the id of the run. The
// service's runtime does the rest, as for any event: the order of the entity, retries, breakers, limits, dead letters. Nothing is written
// to a topic that another group reads.
//
// What is promised:
//
//   - The events of an entity come in the order of their offsets, lower ones before those that wait already. Events that come anew
//     meanwhile are handled between them.
//   - The service sees each as a replay (group.Event.Replay), at every try, also when it was redriven as a dead letter. Its memory of
//     repeats does not hold it back.
//   - Only what the group had settled when the run began: the rest comes anyway. What waits in the retry topic, keeps the place of a
//     parked key, or is an open dead letter (that is for `dlq redrive`) is left alone, and counted by the reason.
//   - Each event is written once per run. Where a run stands is in Kafka: the offsets of a consumer group of its own (GroupPrefix), which
//     are part of the transaction that writes the events, with what was chosen and the counts in their metadata. Whatever ends a run, Resume
//     goes on from there; two processes of one run end with one of them giving up (ErrTaken).
//   - Memory is bounded: the service's index has an entry per waiting event, so no more than Work.Backlog events of the run wait.
//
// What is not: that effects outside stay single, which is the handlers' part, by their state and idempotency keys. What a handler emits is
// emitted again, under the ids of the first time where it names them by their cause, as all of millrace's do. An event in the last
// moments before the run that was settled ahead of an earlier one is not part of it: the group's offset is what counts. Events of a run
// that has ended may still wait for their turn. Kafka forgets the offsets of a run some time after the last of them
// (offsets.retention.minutes, a week by default); until then it can be resumed.
package replay
