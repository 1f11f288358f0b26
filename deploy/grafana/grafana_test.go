package grafana_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
	"millrace/deploy/grafana"
)

var update = flag.Bool("update", false, "write the dashboards")

func TestMain(m *testing.M) {
	enginetest.Child()
	goleak.VerifyTestMain(m)
}

func TestDashboardFilesAreCurrent(t *testing.T) {
	var want []string
	for _, d := range grafana.Dashboards() {
		text, err := d.File()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("dashboards", strings.TrimPrefix(d.UID, "millrace-")+".json")
		want = append(want, file)
		if *update {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if there, err := os.ReadFile(file); err != nil || !bytes.Equal(there, text) {
			t.Errorf("%s is behind: run `go test ./deploy/grafana -update` (%v)", file, err)
		}
	}
	if there, err := filepath.Glob("dashboards/*"); err != nil || !slices.Equal(there, want) {
		t.Errorf("dashboards are %v, want %v", there, want)
	}
}

func TestEveryPanelHasWhatItNeeds(t *testing.T) {
	for _, d := range grafana.Dashboards() {
		titles := map[string]bool{}
		for _, p := range d.Panels {
			if p.Title == "" || titles[p.Title] || p.About == "" || p.Width <= 0 || p.Width > 24 || len(p.Queries) == 0 || len(p.Queries) > 26 || p.Kind == "" {
				t.Errorf("%s: panel %q is incomplete, or there twice", d.UID, p.Title)
			}
			titles[p.Title] = true
			for _, q := range p.Queries {
				if q.Text == "" || (p.Source == grafana.ClickHouse) == (len(q.Columns) == 0) {
					t.Errorf("%s: a query of panel %q is incomplete", d.UID, p.Title)
				}
			}
		}
	}
}

// substitute does what Grafana and its ClickHouse plugin do to a query: it puts values in the place of the macros that the dashboards
// use, for the range of time from to until. See https://github.com/grafana/clickhouse-datasource#macros.
func substitute(sql, shops string, from, until time.Time) string {
	seconds := func(t time.Time) string { return fmt.Sprintf("toDateTime(%d)", t.Unix()) }
	day := func(t time.Time) string { return "toDate('" + t.UTC().Format(time.DateOnly) + "')" }
	sql = regexp.MustCompile(`\$__timeFilter\((\w+)\)`).ReplaceAllString(sql, "$1 >= "+seconds(from)+" AND $1 <= "+seconds(until))
	sql = regexp.MustCompile(`\$__dateFilter\((\w+)\)`).ReplaceAllString(sql, "$1 >= "+day(from)+" AND $1 <= "+day(until))
	return strings.ReplaceAll(sql, "${shop:singlequote}", shops)
}

// answer is ClickHouse's format JSON.
type answer struct {
	Meta []struct{ Name, Type string }
	Data []map[string]any
}

func TestEveryClickHouseQueryAnswersWithWhatItsPanelDraws(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	// 200 orders of two shops in the last days, some cancelled or refunded or fulfilled, and 40 checkouts.
	databasetest.Exec(t, db, `INSERT INTO %.events (id, shop, shopify_topic, entity_kind, entity_id, time, received_time, body, order_id, customer_id, created_at, updated_at, cancelled_at, currency, total_price, current_total_price, _topic, _partition, _offset)
SELECT toString(number), if(modulo(number, 2) = 0, 'a.myshopify.com', 'b.myshopify.com'), if(number < 200, 'orders/create', 'checkouts/create'), if(number < 200, 'order', 'checkout'), toString(number + 1),
	now64(9) - number * 3000, now64(9) - number * 3000 + 1,
	if(number < 200,
		'{"current_total_price":"10.50","line_items":[{"id":1,"sku":"mug","price":"10.50","quantity":1,"current_quantity":1}],"fulfillments":[{"id":' || toString(number + 1) || ',"status":"success","created_at":"' || toString(now() - number * 3000 + 60) || '"}],"refunds":[{"id":' || toString(number + 1) || ',"created_at":"' || toString(now() - number * 3000) || '","transactions":[{"kind":"refund","status":"success","amount":"1.00","currency":"EUR"}]}]}',
		'{"id":' || toString(number) || ',"token":"t' || toString(number) || '"}'),
	if(number < 200, number + 1, 0), modulo(number, 7) + 1, now64(3) - number * 3000, now64(3) - number * 3000, toDateTime64(0, 3), 'EUR', 10.5, 10.5, 't', 0, number
FROM numbers(240)`)
	ask := func(sql string) (answer, error) {
		var a answer
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, e.URL+"/?default_format=JSON&database="+url.QueryEscape(db.Database()), strings.NewReader(sql))
		if err != nil {
			return a, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return a, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return a, fmt.Errorf("%d %s %w", resp.StatusCode, text, err)
		}
		return a, json.Unmarshal(text, &a)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	until := time.Now().Add(time.Minute)
	for _, d := range grafana.Dashboards() {
		for _, p := range d.Panels {
			if p.Source != grafana.ClickHouse {
				continue
			}
			for _, q := range p.Queries {
				t.Run(d.Title+"/"+p.Title, func(t *testing.T) {
					rows := map[string]int{}
					for _, shops := range []string{"'*'", "'a.myshopify.com'", "'none','neither'"} {
						sql := substitute(q.Text, shops, until.AddDate(0, 0, -30), until)
						if strings.Contains(sql, "$") {
							t.Fatalf("a macro is not substituted: %s", sql)
						}
						a, err := ask(sql)
						if err != nil {
							t.Fatalf("%v\n%s", err, sql)
						}
						var names []string
						for _, m := range a.Meta {
							names = append(names, m.Name)
						}
						if !slices.Equal(names, q.Columns) {
							t.Errorf("columns are %v, the panel draws %v", names, q.Columns)
						}
						if p.Kind == "timeseries" && (len(a.Meta) == 0 || !strings.HasPrefix(a.Meta[0].Type, "DateTime")) {
							t.Errorf("the first column is not a time: %v", a.Meta)
						}
						rows[shops] = len(a.Data)
					}
					if rows["'*'"] == 0 || rows["'a.myshopify.com'"] == 0 {
						t.Errorf("no rows: %v", rows)
					}
					if d.Shop && rows["'none','neither'"] != 0 {
						t.Errorf("%d rows of shops that are not there", rows["'none','neither'"])
					}
				})
			}
		}
	}
}

func TestDataSourcesAreThoseOfTheProvisioning(t *testing.T) {
	text, err := os.ReadFile("provisioning/datasources/millrace.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []grafana.Source{grafana.Prometheus, grafana.ClickHouse} {
		if !bytes.Contains(text, []byte("uid: "+string(s)+"\n")) {
			t.Errorf("no data source has the uid %s", s)
		}
	}
}
