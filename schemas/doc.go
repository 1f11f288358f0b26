// Package schemas is the contract between everything that writes and everything that reads: the event header codec
// (CloudEvents 1.0, Kafka binary binding), the catalogue of Shopify webhook topics, typed views of their bodies, the Kafka
// topic plan and the ClickHouse migrations. It holds data and pure functions; it opens no connection and imports nothing
// else of millrace.
package schemas
