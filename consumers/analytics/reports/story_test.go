package reports_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/consumers/analytics/reports"
	"millrace/deploy/embedded/enginetest"
)

// act writes one row of activity about the order 1 of acme.
func act(t *testing.T, db *database.DB, service, outcome string, attempt int, offset uint64, at time.Duration, text, note string) {
	t.Helper()
	n := clickhouse.Named
	err := db.Conn().Exec(t.Context(), `INSERT INTO `+db.Quoted()+`.activity (service, source_topic, source_partition, source_offset, shop, entity_kind, entity_id, outcome, class, attempt, error, note, started, ended)
		SELECT {service:String}, 'shopify.orders', 0, {offset:UInt64}, 'acme.myshopify.com', 'order', '1', {outcome:String}, 'class', {attempt:UInt32}, {error:String}, {note:String},
			fromUnixTimestamp64Milli({started:Int64}, 'UTC'), fromUnixTimestamp64Milli({ended:Int64}, 'UTC')`,
		n("service", service), n("offset", offset), n("outcome", outcome), n("attempt", attempt), n("error", text), n("note", note),
		n("started", noon.Add(at).UnixMilli()), n("ended", noon.Add(at+time.Second).UnixMilli()))
	if err != nil {
		t.Fatalf("insert activity: %v", err)
	}
}

