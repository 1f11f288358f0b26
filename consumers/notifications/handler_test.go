package notifications

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

// outbox is a Mailer that keeps what it is given, or fails.
type outbox struct {
	mails []*Message
	fail  func() error
}

func (o *outbox) Send(_ context.Context, m *Message) error {
	if o.fail != nil {
		if err := o.fail(); err != nil {
			return err
		}
	}
	o.mails = append(o.mails, m)
	return nil
}

func newService(t *testing.T, cfg Config, m Mailer) group.Service {
	t.Helper()
	s, err := Service(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), Mailer: m})
	if err != nil {
		t.Fatalf("Service() error: %v", err)
	}
	return s
}

func event(topic, body string) *group.Event {
	return &group.Event{Event: schemas.Event{ID: "w1", Shop: "acme.myshopify.com", Topic: topic, Time: time.Now()}, Body: []byte(body), Attempt: 1}
}

func file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// with is the JSON object body with some members replaced.
func with(t *testing.T, body string, members map[string]any) string {
	t.Helper()
	var object map[string]any
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&object); err != nil {
		t.Fatal(err)
	}
	maps.Copy(object, members)
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhichEventsAreMailed(t *testing.T) {
	t.Parallel()
	order, fulfilment := file(t, "order.json"), file(t, "fulfillment.json")
	untracked := with(t, fulfilment, map[string]any{"tracking_number": nil, "tracking_numbers": []string{}, "tracking_url": nil, "tracking_urls": []string{}})
	paid := func(c *Config) { c.OrderOn = OrderPaid }
	created := func(c *Config) { c.ShippingOn = ShippingCreated }
	anyAge := func(c *Config) { c.MaxAge = 0 }
	for name, c := range map[string]struct {
		topic, body string
		tune        func(*Config)
		age         time.Duration
		kind        grouptest.Kind
		reason      string
	}{
		"an order":                           {topic: "orders/create", body: order, kind: grouptest.Done},
		"a paid order":                       {topic: "orders/paid", body: order, kind: grouptest.Skipped, reason: "other_topic"},
		"a paid order, by setting":           {topic: "orders/paid", body: order, tune: paid, kind: grouptest.Done},
		"an order, by setting":               {topic: "orders/create", body: order, tune: paid, kind: grouptest.Skipped, reason: "other_topic"},
		"a change of an order":               {topic: "orders/updated", body: order, kind: grouptest.Skipped, reason: "other_topic"},
		"a cancelled order":                  {topic: "orders/create", body: with(t, order, map[string]any{"cancelled_at": "2026-01-01T00:00:00Z"}), kind: grouptest.Skipped, reason: "cancelled"},
		"an order at the counter":            {topic: "orders/create", body: with(t, order, map[string]any{"email": "", "contact_email": nil, "customer": nil}), kind: grouptest.Skipped, reason: "no_recipient"},
		"an order with a useless address":    {topic: "orders/create", body: with(t, order, map[string]any{"email": "a, b@c", "contact_email": "x", "customer": nil}), kind: grouptest.Permanent},
		"an order without an id":             {topic: "orders/create", body: `{"email":"ada@example.com"}`, kind: grouptest.Permanent},
		"an order with its id alone":         {topic: "orders/create", body: `{"id":1}`, kind: grouptest.Skipped, reason: "no_recipient"},
		"what is not JSON":                   {topic: "orders/create", body: `{"id":`, kind: grouptest.Permanent},
		"an old order":                       {topic: "orders/create", body: order, age: 73 * time.Hour, kind: grouptest.Skipped, reason: "too_old"},
		"an old order, by setting":           {topic: "orders/create", body: order, age: 730 * time.Hour, tune: anyAge, kind: grouptest.Done},
		"a shipment":                         {topic: "fulfillments/create", body: fulfilment, kind: grouptest.Done},
		"a new version of a shipment":        {topic: "fulfillments/update", body: fulfilment, kind: grouptest.Done},
		"an untracked shipment":              {topic: "fulfillments/create", body: untracked, kind: grouptest.Skipped, reason: "not_tracked"},
		"an untracked shipment, by setting":  {topic: "fulfillments/create", body: untracked, tune: created, kind: grouptest.Done},
		"a cancelled shipment":               {topic: "fulfillments/update", body: with(t, fulfilment, map[string]any{"status": "cancelled"}), kind: grouptest.Skipped, reason: "not_shipped"},
		"a shipment without a recipient":     {topic: "fulfillments/create", body: with(t, fulfilment, map[string]any{"email": nil}), kind: grouptest.Skipped, reason: "no_recipient"},
		"a shipment without an id":           {topic: "fulfillments/create", body: `{"order_id":1,"tracking_number":"1"}`, kind: grouptest.Permanent},
		"a shipment that is not JSON":        {topic: "fulfillments/create", body: `[]`, kind: grouptest.Permanent},
		"an event of something else at all":  {topic: "disputes/create", body: `{`, kind: grouptest.Skipped, reason: "other_topic"},
		"a shipment with only an old number": {topic: "fulfillments/create", body: with(t, untracked, map[string]any{"tracking_number": "1Z"}), kind: grouptest.Done},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, box := DefaultConfig(), &outbox{}
			if c.tune != nil {
				c.tune(&cfg)
			}
			e := event(c.topic, c.body)
			e.Time = e.Time.Add(-c.age)
			unit := &grouptest.Unit{}
			got := unit.Handle(t.Context(), newService(t, cfg, box).Handler, e)
			if got.Kind != c.kind || got.Reason != c.reason {
				t.Errorf("Handle() = %s %q (%v), want %s %q", got.Kind, got.Reason, got.Err, c.kind, c.reason)
			}
			sent := got.Kind == grouptest.Done
			if sent != (len(box.mails) == 1) || sent != (len(unit.StateValue) > 0) {
				t.Errorf("%d mails and state %q after %s", len(box.mails), unit.StateValue, got.Kind)
			}
			if sent && box.mails[0].To != "ada@example.com" {
				t.Errorf("mail to %s", box.mails[0].To)
			}
			if note := strings.Join(unit.Notes, "; "); sent != strings.HasPrefix(note, "mailed ") || strings.Contains(note, "@") {
				t.Errorf("noted %q after %s", note, got.Kind)
			}
		})
	}
}

func TestTheRecipientIsTheFirstUsableAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		candidates []string
		want       string
		bad        bool
	}{
		{[]string{"a@b.example", "c@d.example"}, "a@b.example", false},
		{[]string{"", " c@d.example "}, "c@d.example", false},
		{[]string{"no address", "c@d.example"}, "c@d.example", false},
		{[]string{"a@b.example, c@d.example"}, "", true},
		{[]string{"a@b.example\r\nBcc: c@d.example"}, "", true},
		{[]string{"Name <a@b.example>"}, "", true},
		{[]string{"", ""}, "", false},
	} {
		got, err := recipient(c.candidates...)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("recipient(%q) = %q, %v, want %q", c.candidates, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "@") {
			t.Errorf("the error has the address: %v", err)
		}
	}
}

func TestAFailedMailIsNotTakenForSent(t *testing.T) {
	t.Parallel()
	box := &outbox{fail: func() error { return errors.New("away") }}
	h, unit, e := newService(t, DefaultConfig(), box).Handler, &grouptest.Unit{}, event("orders/create", file(t, "order.json"))
	if got := unit.Handle(t.Context(), h, e); got.Kind != grouptest.Retry {
		t.Fatalf("Handle() = %s, want a retry", got.Kind)
	}
	box.fail = nil
	if got := unit.Handle(t.Context(), h, e); got.Kind != grouptest.Done || len(box.mails) != 1 {
		t.Errorf("Handle() again = %s, %d mails, want one", got.Kind, len(box.mails))
	}
}

