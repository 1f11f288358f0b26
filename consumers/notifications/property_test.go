package notifications

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"pgregory.net/rapid"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
)

// Whatever comes twice, fails in between, comes in another version or under another webhook id: there is one mail per order and
// per shipment. Only a crash between the server's acknowledgement and the commit repeats one, and then the repeat names the same
// event.
func TestOneMailPerThingWhateverIsRepeated(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sent := map[string][]string{} // Message-IDs by event key
		server := &outbox{}
		s, err := Service(DefaultConfig(), Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Mailer: server})
		if err != nil {
			t.Fatal(err)
		}
		unit := &grouptest.Unit{}
		crashes := map[string]int{}
		wanted := map[string]bool{}
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			e, thing := drawEvent(t)
			server.fail = nil
			if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
				server.fail = func() error { return errors.New("away") }
			}
			if server.fail == nil && rapid.IntRange(0, 4).Draw(t, "crashes") == 0 {
				before := len(server.mails)
				_ = s.Handler.Handle(context.Background(), e, &grouptest.Unit{StateValue: unit.StateValue}) // what it stored is lost
				crashes[thing] += len(server.mails) - before
				continue
			}
			if out := unit.Handle(context.Background(), s.Handler, e); out.Kind == grouptest.Done {
				wanted[thing] = true
			}
		}
		for _, m := range server.mails {
			sent[m.EventKey] = append(sent[m.EventKey], m.ID)
		}
		ids := map[string]string{}
		for key, list := range sent {
			thing := strings.TrimPrefix(key, "acme.myshopify.com/")
			most := crashes[thing]
			if wanted[thing] {
				most++
			}
			if len(list) != most {
				t.Errorf("%d mails about %s, want %d (%d crashes)", len(list), thing, most, crashes[thing])
			}
			for _, id := range list {
				if other, taken := ids[id]; taken && other != key {
					t.Errorf("%s and %s have the Message-ID %s", key, other, id)
				}
				ids[id] = key
			}
		}
		for key, list := range sent {
			if n := len(distinct(list)); n > 1 {
				t.Errorf("%d Message-IDs for %s", n, key)
			}
		}
		for thing := range wanted {
			if len(sent["acme.myshopify.com/"+thing]) == 0 {
				t.Errorf("no mail about %s", thing)
			}
		}
	})
}

// drawEvent makes an event of one order, and names the thing that it is about.
func drawEvent(t *rapid.T) (*group.Event, string) {
	webhook := fmt.Sprint("w", rapid.IntRange(0, 5).Draw(t, "webhook"))
	topic := rapid.SampledFrom([]string{"orders/create", "fulfillments/create", "fulfillments/update", "orders/updated"}).Draw(t, "topic")
	id := rapid.IntRange(1, 3).Draw(t, "id")
	number := rapid.SampledFrom([]string{"", "1Z", "2Z"}).Draw(t, "number")
	body, thing := `{"id":1,"name":"#1","email":"ada@example.com"}`, "order_confirmation/1"
	if strings.HasPrefix(topic, "fulfillments") {
		body = fmt.Sprintf(`{"id":%d,"order_id":1,"name":"#1.%d","email":"ada@example.com","tracking_number":%q}`, id, id, number)
		thing = fmt.Sprintf("shipping_confirmation/%d", id)
	}
	e := event(topic, body)
	e.ID = webhook
	return e, thing
}

func distinct(list []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range list {
		set[s] = true
	}
	return set
}
