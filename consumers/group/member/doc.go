// Package member is the one way to be a member of a consumer group in millrace. A shape of work (Work) gets partitions, records and
// the right to commit from it, and never talks to the group's coordinator itself. Two shapes stand on it: the keyed runtime of
// package group, and the batches of consumers/analytics.
//
// Guarantees:
//
//   - The ready gate. Nothing of a partition is fetched, accepted or committed before its committed offset and metadata are known,
//     no open transaction of a predecessor can change them any more, and Work.Prepare has succeeded.
//   - Ownership. A commit is made under the lock under which partitions are dropped, and leaves out what is not owned. The
//     coordinator does not check that: it takes a commit from any member of the current generation.
//   - Order in leaving. A revoked partition is released, then dropped, then the group is answered; a lost one is dropped at once.
//     What one member has accepted and committed, the next does not see.
//   - No silent gap. A committed offset that Kafka no longer has ends Run, or is logged and counted, as the operator has chosen.
//     Records are never skipped.
//   - Trouble passes by itself: whatever join, heartbeat and offset fetch answer, the member joins again, with a back-off.
//
// What it costs and what it does not give:
//
//   - The client lets nobody poll while a callback of a rebalance runs, so a slow Work.Release holds back the other partitions
//     too, for half of the rebalance timeout at most (15 s). Work.Prepare must heed its context for the same reason.
//   - A stop lets the other members know at their next heartbeat, 300 ms later at most, in the classic protocol. In the protocol
//     consumer (KIP-848) that interval, and the session timeout, are settings of the brokers: 5 s and 45 s unless changed.
//   - With Config.InstanceID (static membership) a stop gives nothing back: the partitions wait for this instance, until the
//     session timeout is over. To scale down, remove the instance from the group by an administrator's command. In the classic
//     protocol a second process with the same id ends the first (ErrFenced); in the protocol consumer it is the second that is
//     refused, and tries again until the first is gone.
//   - A log that was cut short by an unclean election ends Run like a lost offset; with offset_out_of_range earliest it is logged,
//     and the offsets that follow can be ones that were seen before.
//   - The options of Deps.Kafka serve more than one client over time: hooks in them must bear that.
package member
