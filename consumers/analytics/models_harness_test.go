package analytics

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/schemas"
)

// fields is a JSON object; amounts in it are texts, as Shopify sends them.
type fields map[string]any

// delivery is one event of a shop. triggered is the day and time of the triggered-at header.
type delivery struct {
	topic, subject string
	triggered      time.Time
	body           any // fields, or a string that is sent as it stands
}

// on returns the instant of a text such as "2026-03-01 10:00", UTC.
func on(text string) time.Time {
	at, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return at
}

// stamp writes an instant as Shopify does: whole seconds with the shop's UTC offset.
func stamp(at time.Time) string {
	return at.In(time.FixedZone("", -5*3600)).Format(time.RFC3339)
}

func (d *delivery) record(t *testing.T, shop string, offset int64) *kgo.Record {
	t.Helper()
	body, ok := d.body.(string)
	if !ok {
		text, err := json.Marshal(d.body)
		if err != nil {
			t.Fatalf("Marshal() error: %v", err)
		}
		body = string(text)
	}
	e := schemas.Event{ID: fmt.Sprint(shop, offset), Shop: shop, Topic: d.topic, Subject: d.subject, Time: d.triggered, Received: on("2026-11-01 12:00"), PartitionKey: shop + "|" + d.subject}
	return &kgo.Record{Topic: ordersTopic, Offset: offset, Value: []byte(body), Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &e)}
}

// insertAll inserts the records as one batch, by the path of the sink.
func insertAll(t *testing.T, db *database.DB, records []*kgo.Record) {
	t.Helper()
	b := newBlock(len(records))
	for _, r := range records {
		if err := b.add(r); err != nil {
			t.Fatalf("add() error: %v", err)
		}
	}
	token := fmt.Sprintf("%s/%d/%d", t.Name(), records[0].Offset, len(records))
	if err := (clickHouseStore{db}).insert(t.Context(), b, token); err != nil {
		t.Fatalf("insert() error: %v", err)
	}
}

// book is what happens in shops, in the order of arrival.
type book struct {
	records []*kgo.Record
}

func (b *book) add(t *testing.T, shop string, deliveries ...delivery) {
	t.Helper()
	for i := range deliveries {
		b.records = append(b.records, deliveries[i].record(t, shop, int64(len(b.records))))
	}
}

// lines returns the rows of a query that gives one text column, % standing for the database.
func lines(t *testing.T, db *database.DB, query string) []string {
	t.Helper()
	rows, err := db.Conn().Query(t.Context(), strings.ReplaceAll(query, "%", db.Quoted()))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatalf("Scan() error: %v", err)
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// sheet reads a table as it stands in a test: lines of words, with comments after "|".
func sheet(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "|")
		if words := strings.Fields(line); len(words) > 0 {
			out = append(out, strings.Join(words, " "))
		}
	}
	return out
}

// wantSheet compares the rows of a query with a sheet.
func wantSheet(t *testing.T, db *database.DB, query, want string) {
	t.Helper()
	if diff := cmp.Diff(sheet(want), lines(t, db, query)); diff != "" {
		t.Errorf("%s\n(-want, +got):\n%s", query, diff)
	}
}

// merge makes ClickHouse choose the newest versions for good.
func merge(t *testing.T, db *database.DB) {
	t.Helper()
	for _, table := range []string{"orders", "first_orders", "refunds", "fulfillments", "checkouts", "products", "customers", "inventory_levels", "deletions"} {
		databasetest.Exec(t, db, "OPTIMIZE TABLE %."+table+" FINAL")
	}
}