func TestEventsAndStoriesOnTheEngine(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	rows := business()
	rows = append(rows, rows[1].with(func(r *stored) { r.offset, r.at = 19, 30*time.Minute })) // delivered again
	rows[1].id, rows[len(rows)-1].id = "twice", "twice"
	rows = append(rows, stored{shop: acme, topic: "products/update", kind: "product", entity: "4242", at: -time.Hour, offset: 4242})
	put(t, db, rows...)
	act(t, db, "inventory", "retry", 1, 10, 3*time.Minute, "stock API: 503", "")
	act(t, db, "inventory", "done", 2, 10, 5*time.Minute, "", "reserved 2")
	act(t, db, "notifications", "done", 1, 11, 4*time.Minute, "", "mailed")
	act(t, db, "notifications", "done", 1, 999, 4*time.Minute, "", "of an event that is not stored")
	r := ask(t, db)
	ctx := t.Context()

	t.Run("the story of an order", func(t *testing.T) {
		s := got[reports.Story](t)(r.Story(ctx, reports.Entity{Shop: acme, Kind: "order", ID: "1"}, 0))
		var lines []string
		for _, e := range s.Events {
			amount := "-"
			if e.Amount != nil {
				amount = e.Amount.String()
			}
			line := fmt.Sprintf("%s %s %v", e.ShopifyTopic, amount, e.Repeat)
			for _, a := range e.Activity {
				line += fmt.Sprintf(" [%s %s %d %s%s]", a.Service, a.Outcome, a.Attempt, a.Error, a.Note)
			}
			lines = append(lines, line)
		}
		differs(t, "story", lines, []string{
			"orders/create 100.1 false [inventory retry 1 stock API: 503] [inventory done 2 reserved 2]",
			"orders/paid 100.1 false [notifications done 1 mailed]",
			"refunds/create - false",
			"orders/create 100.1 true",
		})
		if a := s.Events[0].Activity[1]; !a.Started.Equal(noon.Add(5*time.Minute)) || a.Finished.Sub(a.Started) != time.Second || a.Class != "class" {
			t.Errorf("activity = %+v, want it to begin at 12:05 and take a second", a)
		}
		if s.Order == nil || s.Order.Name != "#1001" || !s.Order.Total.Equal(money("100.1")) || s.Order.CustomerID != 7 || s.Order.Cancelled != nil || !s.Order.Created.Equal(noon.Add(2*time.Minute)) {
			t.Errorf("order = %+v", s.Order)
		}
		if s.More {
			t.Error("the story has more, want all of it")
		}
		if short := got[reports.Story](t)(r.Story(ctx, reports.Entity{Shop: acme, Kind: "order", ID: "1"}, 2)); !short.More || len(short.Events) != 2 || short.Events[0].ShopifyTopic != "orders/create" {
			t.Errorf("two events of the story = %+v, want the oldest and more", short)
		}
		if _, err := r.Story(ctx, reports.Entity{Shop: other, Kind: "order", ID: "1"}, 0); !errors.Is(err, reports.ErrNotFound) {
			t.Errorf("the order in another shop: error %v, want ErrNotFound", err)
		}
	})

	t.Run("events are found by what people have at hand", func(t *testing.T) {
		for name, c := range map[string]struct {
			q    reports.EventQuery
			want int
		}{
			"all":                      {reports.EventQuery{}, 11},
			"a shop":                   {reports.EventQuery{Shop: other}, 3},
			"a time":                   {reports.EventQuery{Range: hour}, 8},
			"a topic":                  {reports.EventQuery{Topic: "refunds/create"}, 1},
			"an order's name":          {reports.EventQuery{Search: "#1001"}, 4},
			"an order's id":            {reports.EventQuery{Search: " 1 "}, 4},
			"a gid":                    {reports.EventQuery{Search: "gid://shopify/Order/1"}, 4},
			"an id beyond 64 bits":     {reports.EventQuery{Search: "99999999999999999999999"}, 0},
			"a product's id":           {reports.EventQuery{Search: "4242"}, 1},
			"a webhook id":             {reports.EventQuery{Search: "twice"}, 2},
			"a name in another shop":   {reports.EventQuery{Search: "#1001", Shop: other}, 0},
			"what would be a wild SQL": {reports.EventQuery{Search: `' OR 1=1 --\`}, 0},
		} {
			if page := got[reports.EventPage](t)(r.Events(ctx, c.q)); len(page.Events) != c.want || page.Next != "" {
				t.Errorf("%s: %d events and next %q, want %d and none", name, len(page.Events), page.Next, c.want)
			}
		}
	})

	t.Run("pages follow one another, the newest first, without a gap or a repeat", func(t *testing.T) {
		var seen []uint64
		q := reports.EventQuery{Limit: 3}
		for pages := 0; ; pages++ {
			if pages > 5 {
				t.Fatal("the pages do not end")
			}
			page := got[reports.EventPage](t)(r.Events(ctx, q))
			for _, e := range page.Events {
				seen = append(seen, e.Offset)
			}
			if q.Before = page.Next; q.Before == "" {
				break
			}
		}
		differs(t, "offsets", seen, []uint64{60, 50, 19, 12, 40, 30, 20, 11, 10, 4242, 900})
	})

	t.Run("one event whole", func(t *testing.T) {
		place := reports.Place{Topic: "shopify.orders", Partition: 0, Offset: 11}
		for name, near := range map[string]reports.Entity{"by its place": {}, "by what it is about": {Shop: acme, Kind: "order", ID: "1"}} {
			d := got[reports.EventDetail](t)(r.Event(ctx, place, near))
			if d.Body != rows[2].body || d.Truncated || d.ShopifyTopic != "orders/paid" || d.PartitionKey != "acme.myshopify.com|order/1" || d.Received.Sub(d.Triggered) != 3*time.Second {
				t.Errorf("%s: %+v", name, d)
			}
		}
		if _, err := r.Event(ctx, reports.Place{Topic: "shopify.orders", Offset: 4711}, reports.Entity{}); !errors.Is(err, reports.ErrNotFound) {
			t.Errorf("an event that is not there: error %v, want ErrNotFound", err)
		}
	})

	t.Run("a large body is cut between characters", func(t *testing.T) {
		databasetest.Exec(t, db, fmt.Sprintf(`INSERT INTO %%.events (id, shop, body, _topic, _partition, _offset) SELECT 'big', '%s', 'x' || repeat('ü', %d), 'shopify.orders', 0, 770`, acme, reports.MaxBody))
		d := got[reports.EventDetail](t)(r.Event(ctx, reports.Place{Topic: "shopify.orders", Offset: 770}, reports.Entity{Shop: acme}))
		if !d.Truncated || len(d.Body) > reports.MaxBody || strings.Trim(d.Body, "xü") != "" || d.BodyBytes != 2*reports.MaxBody+1 {
			t.Errorf("body of %d bytes is shown with %d, truncated %v", d.BodyBytes, len(d.Body), d.Truncated)
		}
	})
}
