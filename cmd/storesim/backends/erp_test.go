package backends

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"millrace/cmd/storesim/backends/effects"
)

func TestTheERPAPIKeepsItsContract(t *testing.T) {
	w := start(t, func(c *Config) { c.ERPToken = "tok" })
	const order, customer = "/v1/orders/" + acme + "/1", "/v1/customers/" + acme + "/1"
	at := func(clock string) string { return `{"version":"2026-11-23T` + clock + `","document":{"id":1}}` }
	for i, step := range []struct {
		path, key, body string
		status          int
		want            string
	}{
		{order, "a", at("10:00:00Z"), 201, `{"document_id":"doc-1"}`},
		{order, "a", `{"document": {"id": 1}, "version":"2026-11-23T10:00:00Z"}`, 201, `{"document_id":"doc-1"}`},
		{order, "a", at("10:00:01Z"), 422, `"key_reused"`},
		{customer, "a", at("10:00:00Z"), 422, `"key_reused"`}, // the same of something else
		{customer, "b", at("10:00:00Z"), 201, `{"document_id":"doc-2"}`},
		{order, "c", at("11:30:00+01:00"), 200, `{"document_id":"doc-1"}`},
		{order, "d", at("10:29:59Z"), 409, `"error":"stale"`},
		{order, "e", at("10:30:00Z"), 200, `{"document_id":"doc-1"}`}, // the same instant, under another key
		{"/v1/orders/else.example/1", "f", at("09:00:00Z"), 201, `"doc-3"`},
		{order, "g", `{"version":"yesterday","document":{}}`, 422, "version must be"},
		{order, "g", `{"version":"2026-11-23T10:00:00Z"}`, 422, "document must be an object"},
		{order, "g", `{"version":"2026-11-23T10:00:00Z","document":[1]}`, 422, "document must be an object"},
	} {
		status, answer, _, err := w.call(t.Context(), http.MethodPut, w.addr.ERP+step.path, step.key, step.body)
		if err != nil || status != step.status || !strings.Contains(answer, step.want) {
			t.Errorf("step %d: %d %s (%v), want %d %s", i, status, answer, err, step.status, step.want)
		}
	}
	s := w.summary().ERP
	if s.Documents != 5 || s.Versions != 4 || s.Subjects != 3 || s.Repeats != 1 || s.Requests != 12 || s.Refused["stale"] != 1 || s.Anomalies[effects.RepeatedVersion] != 1 {
		t.Errorf("summary %+v", s)
	}
	var entries Entries
	w.admin(http.MethodGet, "/ledger?subject=customer/1", "", &entries)
	if e := entries.Entries; len(e) != 1 || e[0].Backend != "erp" || e[0].Kind != effects.Documented || e[0].Shop != acme || e[0].Order != "" || e[0].Document != "doc-2" || e[0].Version != "2026-11-23T10:00:00Z" {
		t.Errorf("entries %+v", entries)
	}
	w.admin(http.MethodGet, "/ledger?order=1&shop="+acme, "", &entries)
	if len(entries.Entries) != 3 {
		t.Errorf("entries of the order %+v", entries)
	}
}

// TestAnERPThatTakesTwoCallsAtOnce is what a test of a service's limits looks like: the third call is told to come again, and the
// summary says how many there were.
func TestAnERPThatTakesTwoCallsAtOnce(t *testing.T) {
	w := start(t, nil, "erp:timeout_rate=1,concurrency=2", "erp/else.example:concurrency=2")
	const body = `{"version":"2026-11-23T10:00:00Z","document":{}}`
	ctx, giveUp := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, order := range []string{"1", "2"} {
		wg.Go(func() { _, _, _, _ = w.call(ctx, http.MethodPut, w.addr.ERP+"/v1/orders/s/"+order, order, body) })
	}
	w.until("two calls", func(s effects.Summary) bool { return s.ERP.Faults["timeout"] == 2 })
	status, answer, h, err := w.call(t.Context(), http.MethodPut, w.addr.ERP+"/v1/orders/s/3", "3", body)
	if status != 429 || h.Get("Retry-After") != "1" || answer != `{"error":"rate_limited"}` {
		t.Errorf("%d %s, Retry-After %q (%v)", status, answer, h.Get("Retry-After"), err)
	}
	if status, _, _, err := w.call(t.Context(), http.MethodPut, w.addr.ERP+"/v1/orders/else.example/3", "4", body); status != 201 {
		t.Errorf("another shop: %d (%v)", status, err)
	}
	giveUp()
	wg.Wait()
	if s := w.summary().ERP; s.AtOnce != 3 || s.PerSecond < 2 || s.PerSecond > 4 || s.Faults["rate_limited"] != 1 {
		t.Errorf("summary %+v", s)
	}
}
