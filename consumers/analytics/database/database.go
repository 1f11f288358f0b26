package database

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"millrace/schemas/ddl"
)

// DB is a pool of connections to one ClickHouse database. It is safe for concurrent use.
type DB struct {
	conn     driver.Conn
	database string
	quoted   string
	cluster  string
	fsync    bool
	http     bool
}

// Open builds the pool and reads the TLS files; it does not connect, so it succeeds while the server is away (see Ping).
// Errors: those of Validate, and unreadable TLS files.
//
// The session's database is left at the server's default and every statement names its database, because the configured
// one does not exist before the first migration and a server refuses a session in a database that is not there.
func (c Config) Open() (*DB, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	e, err := c.endpoint()
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: url %w", err)
	}
	quoted, err := ddl.Quote(c.Database)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	method, err := compression(c.Compression)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	options := &clickhouse.Options{
		Addr:        []string{e.address},
		Auth:        clickhouse.Auth{Username: c.User, Password: c.Password.Reveal()},
		Compression: &clickhouse.Compression{Method: method, Level: 1},
		DialTimeout: c.DialTimeout,
		// Inserts are bounded by Config.InsertConcurrency; two more serve the schema check and the pings.
		MaxOpenConns: 64,
		MaxIdleConns: 8,
		HttpUrlPath:  e.path,
		ClientInfo:   clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: "millrace"}}},
	}
	if !e.native {
		options.Protocol = clickhouse.HTTP
	}
	if e.tls {
		if options.TLS, err = c.TLS.client(); err != nil {
			return nil, fmt.Errorf("open clickhouse: %w", err)
		}
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse %s: %w", c.URL, err)
	}
	return &DB{conn: conn, database: c.Database, quoted: quoted, cluster: c.Cluster, fsync: c.Fsync, http: !e.native}, nil
}

// Ping returns nil when the server answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping clickhouse: %w", err)
	}
	return nil
}

// Conn is the pool, for statements; they name their tables with Quoted.
func (db *DB) Conn() driver.Conn { return db.conn }

// Quoted is the name of the database as it stands in statements.
func (db *DB) Quoted() string { return db.quoted }

// Database returns the name of the database.
func (db *DB) Database() string { return db.database }

// Cluster is the cluster on which the tables are replicated; "" for a server of its own.
func (db *DB) Cluster() string { return db.cluster }

// Sync waits until the replica that is asked has every row of the table that any replica acknowledged before; without a cluster it
// does nothing. Who looks for rows that an insert may have left (to insert the missing once more) must call it first, since they may
// have gone to another replica and would be doubled. Requests that a balancer spreads over replicas cannot be synced: Config.URL must
// lead to one replica, or to one per client.
func (db *DB) Sync(ctx context.Context, table string) error {
	if db.cluster == "" {
		return nil
	}
	if err := db.conn.Exec(ctx, "SYSTEM SYNC REPLICA "+db.quoted+"."+quoteName(table)+" LIGHTWEIGHT"); err != nil {
		return fmt.Errorf("wait for the replicas' rows of %s: %w", table, err)
	}
	return nil
}

// Close closes the connections.
func (db *DB) Close() error {
	if err := db.conn.Close(); err != nil {
		return fmt.Errorf("close clickhouse: %w", err)
	}
	return nil
}

func compression(name string) (clickhouse.CompressionMethod, error) {
	switch name {
	case "lz4":
		return clickhouse.CompressionLZ4, nil
	case "zstd":
		return clickhouse.CompressionZSTD, nil
	case "none":
		return clickhouse.CompressionNone, nil
	default:
		return 0, fmt.Errorf("compression must be lz4, zstd or none, is %q", name)
	}
}
