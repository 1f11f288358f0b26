package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"millrace/schemas/ddl"
)

// ErrWouldDouble is returned by CheckWindows: an insert that is repeated after a failure would leave rows twice in a table.
var ErrWouldDouble = errors.New("a repeated insert would double rows")

// writtenTables are the tables that the sink inserts into.
func writtenTables() []string { return []string{"events", "activity", "order_events"} }

// CheckWindows returns nil when every table that an insert of the sink reaches can drop a repeat of it: the tables it writes, and the
// targets of all materialized views that read them, directly or from the target of another view, in any database, whoever made
// them, with a table of their own (TO) or an inner one. The error wraps ErrWouldDouble and names each table, the view that
// writes to it and the statement that helps. Any other error may pass; see Final.
//
// A repeat is dropped by each table for itself, by its own log of tokens. So a table needs one even if its engine would merge
// repeats away later: until then a query sees both, and what the table feeds gets both. Tables that are not MergeTree have no
// such log. Those that keep nothing (Null) or one value per key (Set, EmbeddedRocksDB, KeeperMap) are accepted, since they cannot hold a
// row twice; all others are refused, also Distributed and Buffer, whose destination cannot be followed from here or gets the rows
// later and without their token. Refreshable views are not fed by inserts and do not matter.
func CheckWindows(ctx context.Context, db *DB) error {
	defaults, err := windowDefaults(ctx, db)
	if err != nil {
		return fmt.Errorf("check deduplication windows: %w", err)
	}
	var problems []error
	seen := map[tableName]bool{}
	var level []fed
	for _, t := range writtenTables() {
		level = append(level, fed{table: tableName{db.database, t}})
	}
	for len(level) > 0 {
		found, err := readTables(ctx, db, level)
		if err != nil {
			return fmt.Errorf("check deduplication windows: %w", err)
		}
		var next []fed
		for _, f := range level {
			if seen[f.table] {
				continue
			}
			seen[f.table] = true
			t, there := found[f.table]
			switch {
			case !there && f.view == (tableName{}):
				continue // the migrations are behind, which is Check's to tell
			case !there:
				problems = append(problems, fmt.Errorf("%s is missing or hidden from this user, so nobody can tell whether repeats are dropped there; run: GRANT SHOW TABLES ON %s", f, f.table.quoted()))
				continue
			}
			for _, v := range t.views {
				next = append(next, fed{table: v, view: v})
			}
			if t.engine == "MaterializedView" {
				target, err := targetOf(t)
				if err != nil {
					return fmt.Errorf("check deduplication windows: %w", err)
				}
				next = append(next, fed{table: target, view: f.table})
				continue
			}
			if why := t.doubles(f.view, defaults); why != "" {
				problems = append(problems, fmt.Errorf("%s %s", f, why))
			}
		}
		level = next
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrWouldDouble, errors.Join(problems...))
}

// tableName is a table in a database.
type tableName struct{ database, name string }

func (n tableName) quoted() string { return quoteName(n.database) + "." + quoteName(n.name) }

// quoteName quotes any name, also one of somebody else's that Quote of schemas/ddl would refuse.
func quoteName(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}

// fed is a table that inserts reach, and the view through which they do; none for what the sink writes itself.
type fed struct{ table, view tableName }

func (f fed) String() string {
	switch f.view {
	case tableName{}:
		return "table " + f.table.quoted()
	case f.table:
		return "the materialized view " + f.table.quoted()
	}
	return "table " + f.table.quoted() + ", fed by the materialized view " + f.view.quoted() + ","
}

// existing is a table as the server describes it.
type existing struct {
	tableName
	id     uuid.UUID // zero in databases without them
	engine string
	full   string      // the engine with its arguments and settings
	create string      // the statement that makes it
	views  []tableName // that its inserts feed
}

func readTables(ctx context.Context, db *DB, wanted []fed) (map[tableName]existing, error) {
	names := make([]any, len(wanted))
	for i, f := range wanted {
		names[i] = clickhouse.GroupSet{Value: []any{f.table.database, f.table.name}}
	}
	// A profile that shows them would put ids between the names that targetOf reads.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"show_table_uuid_in_table_create_query_if_not_nil": 0}))
	rows, err := db.conn.Query(ctx, "SELECT database, name, uuid, engine, engine_full, create_table_query, dependencies_database, dependencies_table FROM system.tables WHERE (database, name) IN ?", clickhouse.GroupSet{Value: names})
	if err != nil {
		return nil, fmt.Errorf("read system.tables: %w", err)
	}
	defer rows.Close()
	out := map[tableName]existing{}
	for rows.Next() {
		var t existing
		var databases, views []string
		if err := rows.Scan(&t.database, &t.name, &t.id, &t.engine, &t.full, &t.create, &databases, &views); err != nil {
			return nil, fmt.Errorf("read system.tables: %w", err)
		}
		for i, v := range views {
			t.views = append(t.views, tableName{databases[i], v})
		}
		slices.SortFunc(t.views, func(a, b tableName) int { return strings.Compare(a.quoted(), b.quoted()) })
		out[t.tableName] = t
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read system.tables: %w", err)
	}
	return out, nil
}

