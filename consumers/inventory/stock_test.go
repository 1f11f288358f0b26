package inventory

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/outgoing"
	"millrace/schemas/secret"
)

// request is what the API got.
type request struct {
	method, path, body string
	header             http.Header
}

// api serves one answer and keeps the requests.
func api(t *testing.T, status int, header http.Header, answer string) (base string, client *http.Client, got *[]request) {
	t.Helper()
	got = &[]request{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		*got = append(*got, request{r.Method, r.URL.EscapedPath(), string(body), r.Header})
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	client = outgoing.NewHTTPClient(1)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		srv.Close()
	})
	return srv.URL, client, got
}

func stockAt(base string, client *http.Client) *httpStock {
	return &httpStock{outgoing.NewAPI(outgoing.HTTPConfig{URL: base}, outgoing.APIDeps{
		Service: Name, Setting: "inventory.stock", HTTP: client, Logger: slog.New(slog.DiscardHandler),
	})}
}

func TestTheStockAPIIsSpokenToAsItsContractSays(t *testing.T) {
	base, client, got := api(t, http.StatusCreated, nil, `{"reservation_id":"r"}`)
	cfg := DefaultConfig()
	cfg.Stock = outgoing.HTTPConfig{URL: base + "/api/", Token: secret.Secret("hush")}
	s, err := Service(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), HTTP: client})
	if err != nil {
		t.Fatalf("Service() error: %v", err)
	}
	if s.Name != "inventory" || !s.State || s.Gate == nil || s.Dedupe.WebhookIDs == 0 || s.Dedupe.UpdatedAt != nil || len(s.Topics) != 1 || s.Topics[0] != "shopify.orders" {
		t.Errorf("service %+v", s)
	}
	b := &bench{warehouse: newWarehouse(), t: t, h: s.Handler}
	b.want(b.on("orders/create", created), grouptest.Done, "", 0)
	b.want(b.on("refunds/create", refunded(9, 11, 1, "return")), grouptest.Done, "", 0)
	b.want(b.on("orders/cancelled", cancelled("")), grouptest.Done, "", 0)
	want := []request{
		{method: "POST", path: "/api/v1/reservations", body: `{"shop":"acme.myshopify.com","order_id":"1","lines":[{"variant_id":"111","sku":"A","quantity":3},{"variant_id":"112","sku":"","quantity":2}]}`},
		{method: "POST", path: "/api/v1/reservations/acme.myshopify.com/1/release", body: `{"reason":"refunded","lines":[{"variant_id":"111","sku":"A","quantity":1}]}`},
		{method: "POST", path: "/api/v1/reservations/acme.myshopify.com/1/release", body: `{"reason":"cancelled"}`},
	}
	keys := []string{"reserve:acme.myshopify.com:1", "release:acme.myshopify.com:9", "release:acme.myshopify.com:1:cancelled"}
	if len(*got) != len(want) {
		t.Fatalf("%d requests, want %d", len(*got), len(want))
	}
	for i, r := range *got {
		h := r.header
		if r.method != want[i].method || r.path != want[i].path || r.body != want[i].body {
			t.Errorf("request %s %s %s, want %+v", r.method, r.path, r.body, want[i])
		}
		if h.Get("Idempotency-Key") != keys[i] || h.Get("Authorization") != "Bearer hush" || h.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v, want key %s, the token and the type", h, keys[i])
		}
	}
}

func TestAnAnswerOfTheStockAPIBecomesAVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		header http.Header
		answer string
		kind   grouptest.Kind
		ill    bool // the API, not the request
	}{
		"reserved":           {status: 201, answer: `{"reservation_id":"r"}`, kind: grouptest.Done},
		"sold out":           {status: 409, answer: `{"error":"insufficient_stock"}`, kind: grouptest.Permanent},
		"refused":            {status: 422, answer: `{"error":"invalid_request"}`, kind: grouptest.Permanent},
		"not known":          {status: 404, answer: `{"error":"unknown_reservation"}`, kind: grouptest.NotReady},
		"not this API":       {status: 404, answer: `<html>nothing here`, kind: grouptest.Retry, ill: true},
		"token refused":      {status: 401, kind: grouptest.Retry, ill: true},
		"moved":              {status: 307, header: http.Header{"Location": {"/elsewhere"}}, kind: grouptest.Retry, ill: true},
		"too many":           {status: 429, header: http.Header{"Retry-After": {"7"}}, kind: grouptest.Unavailable},
		"broken":             {status: 500, kind: grouptest.Retry, ill: true},
		"closed for a while": {status: 503, header: http.Header{"Retry-After": {"7"}}, kind: grouptest.Unavailable, ill: true},
	} {
		t.Run(name, func(t *testing.T) {
			base, client, got := api(t, tc.status, tc.header, tc.answer)
			b := &bench{warehouse: newWarehouse(), t: t, h: newHandler(t, nil, func(c *Config) { c.Call.Breaker.MinimumCalls = 1 })}
			h, ok := b.h.(*handler)
			if !ok {
				t.Fatal("not a handler")
			}
			h.stock = stockAt(base, client)
			// A release knows all answers; its order is in the state.
			b.StateValue = []byte(`{"v":1,"known":true,"lines":[{"id":11,"variant":111,"reserved":1}]}`)
			kind := tc.kind
			if tc.ill { // it opens the breaker at once, and what does burns no attempt
				kind = grouptest.Unavailable
			}
			b.want(b.on("orders/cancelled", cancelled("")), kind, "", 0)
			if len(*got) != 1 {
				t.Errorf("%d requests, want 1", len(*got))
			}
			if open := h.call.Permits() == 0; open != tc.ill {
				t.Errorf("the answer opens the breaker: %v, want %v", open, tc.ill)
			}
		})
	}
}

func TestAStockAPIThatIsAwayIsTriedAgainWithItsCause(t *testing.T) {
	base, client, _ := api(t, 200, nil, "")
	s := stockAt(base, client)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Reserve(ctx, "k", Reservation{}); !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "reserve stock: ") {
		t.Errorf("Reserve() error: %v", err)
	}
	s = stockAt("http://127.0.0.1:1", client) // nothing listens there
	if err := s.Release(t.Context(), "k", Release{}); grouptest.Verdict(err).Kind != grouptest.Retry || !strings.HasPrefix(err.Error(), "release stock: ") {
		t.Errorf("Release() error: %v", err)
	}
}