func TestAMailIsToldToTheEventStoreWithoutItsAddress(t *testing.T) {
	s := newService(t, DefaultConfig(), &outbox{})
	u := &grouptest.Unit{Topics: s.Emits}
	e := event("orders/create", file(t, "order.json"))
	e.Subject = "order/820982911946154508"
	for range 2 { // the second time it has been sent
		u.Handle(t.Context(), s.Handler, e)
	}
	if len(u.Emitted) != 1 {
		t.Fatalf("%d records, want one", len(u.Emitted))
	}
	meta, err := schemas.ParseHeaders(u.Emitted[0].Headers)
	if err != nil {
		t.Fatal(err)
	}
	fact, err := schemas.DecodeOrderEvent(&meta, u.Emitted[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	sent, ok := fact.Data.(*schemas.ConfirmationSent)
	if !ok || sent.Kind != kindOrder || !strings.HasPrefix(sent.Effect.Effect, "acme.myshopify.com/order_confirmation/") || fact.By != Name {
		t.Errorf("event %+v of %+v", fact, fact.Data)
	}
	if strings.Contains(string(u.Emitted[0].Value), "@") {
		t.Errorf("the event has an address: %s", u.Emitted[0].Value)
	}
}

func TestAStateThatCannotBeReadIsADeadLetter(t *testing.T) {
	t.Parallel()
	box := &outbox{}
	unit := &grouptest.Unit{StateValue: []byte("{")}
	got := unit.Handle(t.Context(), newService(t, DefaultConfig(), box).Handler, event("orders/create", file(t, "order.json")))
	if got.Kind != grouptest.Permanent || len(box.mails) != 0 {
		t.Errorf("Handle() = %s, %d mails, want a dead letter and none", got.Kind, len(box.mails))
	}
}

func TestARefusedLoginIsLoggedOnceAMinuteWithoutThePassword(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	cfg := DefaultConfig()
	cfg.SMTP.Password, cfg.SMTP.Username = "hush-hush", "u"
	s, err := Service(cfg, Deps{
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Registerer: prometheus.NewPedanticRegistry(),
		Mailer: &outbox{fail: func() error { return errors.Join(errLogin, errors.New("535 no")) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := new(grouptest.Unit).Handle(t.Context(), s.Handler, event("orders/create", file(t, "order.json"))); got.Kind != grouptest.Retry {
			t.Errorf("Handle() = %s, want a retry", got.Kind)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || strings.Contains(log.String(), "hush") {
		t.Errorf("%d lines, want one without the password:\n%s", n, log.String())
	}
}

func TestServiceTellsWhatItCannotUse(t *testing.T) {
	t.Parallel()
	deps := func() Deps {
		return Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()}
	}
	for want, spoil := range map[string]func(*Config){
		"smtp.ca_file": func(c *Config) { c.SMTP.CAFile = "testdata/order.json" },
		"smtp.address": func(c *Config) { c.SMTP.Address = "host:smtp" },
		"order_on":     func(c *Config) { c.OrderOn = "x" },
		"templates":    func(c *Config) { c.Templates = "testdata/none" },
	} {
		cfg := DefaultConfig()
		spoil(&cfg)
		if _, err := Service(cfg, deps()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Service() error = %v, want %s", err, want)
		}
	}
	s := newService(t, DefaultConfig(), nil)
	if s.Name != "notifications" || !s.State || s.Gate == nil || s.Dedupe.WebhookIDs == 0 || len(s.Topics) != 1 || s.Topics[0] != "shopify.orders" {
		t.Errorf("Service() = %+v", s)
	}
}

func TestASagaAsksForTheConfirmationOnce(t *testing.T) {
	cfg, out := DefaultConfig(), &outbox{}
	cfg.OrderOn = OrderSaga
	s := newService(t, cfg, out)
	if !slices.Equal(s.Topics, []string{schemas.DomainOrders.KafkaTopic(), schemas.OrderEventsTopic}) {
		t.Errorf("it reads %q", s.Topics)
	}
	total, err := schemas.ParseMoney("1234.50")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(order *schemas.OrderVersion) *group.Event {
		fact := schemas.OrderEvent{
			ID: "s1", Shop: "acme.myshopify.com", OrderID: "820982911946154508", At: time.Now(), By: "saga", Cause: "w1",
			Data: &schemas.ConfirmationRequested{Kind: kindOrder, Order: order},
		}
		r, err := orderevent.Record(&fact)
		if err != nil {
			t.Fatal(err)
		}
		return &group.Event{Event: fact.Event(), Body: r.Value, Attempt: 1}
	}
	order := &schemas.OrderVersion{
		Name: "#1001", Currency: "EUR", CurrentTotalPrice: total, Lines: []schemas.OrderLine{{Title: "Mug", CurrentQuantity: 2, Price: total}, {Title: "Gone"}},
		Contact: &schemas.OrderContact{Email: "bob@example.com", Address: &schemas.Address{FirstName: "Bob", City: "Bonn"}},
	}
	b := grouptest.Unit{Topics: s.Emits}
	if o := b.Handle(t.Context(), s.Handler, event("orders/create", file(t, "order.json"))); o.Kind != grouptest.Skipped {
		t.Errorf("the order's own event: %+v", o)
	}
	for range 2 {
		b.Handle(t.Context(), s.Handler, ask(order))
	}
	if len(out.mails) != 1 {
		t.Fatalf("%d mails, want one", len(out.mails))
	}
	m := out.mails[0]
	if m.To != "bob@example.com" || !strings.Contains(m.Text, "2 x Mug  1,234.50 EUR") || !strings.Contains(m.Text, "Hello Bob") || strings.Contains(m.Text, "Gone") ||
		m.EventKey != "acme.myshopify.com/order_confirmation/820982911946154508" {
		t.Errorf("%+v", m)
	}
	order.Contact = nil // translate.contact is off
	other := grouptest.Unit{Topics: s.Emits}
	if o := other.Handle(t.Context(), s.Handler, ask(order)); o.Kind != grouptest.Skipped || o.Reason != "no_recipient" {
		t.Errorf("without an address: %+v", o)
	}
}
