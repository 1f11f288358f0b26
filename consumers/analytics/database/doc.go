// Package database is the connection to ClickHouse and the schema in it: what is configured, which migrations the database has,
// and how it gets the missing ones. The statements are those of schemas/ddl.
package database
