// Package embedded is the Kafka-protocol broker of "millrace dev": one process, one folder, nothing to install. Its
// sub-packages bring the other half, ClickHouse: fetch gets the engine's library, engine runs it in a child process,
// enginetest gives it to tests.
//
// # Guarantees
//
// What a producer got an acknowledgement for, and every committed group offset, survive kill -9 of this process and a restart
// on the same DataDir. Without Fsync the operating system holds the last writes, so a power cut may take them; with Fsync each
// batch is on disk before it is acknowledged.
//
// # What it is not
//
// It is not a Kafka to run a shop on: one broker, no replicas, no access rights, no quotas. Replication factors are accepted
// and have no effect. Nothing outside this folder and cmd/millrace may know whether it talks to this broker or to a real one.
package embedded
