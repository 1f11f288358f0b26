// Package kafkaconn turns an operator's settings into the options that every Kafka client of millrace starts from: brokers,
// client id, TLS, SASL and logging. What a client does with the connection (produce, consume, administer) is its own part's
// to add.
package kafkaconn
