package story

import (
	"encoding/json"
	"testing"
	"time"

	"millrace/partitioning"
)

func tell(t *testing.T, seed uint64, n int, duplicates, disorder float64) []Event {
	t.Helper()
	at := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	s := New(Config{Seed: seed, Shops: 20, Duplicates: duplicates, Disorder: disorder, Now: func() time.Time {
		at = at.Add(time.Millisecond)
		return at
	}})
	events := make([]Event, n)
	for i := range events {
		events[i] = s.Next()
	}
	return events
}

func TestTheSameSeedTellsTheSameStory(t *testing.T) {
	a, b, c := tell(t, 7, 3000, 0.05, 0.05), tell(t, 7, 3000, 0.05, 0.05), tell(t, 8, 3000, 0.05, 0.05)
	differs := 0
	for i := range a {
		if a[i].ID != b[i].ID || string(a[i].Body) != string(b[i].Body) || a[i].Topic != b[i].Topic {
			t.Fatalf("event %d: %s %s, %s %s", i, a[i].ID, a[i].Topic, b[i].ID, b[i].Topic)
		}
		if string(a[i].Body) != string(c[i].Body) {
			differs++
		}
	}
	if differs < 1000 {
		t.Errorf("another seed changes %d of %d events", differs, len(a))
	}
}

func TestTheStoryHasEverythingThatCanHappen(t *testing.T) {
	topics := map[string]int{}
	currencies := map[string]bool{}
	for _, e := range tell(t, 1, 10_000, 0, 0) {
		topics[e.Topic]++
		var b struct {
			Currency string `json:"currency"`
		}
		if err := json.Unmarshal(e.Body, &b); err != nil {
			t.Fatal(err)
		}
		currencies[b.Currency] = true
		route, err := partitioning.For(e.Shop, e.Topic, e.Body)
		if err != nil || !route.Known || route.Subject == "shop" {
			t.Fatalf("%s: route %+v, %v", e.Topic, route, err)
		}
	}
	for _, topic := range []string{
		"orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/fulfilled", "orders/partially_fulfilled", "orders/delete", "refunds/create",
		"fulfillments/create", "fulfillments/update", "checkouts/create", "checkouts/update", "checkouts/delete", "products/create", "products/update",
		"products/delete", "customers/create", "customers/update", "customers/delete", "inventory_levels/update",
	} {
		if topics[topic] < 3 {
			t.Errorf("%d of %s", topics[topic], topic)
		}
	}
	if len(currencies) < 5 {
		t.Errorf("currencies %v", currencies)
	}
}

func TestRepeatsAndDisorder(t *testing.T) {
	first, late, twice := map[string]int{}, 0, 0
	highest := ""
	for i, e := range tell(t, 1, 6_000, 0.05, 0.05) {
		if _, again := first[e.ID]; again {
			twice++
			continue
		}
		first[e.ID] = i
		if e.ID < highest {
			late++
		}
		highest = max(highest, e.ID)
	}
	if twice < 180 || twice > 420 || late < 180 || late > 420 {
		t.Errorf("of 6000 events %d came twice and %d late", twice, late)
	}
}

func TestAPhantomWouldBeTheNewestVersion(t *testing.T) {
	now := time.Now()
	s := New(Config{Seed: 1, Shops: 3, Now: func() time.Time { return now }})
	for range 2000 {
		s.Next()
	}
	e := s.Phantom()
	var b orderBody
	if err := json.Unmarshal(e.Body, &b); err != nil || b.ID == 0 || !IsPhantom(e.ID) || IsPhantom(s.Next().ID) {
		t.Fatalf("%+v, %v", e, err)
	}
	if updated, err := time.Parse(time.RFC3339, b.UpdatedAt); err != nil || updated.Before(now) {
		t.Errorf("updated at %s", b.UpdatedAt)
	}
}
