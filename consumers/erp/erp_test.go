package erp

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/outgoing"
	"millrace/schemas/secret"
)

func TestTheERPIsSpokenToAsItsContractSays(t *testing.T) {
	type request struct{ method, path, key, token, body string }
	var got []request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		got = append(got, request{r.Method, r.URL.EscapedPath(), r.Header.Get("Idempotency-Key"), r.Header.Get("Authorization"), string(body)})
		_, _ = io.WriteString(w, `{"document_id":"D-17"}`)
	}))
	client := outgoing.NewHTTPClient(1)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		srv.Close()
	})
	cfg := DefaultConfig()
	cfg.API = outgoing.HTTPConfig{URL: srv.URL + "/erp/", Token: secret.Secret("hush")}
	s, err := Service(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), HTTP: client})
	if err != nil {
		t.Fatalf("Service() error: %v", err)
	}
	for topic, body := range map[string]string{"orders/create": order(1, "12.50"), "customers/create": `{"id":7,"updated_at":"2026-11-23T10:00:01Z"}`} {
		u := &grouptest.Unit{Topics: Emits()}
		if out := u.Handle(t.Context(), s.Handler, event(topic, body, 0)); out.Kind != grouptest.Done || len(u.Notes) != 1 || u.Notes[0] != "sent to the ERP, as D-17" {
			t.Errorf("%s: %+v, notes %q", topic, out, u.Notes)
		}
	}
	want := map[request]bool{
		{
			"PUT", "/erp/v1/orders/acme.myshopify.com/1", key("01"), "Bearer hush",
			`{"version":"2026-11-23T10:00:01Z","document":{"order_id":"1","number":"#1001","taxes_included":false,"total":"12.50","lines":[{"line_id":"11","sku":"A","quantity":1}]}}`,
		}: true,
		{
			"PUT", "/erp/v1/customers/acme.myshopify.com/7", "erp:acme.myshopify.com:customer/7:2026-11-23T10:00:01Z", "Bearer hush",
			`{"version":"2026-11-23T10:00:01Z","document":{"customer_id":"7","tax_exempt":false}}`,
		}: true,
	}
	for _, r := range got {
		if !want[r] {
			t.Errorf("request %+v", r)
		}
		delete(want, r)
	}
	if len(want) > 0 {
		t.Errorf("no request %+v", want)
	}
}

func TestAnAnswerOfTheERPBecomesAVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		answer string
		after  string // Retry-After
		kind   grouptest.Kind
		reason string
		ill    bool // the ERP, not the request
	}{
		"new":            {status: 201, answer: `{"document_id":"d"}`, kind: grouptest.Done},
		"replaced":       {status: 200, answer: `{"document_id":"d"}`, kind: grouptest.Done},
		"not this API":   {status: 200, answer: `<html>welcome`, kind: grouptest.Unavailable, ill: true},
		"nor this":       {status: 404, answer: `{"error":"unknown_path"}`, kind: grouptest.Unavailable, ill: true},
		"stale":          {status: 409, answer: `{"error":"stale"}`, kind: grouptest.Skipped, reason: skipKnown},
		"other conflict": {status: 409, answer: `{"error":"locked"}`, kind: grouptest.Permanent},
		"refused":        {status: 422, answer: `{"error":"invalid_request"}`, kind: grouptest.Permanent},
		"key reused":     {status: 422, answer: `{"error":"key_reused"}`, kind: grouptest.Permanent}, // that of the next version, too
		"token refused":  {status: 401, kind: grouptest.Unavailable, ill: true},
		"too many":       {status: 429, after: "7", kind: grouptest.Unavailable},
		"broken":         {status: 500, kind: grouptest.Unavailable, ill: true},
		"closed":         {status: 503, after: "7", kind: grouptest.Unavailable, ill: true},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tc.after != "" {
					w.Header().Set("Retry-After", tc.after)
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.answer)
			}))
			client := outgoing.NewHTTPClient(1)
			t.Cleanup(func() {
				client.CloseIdleConnections()
				srv.Close()
			})
			api := outgoing.NewAPI(outgoing.HTTPConfig{URL: srv.URL}, outgoing.APIDeps{Service: Name, Setting: "erp.api", HTTP: client, Logger: slog.New(slog.DiscardHandler)})
			// One failure opens the breaker, and costs no attempt.
			svc := newService(t, &httpERP{api}, nil, func(c *Config) { c.Call.Breaker.FailuresInRow = 1 })
			out := new(grouptest.Unit).Handle(t.Context(), svc.Handler, event("orders/create", order(1, "1.00"), 0))
			if out.Kind != tc.kind || out.Reason != tc.reason {
				t.Errorf("verdict %s %q (%v), want %s %q", out.Kind, out.Reason, out.Err, tc.kind, tc.reason)
			}
			if open := svc.Gate.Permits() == 0; open != tc.ill {
				t.Errorf("the answer opens the breaker: %v, want %v", open, tc.ill)
			}
			if out.Kind == grouptest.Permanent && !errors.As(out.Err, new(*outgoing.HTTPError)) {
				t.Errorf("the error does not say what the ERP has answered: %v", out.Err)
			}
		})
	}
}
