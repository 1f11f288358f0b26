// Package ddl holds the ClickHouse schema as numbered SQL files and reads them. It opens no connection: the runner that
// applies them is consumers/database.Migrate. (The folder is not called clickhouse because every importer also imports a
// client library of that name.)
//
// A file is applied once and never edited afterwards: its checksum is recorded in the database. A change is a new file.
// Every statement must be harmless when repeated (IF NOT EXISTS and the like), because ClickHouse without Keeper has
// neither a lock nor transactional DDL: two runners may apply the same file at once, and a killed one is repeated.
package ddl
