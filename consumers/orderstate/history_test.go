package orderstate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millrace/consumers/group"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

// shelf is a source with the events of one order.
type shelf []*group.Event

func (s shelf) OrderEvents(_ context.Context, _, _ string, f func(*group.Event) error) error {
	for _, e := range s {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

func shelved(t *testing.T, events ...schemas.OrderEvent) shelf {
	t.Helper()
	var s shelf
	for i := range events {
		r, err := orderevent.Record(&events[i])
		if err != nil {
			t.Fatal(err)
		}
		e := event(t, r)
		e.Offset = int64(i)
		s = append(s, e)
	}
	return s
}

func TestAHistorySaysWhatEachEventDid(t *testing.T) {
	created := tell(1, "o", &schemas.OrderCreated{OrderVersion: version(1, "paid")})
	s := shelved(t,
		tell(2, "r", &schemas.OrderRefunded{OrderRefund: schemas.OrderRefund{RefundID: "9"}}), created, created,
		tell(5, "d", &schemas.OrderDeleted{}),
		tell(0, "u", &schemas.OrderUpdated{OrderVersion: version(0, "pending")}),
		tell(6, "x", &schemas.ServiceSettled{Service: "erp"}),
	)
	last := s[len(s)-1] // what a newer program wrote
	last.Topic, last.Body = schemas.OrderEventTopic("OrderTeleported"), []byte(strings.Replace(string(last.Body), "ServiceSettled", "OrderTeleported", 1))
	foreign := *s[0]
	foreign.Body = []byte("no JSON")
	h, err := Tell(t.Context(), append(s, &foreign), "acme.myshopify.com", "1", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range h.View().Timeline {
		got = append(got, strings.TrimSpace(l.Type+" "+string(l.Did)+" "+l.Note))
	}
	want := []string{
		"OrderRefunded waits waits for its order", "OrderCreated applied", "OrderCreated repeated known already", "OrderDeleted applied",
		"OrderUpdated older older than what was known: not applied, after its deletion", "OrderTeleported unreadable not applied",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if h.Events[5].Offset != 5 || !strings.Contains(string(h.Events[5].Value), "OrderTeleported") {
		t.Errorf("the last event is %+v", h.Events[5])
	}
}

func TestAtATimeIsWhatWasKnownThen(t *testing.T) {
	late := tell(2, "late", &schemas.OrderUpdated{OrderVersion: version(2, "paid")})
	late.Known = at(50)
	s := shelved(t, tell(1, "o", &schemas.OrderCreated{OrderVersion: version(1, "pending")}), late)
	for second, want := range map[int]string{49: "pending", 50: "paid"} {
		h, err := Tell(t.Context(), s, "acme.myshopify.com", "1", at(second))
		if err != nil || h.State.Order.FinancialStatus != want {
			t.Errorf("at %d: %s, %v, want %s", second, h.State.Text(), err, want)
		}
	}
	if _, err := Tell(t.Context(), s, "acme.myshopify.com", "1", at(0)); !errors.Is(err, ErrUnknownOrder) || !strings.Contains(err.Error(), "came later") {
		t.Errorf("before its first event: %v", err)
	}
	if _, err := Tell(t.Context(), shelf{}, "acme.myshopify.com", "1", time.Time{}); !errors.Is(err, ErrUnknownOrder) {
		t.Errorf("without events: %v", err)
	}
}

// TestEveryTypeOfEventIsDescribed : a type without words would be an empty line in every timeline.
func TestEveryTypeOfEventIsDescribed(t *testing.T) {
	for _, spec := range schemas.OrderEventTypes() {
		if text := Describe(&schemas.OrderEvent{Data: spec.New()}); text == "" {
			t.Errorf("%s has no description", spec.Name)
		}
	}
	lines := make([]schemas.StockLine, 7)
	if text := Describe(&schemas.OrderEvent{Data: &schemas.InventoryReserved{Lines: lines}}); !strings.HasSuffix(text, ", and 2 more") {
		t.Errorf("seven lines: %s", text)
	}
}
