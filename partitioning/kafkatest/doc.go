// Package kafkatest starts real Apache Kafka brokers for tests, benches and chaos runs: one or three JVM processes on
// loopback, from the jars that Maven resolves, without containers.
//
// The jars are fetched once by the ordinary mvn client into the user's cache (MILLRACE_KAFKA_CACHE, else
// <user cache>/millrace/kafka), under a file lock, and checked against libs.sha256 at every use. Where Java or Maven is
// missing, Start skips the test, unless MILLRACE_TEST_SERVICES=required, which makes it a failure.
//
// What is promised: every broker listens on 127.0.0.1 only, is ended by its process id when the test or the Cluster ends,
// and on Linux also when the program that started it dies in any way; data survive Kill, Stop and Restart of a broker. What is
// not: that anything survives Close, or a power loss, since nothing is flushed to the disk before it is acknowledged.
package kafkatest
