package sink

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// asker asks the engine over plain HTTP, past the proxy.
type asker struct {
	engine *keeper
	client *http.Client
}

func newAsker(k *keeper) *asker {
	return &asker{engine: k, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 15 * time.Minute}}
}

// databaseName is the database of the tables: the default of the program.
const databaseName = "millrace"

// eventsTable is the table that the sinks insert into.
const eventsTable = "events"

// lines runs a query and calls row with each line of the answer in TabSeparated. % stands for the database. An error that ClickHouse
// finds when half of the answer has been sent shows as a line that is no row; the end of the answer is marked so that it is not missed.
func (a *asker) lines(ctx context.Context, query string, row func(line string) error) error {
	query = strings.ReplaceAll(query, "%.", databaseName+".")
	address := "http://" + a.engine.addr() + "/?" + url.Values{
		"default_format": {"TabSeparated"}, "output_format_decimal_trailing_zeros": {"1"}, "max_threads": {"2"},
	}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(query))
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return fmt.Errorf("ask %.200q: %s: %s", query, resp.Status, strings.TrimSpace(string(said)))
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(make([]byte, 64<<10), 16<<20)
	for in.Scan() {
		if strings.Contains(in.Text(), "DB::Exception") {
			return fmt.Errorf("ask %.200q: the answer breaks off: %.500s", query, in.Text())
		}
		if err := row(in.Text()); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("ask %.200q: %w", query, err)
	}
	return nil
}

// one returns the only line of an answer.
func (a *asker) one(ctx context.Context, query string) (string, error) {
	var last string
	err := a.lines(ctx, query, func(line string) error {
		last = line
		return nil
	})
	return last, err
}

// tables returns the data folders of the tables that an insert into events writes: events itself and every target of its views that
// stores anything.
func (a *asker) tables(ctx context.Context) (map[string]string, error) {
	folders := map[string]string{}
	err := a.lines(ctx, `SELECT name, data_paths[1] FROM system.tables WHERE database = '`+databaseName+`' AND engine != 'Null' AND (name = 'events'
		OR name IN (SELECT extract(create_table_query, 'MATERIALIZED VIEW [^ ]+ TO `+databaseName+`\.([a-z_]+)') FROM system.tables WHERE database = '`+databaseName+`'))`,
		func(line string) error {
			name, folder, ok := strings.Cut(line, "\t")
			if !ok || folder == "" {
				return fmt.Errorf("table without a folder: %q", line)
			}
			folders[name] = folder
			return nil
		})
	if err == nil && folders[eventsTable] == "" {
		err = fmt.Errorf("no table %s among %v", eventsTable, sortedKeys(folders))
	}
	return folders, err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
