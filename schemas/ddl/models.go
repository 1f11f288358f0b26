package ddl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Source is the table that the models are fed from, as it stands in Model.Select, exactly once.
const Source = DatabaseVariable + ".events"

// Model is one read model: a table that a materialized view feeds from events. Of all versions of an entity the table
// keeps the greatest, so a row that is written twice counts once, and a feed may be run again over any part of events.
type Model struct {
	Name   string   // the table, e.g. orders
	Feed   string   // the materialized view that feeds it, e.g. orders_feed
	Select string   // the feed's SELECT over Source, with DatabaseVariable in it; its columns are the table's, in order
	Topics []string // the Shopify topics that Select names: of events of others it takes nothing
	Table  string   // the statement that creates the table, with DatabaseVariable in it
}

// Insert returns the statement that runs the feed again over source, a table expression with the columns of events, with
// DatabaseVariable in it: Source for all of it, or a subquery such as
//
//	(SELECT * FROM {{database}}.events WHERE _topic = 'shopify.orders' AND _partition = 3 AND _offset >= 10 AND _offset < 20)
//
// target is the name of the table to write to, Name or that of another table of the same columns. The caller switches
// deduplication off (insert_deduplicate = 0): the blocks of such an insert are not those of any batch.
func (m Model) Insert(target, source string) string {
	return "INSERT INTO " + DatabaseVariable + "." + target + "\n" + strings.Replace(m.Select, Source, source, 1)
}

// Models returns the read models as the embedded migrations leave them, in the order in which they were created. The SQL
// files are the only place where they are written down. Errors: those of Migrations, and a feed without a table.
func Models() ([]Model, error) {
	migrations, err := Migrations()
	if err != nil {
		return nil, err
	}
	return modelsOf(migrations)
}

// modelsOf reads the models out of migrations: every feed that none of them drops later. A feed reads Source or an intake, to
// which a route passes rows of Source; over Source itself its SELECT says the same.
func modelsOf(migrations []Migration) ([]Model, error) {
	create := regexp.MustCompile(`^CREATE (TABLE|MATERIALIZED VIEW) IF NOT EXISTS \{\{database\}\}\.(\w+)(?: TO \{\{database\}\}\.(\w+) AS\s+((?s:.*)))?`)
	source := regexp.MustCompile(`\{\{database\}\}\.(?:events|\w+_intake)\b`)
	topic := regexp.MustCompile(`'([a-z_]+/[a-z_]+)'`)
	drop := regexp.MustCompile(`^DROP (?:TABLE|VIEW) IF EXISTS \{\{database\}\}\.(\w+)$`)
	tables := map[string]string{}
	var models []Model
	for _, m := range migrations {
		for _, s := range m.Statements {
			if name := drop.FindStringSubmatch(s); name != nil {
				delete(tables, name[1])
				models = without(models, name[1])
			}
			name := create.FindStringSubmatch(s)
			switch {
			case name == nil:
			case name[1] == "TABLE":
				tables[name[2]] = s
			case !strings.HasSuffix(name[2], "_feed"):
			case len(source.FindAllString(name[4], -1)) != 1:
				return nil, fmt.Errorf("migration %d: view %s must read %s or one intake, exactly once", m.Version, name[2], Source)
			default:
				model := Model{Name: name[3], Feed: name[2], Select: source.ReplaceAllLiteralString(name[4], Source)}
				for _, t := range topic.FindAllStringSubmatch(model.Select, -1) {
					if !slices.Contains(model.Topics, t[1]) {
						model.Topics = append(model.Topics, t[1])
					}
				}
				models = append(models, model)
			}
		}
	}
	for i, m := range models {
		if models[i].Table = tables[m.Name]; models[i].Table == "" {
			return nil, fmt.Errorf("view %s feeds %s, which no migration creates", m.Feed, m.Name)
		}
	}
	return models, nil
}

func without(models []Model, feed string) []Model {
	kept := models[:0]
	for _, m := range models {
		if m.Feed != feed {
			kept = append(kept, m)
		}
	}
	return kept
}
