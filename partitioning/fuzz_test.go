package partitioning_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"millrace/partitioning"
)

// FuzzFor feeds any topic with any body. Invariants:
//   - it never panics, and says the same of the same input;
//   - an error is ErrUnparsable and comes with no route;
//   - what it takes for JSON, encoding/json takes for JSON, and the other way round up to MaxDepth;
//   - the key is the shop, "|" and the subject; the subject is "shop" or <kind>/<id> in printable ASCII with one slash and no
//     "|", and bounded;
//   - the body is not changed.
func FuzzFor(f *testing.F) {
	for _, body := range []string{
		`{"id":820982911946154508}`, `{"id":"gid://shopify/Order/1?x=y"}`, `{"order_id":null,"id":1e3}`, `{"token":"a|b/c\u0000"}`, `{"id":1,"id":2}`,
		`{"order":{"id":5}}`, `[{"id":1}]`, `"{\"id\":1}"`, "{\"id\":\"\xff\"}", `{"merge_intents":[{"fulfillment_order_id":3}]}`, ``, `{`, `{"a":[[[[]]]]}`,
	} {
		for _, topic := range []string{"orders/create", "returns/request", "checkouts/create", "fulfillment_orders/merged", "customer.tags_added", "new_things/made", "x|y"} {
			f.Add(topic, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, topic string, body []byte) {
		before := string(body)
		got, err := partitioning.For(shop, topic, body)
		again, errAgain := partitioning.For(shop, topic, body)
		if got != again || (err == nil) != (errAgain == nil) {
			t.Fatalf("first %+v (%v), then %+v (%v)", got, err, again, errAgain)
		}
		if string(body) != before {
			t.Fatal("the body was changed")
		}
		shallow := strings.Count(before, "[")+strings.Count(before, "{") <= partitioning.MaxDepth
		if valid := json.Valid(body); valid != (err == nil) && (shallow || !valid) {
			t.Fatalf("encoding/json says valid: %v, For says %v", valid, err)
		}
		if err != nil {
			if !errors.Is(err, partitioning.ErrUnparsable) || got != (partitioning.Route{}) {
				t.Fatalf("error %v with route %+v", err, got)
			}
			return
		}
		checkRoute(t, got)
	})
}

// checkRoute checks what holds for every route.
func checkRoute(t *testing.T, r partitioning.Route) {
	t.Helper()
	if r.Key != shop+"|"+r.Subject || !strings.HasPrefix(r.Topic, "shopify.") {
		t.Fatalf("route %+v", r)
	}
	kind, id, hasID := strings.Cut(r.Subject, "/")
	if hasID == (kind == "shop") || hasID && (id == "" || kind == "") {
		t.Fatalf("subject %q", r.Subject)
	}
	if len(id) > partitioning.MaxIDBytes || len(kind) > 64 {
		t.Fatalf("subject of %d bytes: %q", len(r.Subject), r.Subject)
	}
	for _, c := range []byte(kind + id) {
		if c <= ' ' || c > '~' || c == '|' || c == '/' {
			t.Fatalf("subject %q has byte %#x", r.Subject, c)
		}
	}
}

// FuzzIDForms writes one id in every form that Shopify uses. Invariant: all forms of it give one key, and different numbers
// different keys.
func FuzzIDForms(f *testing.F) {
	for _, id := range []uint64{1, 820982911946154508, 1<<53 + 1, 1<<63 - 1, 1<<64 - 1, 0} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id uint64) {
		digits := strconv.FormatUint(id, 10)
		want := shop + "|order/" + digits
		if id == 0 {
			want = shop + "|shop"
		}
		for _, form := range []string{digits, `"` + digits + `"`, `"gid://shopify/Order/` + digits + `"`, `"gid:\/\/shopify\/Order\/` + digits + `?a=/b"`} {
			got, err := partitioning.For(shop, "refunds/create", []byte(`{"order_id":`+form+`}`))
			if err != nil || got.Key != want {
				t.Fatalf("%s gives %q and error %v, want %q", form, got.Key, err, want)
			}
		}
	})
}

// FuzzQuarantine feeds any webhook id, which is an unsigned header.
func FuzzQuarantine(f *testing.F) {
	f.Add("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043")
	f.Add("a|b\x00/é")
	f.Add(strings.Repeat("é", 100))
	f.Fuzz(func(t *testing.T, id string) { checkRoute(t, partitioning.Quarantine(shop, id)) })
}
