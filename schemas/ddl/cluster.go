package ddl

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrBadCluster is returned by CheckCluster and Render for a cluster name that would need escaping.
var ErrBadCluster = errors.New("cluster name must be letters, digits, underscores, dots and dashes, or {cluster}, at most 64")

// Window and WindowSeconds are how many inserts a table remembers, and, if it is replicated, for how long: longer than the longest
// outage after which a sink may repeat one. The server's own values are 0 and an hour. Seven days is also how long Kafka keeps the
// offsets of a group that is away.
const (
	Window        = 100_000
	WindowSeconds = 7 * 24 * 3600
)

// CheckCluster returns ErrBadCluster, wrapped, for a name that cannot stand in a statement.
func CheckCluster(name string) error {
	if ok, err := regexp.MatchString(`^([A-Za-z0-9_.-]{1,64}|\{cluster\})$`, name); err != nil || !ok {
		return fmt.Errorf("%w: %q", ErrBadCluster, name)
	}
	return nil
}

// OnCluster turns a statement for one server into the one for all replicas of a cluster: it runs on every server of the cluster, and
// a table it creates is replicated by Keeper, with the deduplication window of replicated tables. An empty cluster leaves the
// statement as it is.
//
// The replicas are those of one shard. With several, each row would be in one shard and a query would need Distributed tables, which
// are not offered. The path of a table in Keeper holds the table's id and not its name, so that tables can be renamed and exchanged.
//
// A refreshable view stays as it is too: each server makes it for itself. INSERT … SELECT stays as it is, since replication brings the rows to the others. Errors: ErrBadCluster, and a statement that is none
// of CREATE, ALTER, DROP, RENAME, EXCHANGE and INSERT, or creates a table that cannot be replicated: half-understood SQL must not run.
func OnCluster(statement, cluster string) (string, error) {
	if cluster == "" {
		return statement, nil
	}
	if err := CheckCluster(cluster); err != nil {
		return "", err
	}
	on := " ON CLUSTER '" + cluster + "'"
	const name = `(?:[A-Za-z0-9_]+|` + "`[^`]+`" + `|\{\{database\}\})`
	head := regexp.MustCompile(`^(?:` +
		`CREATE DATABASE IF NOT EXISTS ` + name + `|` +
		`(CREATE TABLE) (?:IF NOT EXISTS )?` + name + `\.` + name + `|` +
		`CREATE (?:OR REPLACE )?(?:MATERIALIZED )?VIEW (?:IF NOT EXISTS )?` + name + `\.` + name + `|` +
		`ALTER TABLE ` + name + `\.` + name + `|` +
		`DROP (?:TABLE|VIEW) (?:IF EXISTS )?` + name + `\.` + name + `|` +
		`(EXCHANGE TABLES|RENAME TABLE) ` + name + `\.` + name + ` (?:AND|TO) ` + name + `\.` + name + `$)`)
	at := head.FindStringSubmatchIndex(statement)
	switch {
	case strings.HasPrefix(statement, "INSERT INTO "):
		return statement, nil
	case at == nil:
		return "", fmt.Errorf("no form of this statement for a cluster is known: %.80s", statement)
	case refreshed(statement[at[1]:]): // each server makes its own, from tables that are replicated
		return statement[:at[1]] + on + statement[at[1]:], nil
	case strings.Contains(statement[:at[1]], "MATERIALIZED VIEW") && !strings.HasPrefix(statement[at[1]:], " TO "):
		return "", fmt.Errorf("only a materialized view with TO can be on a cluster, since its own table would not be replicated: %.80s", statement)
	case strings.Contains(statement, " ENGINE = Null"): // stores nothing, so there is nothing to replicate
		return statement[:at[1]] + on + statement[at[1]:], nil
	case at[2] < 0: // not CREATE TABLE
		return statement[:at[1]] + on + replicatedSettings(statement[at[1]:]), nil
	}
	definition, err := replicated(statement[at[1]:])
	if err != nil {
		return "", fmt.Errorf("%w: %.80s", err, statement)
	}
	return statement[:at[1]] + on + definition, nil
}

// refreshed tells whether what follows a view's name makes it a refreshable one.
func refreshed(definition string) bool {
	return strings.HasPrefix(strings.TrimSpace(definition), "REFRESH ")
}

// replicated makes the engine of a table's definition a replicated one.
func replicated(definition string) (string, error) {
	engine := regexp.MustCompile(`\bENGINE = ([A-Za-z]*)MergeTree\b(?:\(([^()]*)\))?`)
	found := engine.FindAllStringSubmatchIndex(definition, -1)
	if len(found) != 1 {
		return "", errors.New("only a table of the MergeTree family can be replicated")
	}
	at := found[0]
	kind, arguments := definition[at[2]:at[3]], ""
	if strings.HasPrefix(kind, "Replicated") {
		return "", errors.New("the table is replicated already")
	}
	if at[4] >= 0 && strings.TrimSpace(definition[at[4]:at[5]]) != "" {
		arguments = ", " + definition[at[4]:at[5]]
	}
	return definition[:at[0]] + "ENGINE = Replicated" + kind + "MergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}'" + arguments + ")" +
		replicatedSettings(definition[at[1]:]), nil
}

// replicatedSettings puts the settings of replicated tables in the place of those of plain ones.
func replicatedSettings(s string) string {
	return regexp.MustCompile(`\bnon_replicated_deduplication_window = (\d+)`).ReplaceAllString(s,
		fmt.Sprintf("replicated_deduplication_window = $1, replicated_deduplication_window_seconds = %d", WindowSeconds))
}