// doubles says why a repeated insert would leave rows twice in the table and what to do about it; "" when it would not.
func (t existing) doubles(view tableName, defaults map[string]string) string {
	switch t.engine {
	case "Null", "Set", "EmbeddedRocksDB", "KeeperMap":
		return ""
	}
	if !strings.HasSuffix(t.engine, "MergeTree") {
		return "has the engine " + t.engine + ", which cannot drop repeats; let the view write to a table of the MergeTree family with a deduplication window, make it a refreshable view, or run: DROP VIEW " + view.quoted()
	}
	needed := []string{"non_replicated_deduplication_window"}
	if strings.HasPrefix(t.engine, "Replicated") || strings.HasPrefix(t.engine, "Shared") {
		needed = []string{"replicated_deduplication_window", "replicated_deduplication_window_seconds"}
	}
	var set []string
	for _, name := range needed {
		value, ok := settingOf(t.full, name)
		if !ok {
			value = defaults[name]
		}
		if value == "" || value == "0" {
			size := ddl.Window
			if strings.HasSuffix(name, "_seconds") {
				size = ddl.WindowSeconds
			}
			set = append(set, fmt.Sprintf("%s = %d", name, size))
		}
	}
	if len(set) == 0 {
		return ""
	}
	return "has no deduplication window; run: ALTER TABLE " + t.quoted() + " MODIFY SETTING " + strings.Join(set, ", ")
}

// settingOf finds a setting in an engine's description; the last one counts.
func settingOf(full, name string) (string, bool) {
	i := strings.LastIndex(full, " SETTINGS ")
	if i < 0 {
		return "", false
	}
	for part := range strings.SplitSeq(full[i+len(" SETTINGS "):], ", ") {
		if key, value, ok := strings.Cut(part, " = "); ok && key == name {
			return strings.Trim(value, "'"), true
		}
	}
	return "", false
}

// windowDefaults are the server's values of the windows, for tables that set none. A server's configuration may change them.
func windowDefaults(ctx context.Context, db *DB) (map[string]string, error) {
	out := map[string]string{}
	rows, err := db.conn.Query(ctx, "SELECT name, value FROM system.merge_tree_settings WHERE name = 'non_replicated_deduplication_window'"+
		" UNION ALL SELECT name, value FROM system.replicated_merge_tree_settings WHERE name IN ('replicated_deduplication_window', 'replicated_deduplication_window_seconds')")
	if err != nil {
		return nil, fmt.Errorf("read the server's defaults: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, fmt.Errorf("read the server's defaults: %w", err)
		}
		out[name] = value
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the server's defaults: %w", err)
	}
	return out, nil
}

// targetOf is the table that a materialized view writes to. The server tells it only in the statement that makes the view.
func targetOf(view existing) (tableName, error) {
	rest, ok := strings.CutPrefix(view.create, "CREATE MATERIALIZED VIEW ")
	if !ok {
		return tableName{}, fmt.Errorf("view %s: cannot read its statement %.80q", view.quoted(), view.create)
	}
	_, rest, err := cutTableName(rest)
	if err != nil {
		return tableName{}, fmt.Errorf("view %s: cannot read its statement %.80q: %w", view.quoted(), view.create, err)
	}
	if to, ok := strings.CutPrefix(rest, " TO "); ok {
		target, _, err := cutTableName(to)
		if err != nil {
			return tableName{}, fmt.Errorf("view %s: cannot read its statement %.80q: %w", view.quoted(), view.create, err)
		}
		return target, nil
	}
	if view.id == uuid.Nil {
		return tableName{view.database, ".inner." + view.name}, nil
	}
	return tableName{view.database, ".inner_id." + view.id.String()}, nil
}

// cutTableName takes database.table off the front of a statement as the server writes it: with a database, and with
// backticks where a name needs them.
func cutTableName(s string) (tableName, string, error) {
	database, rest, err := cutName(s)
	if err != nil {
		return tableName{}, "", err
	}
	rest, ok := strings.CutPrefix(rest, ".")
	if !ok {
		return tableName{}, "", errors.New("a name without its database")
	}
	name, rest, err := cutName(rest)
	return tableName{database, name}, rest, err
}

func cutName(s string) (name, rest string, err error) {
	if !strings.HasPrefix(s, "`") {
		i := strings.IndexAny(s, " .(\n")
		if i < 0 {
			i = len(s)
		}
		if i == 0 {
			return "", "", errors.New("no name")
		}
		return s[:i], s[i:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '`':
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errors.New("a quote without its end")
}
