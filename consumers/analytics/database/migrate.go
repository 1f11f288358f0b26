package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/schemas/ddl"
)

var (
	// ErrSchemaDrift is returned by Migrate and Status when the database records a migration with another checksum than
	// the program's: an applied file was edited, or two different programs applied the same number.
	ErrSchemaDrift = errors.New("schema drift")
	// ErrSchemaNewer is returned by Migrate and Status when the database has migrations that the program does not know.
	ErrSchemaNewer = errors.New("schema is newer than this program")
	// ErrSchemaPending is returned by Check when migrations are missing.
	ErrSchemaPending = errors.New("schema is not up to date")
)

// MigrateOptions are what a run of Migrate may be told.
type MigrateOptions struct {
	Logger *slog.Logger // one line per migration applied; required
}

// MigrationState is one migration as the program and the database see it.
type MigrationState struct {
	Version   int
	Name      string
	Checksum  string
	AppliedAt time.Time // zero when pending
}

// Migrate brings the database to the program's schema and returns what this call applied, in order. It creates the
// database where it is missing and sets the tables' durability to the configured one.
//
// Two processes may run it at once and any of them may be killed at any point: ClickHouse without Keeper has neither lock
// nor transaction, so every statement is harmless when repeated, a migration is recorded only after its last statement,
// and a record written twice counts once. Returns ErrSchemaDrift or ErrSchemaNewer (both wrapped) before any change.
func Migrate(ctx context.Context, db *DB, o MigrateOptions) ([]MigrationState, error) {
	migrations, err := ddl.Migrations()
	if err != nil {
		return nil, fmt.Errorf("migrate clickhouse: %w", err)
	}
	return migrate(ctx, db, o, migrations)
}

// Status returns every migration of the program with the time it was applied. It changes nothing. With ErrSchemaDrift or
// ErrSchemaNewer the list is returned as well.
func Status(ctx context.Context, db *DB) ([]MigrationState, error) {
	migrations, err := ddl.Migrations()
	if err != nil {
		return nil, fmt.Errorf("read schema status: %w", err)
	}
	return status(ctx, db, migrations)
}

// Check returns nil when the database has every migration of the program and no other. Errors: ErrSchemaPending, ErrSchemaDrift,
// ErrSchemaNewer, for which waiting does not help (see Final); any other may pass.
func Check(ctx context.Context, db *DB) error {
	states, err := Status(ctx, db)
	if err != nil {
		return err
	}
	for _, m := range states {
		if m.AppliedAt.IsZero() {
			return fmt.Errorf("%w: migration %04d_%s is not applied to database %s; run millrace clickhouse migrate", ErrSchemaPending, m.Version, m.Name, db.database)
		}
	}
	return nil
}

// Final reports whether an error of Check or CheckWindows stays until somebody does something about it.
func Final(err error) bool {
	return errors.Is(err, ErrSchemaPending) || errors.Is(err, ErrSchemaDrift) || errors.Is(err, ErrSchemaNewer) || errors.Is(err, ErrWouldDouble)
}

func migrate(ctx context.Context, db *DB, o MigrateOptions, migrations []ddl.Migration) ([]MigrationState, error) {
	states, err := status(ctx, db, migrations)
	if err != nil {
		return nil, fmt.Errorf("migrate clickhouse: %w", err)
	}
	if err := createRecords(ctx, db); err != nil {
		return nil, fmt.Errorf("migrate clickhouse: %w", err)
	}
	var applied []MigrationState
	for i, m := range migrations {
		if !states[i].AppliedAt.IsZero() {
			continue
		}
		if err := apply(ctx, db, m); err != nil {
			return applied, fmt.Errorf("apply migration %04d_%s: %w", m.Version, m.Name, err)
		}
		states[i].AppliedAt = time.Now().UTC()
		applied = append(applied, states[i])
		o.Logger.InfoContext(ctx, "migration applied", "version", m.Version, "name", m.Name, "database", db.database)
	}
	// Again, now that this runner's records are written: another program may have applied other files under the same
	// numbers at the same time, and then neither may go on.
	if len(applied) > 0 {
		if _, err := status(ctx, db, migrations); err != nil {
			return applied, fmt.Errorf("migrate clickhouse: %w", err)
		}
	}
	if err := setDurability(ctx, db); err != nil {
		return applied, fmt.Errorf("migrate clickhouse: %w", err)
	}
	return applied, nil
}

// createRecords makes the database and the table of applied migrations. A user without the right to create databases can
// still migrate one that is there.
func createRecords(ctx context.Context, db *DB) error {
	var there uint64
	if err := db.conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = ?", db.database).Scan(&there); err != nil {
		return fmt.Errorf("look for database %s: %w", db.database, err)
	}
	if there == 0 {
		if err := executeOn(ctx, db, "CREATE DATABASE IF NOT EXISTS "+db.quoted); err != nil {
			return fmt.Errorf("create database %s: %w", db.database, err)
		}
	}
	// The checksum is part of the sorting key, so that merges drop repeats but never hide a conflict.
	err := executeOn(ctx, db, "CREATE TABLE IF NOT EXISTS "+db.quoted+`.schema_migrations
(
    version UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (version, checksum)`)
	if err != nil {
		return fmt.Errorf("create schema_migrations: %w", err)
	}
	return nil
}

