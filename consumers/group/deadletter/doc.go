// Package deadletter is for people who deal with what a consumer group gave up: it finds dead letters, reads them, sends them back
// through the order of their entity (redrive) or settles them for good (drop), and tells what is still waiting to be tried again.
//
// It works on the topics of any group (schemas.RetryTopic, schemas.DeadLetterTopic) and needs nothing of the service itself, which
// may run meanwhile or not.
//
// What is promised:
//
//   - Reading is read-committed, from the first record to the end of the log as it was when the call began. Memory does not grow
//     with bodies: a pass over the log keeps some 100 bytes per letter that matches, and bodies are read as they are handed out.
//   - Redrive and Drop settle each letter once, whoever else tries at the same time: a letter's way back and the note that it is
//     settled are one Kafka transaction, and the transactional id is the group's, so that a second run ends the first one.
//   - What ends in the middle, by an error, a signal or a kill, leaves whole chunks: it can be repeated.
//   - Letters of one entity go back in the order of their source offsets.
//
// What is not: that a redriven letter succeeds. It may come back as a new dead letter with the same ID.
package deadletter
