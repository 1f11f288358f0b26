// Package state keeps the values per key of one source partition.
//
// The truth is the changelog, a compacted topic that is written in the transactions of the keyed runtime. A Store is a cache of
// what is committed there, up to its Position; it may be lost at any time, and Restore brings it up to date from the changelog.
// A Partition is a Store with what has been written but is not committed yet laid over it: readers see the newest write of their
// key at once, and the Store sees it when its transaction is through. An aborted transaction changes nothing: its writes stay on top
// until a repeat commits them, or until the Partition is closed because the partition has gone to another member.
//
// The memory cache is the default and starts empty. The Pebble cache is for state that is larger than memory, and saves the
// reading of the whole changelog after a restart.
package state