func apply(ctx context.Context, db *DB, m ddl.Migration) error {
	statements, err := m.RenderOn(db.database, db.cluster)
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	for i, s := range statements {
		if err := execute(ctx, db, s); err != nil {
			return fmt.Errorf("statement %d of %d: %w", i+1, len(statements), err)
		}
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0}))
	err = db.conn.Exec(ctx, "INSERT INTO "+db.quoted+".schema_migrations (version, name, checksum) VALUES (?, ?, ?)", m.Version, m.Name, m.Checksum)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// executeOn is execute on every server of the cluster, if there is one.
func executeOn(ctx context.Context, db *DB, statement string) error {
	statement, err := ddl.OnCluster(statement, db.cluster)
	if err != nil {
		return err
	}
	return execute(ctx, db, statement)
}

// execute runs one statement, again where it met another runner that was creating the same thing: IF NOT EXISTS is
// checked before the lock is taken, so the loser of a race can still hear that the thing exists.
func execute(ctx context.Context, db *DB, statement string) error {
	const attempts = 5
	var err error
	for i := range attempts {
		if err = db.conn.Exec(ctx, statement); err == nil || !createdMeanwhile(err) {
			return err
		}
		if err := pause.Sleep(ctx, time.Duration(i+1)*100*time.Millisecond); err != nil {
			return err
		}
	}
	return err
}

// status compares the program's migrations with the recorded ones.
func status(ctx context.Context, db *DB, migrations []ddl.Migration) ([]MigrationState, error) {
	states := make([]MigrationState, len(migrations))
	for i, m := range migrations {
		states[i] = MigrationState{Version: m.Version, Name: m.Name, Checksum: m.Checksum}
	}
	records, err := readRecords(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read schema status: %w", err)
	}
	var errs []error
	for _, r := range records {
		i := slices.IndexFunc(states, func(s MigrationState) bool { return s.Version == r.Version })
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("%w: database %s has migration %04d_%s: use the program that applied it, or a later one", ErrSchemaNewer, db.database, r.Version, r.Name))
		case states[i].Checksum != r.Checksum:
			errs = append(errs, fmt.Errorf("%w: migration %04d_%s was applied to database %s with checksum %.12s and is %.12s in this program: an applied file must not be edited; put the change into a new one",
				ErrSchemaDrift, r.Version, r.Name, db.database, r.Checksum, states[i].Checksum))
		case states[i].AppliedAt.IsZero() || r.AppliedAt.Before(states[i].AppliedAt):
			states[i].AppliedAt = r.AppliedAt
		}
	}
	return states, errors.Join(errs...)
}

func readRecords(ctx context.Context, db *DB) ([]MigrationState, error) {
	var there uint64
	err := db.conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = ? AND name = 'schema_migrations'", db.database).Scan(&there)
	if err != nil || there == 0 {
		return nil, err
	}
	rows, err := db.conn.Query(ctx, "SELECT version, name, checksum, applied_at FROM "+db.quoted+".schema_migrations ORDER BY version, applied_at")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []MigrationState
	for rows.Next() {
		var version uint32
		var r MigrationState
		if err := rows.Scan(&version, &r.Name, &r.Checksum, &r.AppliedAt); err != nil {
			return nil, err
		}
		r.Version = int(version)
		out = append(out, r)
	}
	return out, rows.Err()
}

// setDurability makes the tables follow Config.Fsync, all those whose loss after an acknowledged insert would be a loss of committed
// events: what the sink writes, and the models, since nobody would notice that a feed has to run again.
func setDurability(ctx context.Context, db *DB) error {
	models, err := ddl.Models()
	if err != nil {
		return err
	}
	tables := writtenTables()
	for _, m := range models {
		tables = append(tables, m.Name)
	}
	for _, table := range tables {
		if err := executeOn(ctx, db, durability(db.quoted+"."+table, db.fsync)); err != nil {
			return fmt.Errorf("set durability of %s: %w", table, err)
		}
	}
	return nil
}

// durability is the statement that makes inserts into a table survive a power loss, or not. The directory is synced too: without it
// a power loss can take away the renamed part although its files are on disk. Merges are synced because they replace what was synced.
func durability(table string, fsync bool) string {
	on := 0
	if fsync {
		on = 1
	}
	return fmt.Sprintf("ALTER TABLE %s MODIFY SETTING fsync_after_insert = %d, fsync_part_directory = %d, min_rows_to_fsync_after_merge = %d", table, on, on, on)
}

// Codes of ClickHouse's ErrorCodes.cpp.
const (
	codeTableExists    = 57
	codeDatabaseExists = 82
)

// createdMeanwhile reports whether a CREATE … IF NOT EXISTS lost a race against another runner.
func createdMeanwhile(err error) bool {
	var exception *clickhouse.Exception
	return errors.As(err, &exception) && (exception.Code == codeTableExists || exception.Code == codeDatabaseExists)
}
