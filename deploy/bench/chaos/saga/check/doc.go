// Package check compares what a run of the saga has left behind with what was promised: the orders of the load with their fates, the
// partners' account of effects, the events of the event store, the runs as `millrace saga list` shows them, and the dead letters.
package check
