// Command sink measures the analytics sink (consumers/analytics): a full topic of a real Kafka into the real ClickHouse engine, and
// beside it, in turns and in the same run, (i) the very same blocks inserted by clickhouse-go without a Kafka and (ii) the engine
// reading the same rows from a file. Then it measures how long a record takes from Kafka's acknowledgement to the first SELECT that
// sees it, at half of the measured rate.
//
// Broker, engine, sink and the direct inserter are processes of their own that share the machine, so only ratios within one run
// mean anything. It reports; it fails only when rows in ClickHouse are not the records in Kafka.
//
// "The same blocks" is meant literally: one run of the sink goes through a proxy that keeps the body and the settings of every
// INSERT, and the direct inserter sends these again. It is the one program outside of consumers/analytics that imports
// clickhouse-go, because that client is what the sink is compared with.
package main
