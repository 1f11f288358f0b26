// Package status tells how the consumer groups of a cluster are doing: members, lag in records and in seconds, what waits for
// another try, and dead letters that are open. It looks from outside, as a tool or a page would: it joins no group, commits nothing
// and needs nothing of the services, which may run anywhere or not at all.
//
// What the figures mean:
//
//   - Lag in records is the distance from the first record that is not done to what a committed reader can see, summed over
//     partitions. It counts offsets, so the gaps that aborted transactions leave between records are in it. Ends of transactions with
//     nothing behind them are not, unlike in Kafka's own tools: every partition that is written in transactions ends with one, and a
//     group that has nothing to do would be behind for ever.
//   - Lag in seconds is the age of the oldest record that is not done: how long ago it was appended to Kafka. It is 0 when
//     nothing is left to do.
//   - What is done is what is committed. A batch that the sink has marked as pending stands at or behind the committed offset, so
//     it counts as not done.
//   - An event that a keyed service has put into its retry topic is done as far as lag goes, and counted in Waiting.
//
// What it costs: a call asks a few questions whose size is that of the groups, plus one short fetch (64 KB) for each partition that has lag
// and whose committed offset has moved since the last call. Dead letters and what waits are counted by reading on where the last
// call has stopped; the first call reads those topics from their beginning, for Options.ReadFor at most, and the figures say
// with Counting that they are not complete yet. Memory: about 50 bytes per open dead letter or waiting event.
package status
