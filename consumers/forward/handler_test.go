package forward

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// endpoint serves one answer and keeps the last request.
type endpoint struct {
	*httptest.Server
	status int
	header http.Header
	got    http.Header
	body   string
	calls  int
}

func newEndpoint(t *testing.T, status int) *endpoint {
	t.Helper()
	e := &endpoint{status: status, header: http.Header{}}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		e.got, e.body, e.calls = r.Header, string(body), e.calls+1
		for name, values := range e.header {
			w.Header()[name] = values
		}
		w.WriteHeader(e.status)
	}))
	t.Cleanup(e.Close)
	return e
}

// serve returns the handler that sends to e. One failure opens its breaker, so that what counts as one is seen.
func (e *endpoint) serve(t *testing.T, changes ...func(*Config)) *handler {
	t.Helper()
	cfg := DefaultConfig()
	cfg.URL, cfg.Secret, cfg.Call.Breaker.FailuresInRow = e.URL+"/shopify", "hush", 1
	for _, change := range changes {
		change(&cfg)
	}
	client := outgoing.NewHTTPClient(1)
	t.Cleanup(client.CloseIdleConnections)
	s, err := Service(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), HTTP: client})
	if err != nil {
		t.Fatalf("Service() error: %v", err)
	}
	return s.Handler.(*handler)
}

func event(topic string) *group.Event {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return &group.Event{
		Event: schemas.Event{
			ID: "w 1\r\nX-Evil: 1", Shop: "acme.myshopify.com", Topic: topic, Subject: "order/1", Time: at, Received: at.Add(time.Second),
			ContentType: "application/json", ShopifyEventID: "e-1", ShopifyAPIVersion: "2026-10", PartitionKey: "acme.myshopify.com|order/1",
			TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		},
		Key: "acme.myshopify.com|order/1", Body: []byte(`{"id":1, "note":"Zoë"}`), Attempt: 3,
	}
}

func TestARequestIsTheBodyWithTheMetadataAsHeaders(t *testing.T) {
	e := newEndpoint(t, http.StatusAccepted)
	h := e.serve(t, func(c *Config) { c.Token, c.Name = "open", "crm" })
	var u grouptest.Unit
	if got := u.Handle(t.Context(), h, event("orders/create")); got.Kind != grouptest.Done || len(u.Notes) != 1 {
		t.Fatalf("verdict %+v, notes %q", got, u.Notes)
	}
	if e.body != `{"id":1, "note":"Zoë"}` {
		t.Errorf("body %s", e.body)
	}
	want := http.Header{
		"Authorization":        {"Bearer open"},
		"Ce-Id":                {"w%201%0D%0AX-Evil:%201"},
		"Ce-Partitionkey":      {"acme.myshopify.com|order/1"},
		"Ce-Receivedtime":      {"2026-11-23T10:00:01.000000000Z"},
		"Ce-Shopifyapiversion": {"2026-10"},
		"Ce-Shopifyeventid":    {"e-1"},
		"Ce-Shopifytopic":      {"orders/create"},
		"Ce-Source":            {"/shopify/acme.myshopify.com"},
		"Ce-Specversion":       {"1.0"},
		"Ce-Subject":           {"order/1"},
		"Ce-Time":              {"2026-11-23T10:00:00.000000000Z"},
		"Ce-Type":              {"com.shopify.orders.create"},
		"Content-Type":         {"application/json"},
		"Idempotency-Key":      {"w%201%0D%0AX-Evil:%201"},
		"Traceparent":          {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"User-Agent":           {"millrace-forward-crm"},
		"X-Millrace-Attempt":   {"3"},
		"X-Millrace-Signature": {"bmlYWfAiT7eGoFV5/5d642Qq1q4map99LRbRTyZWa7Q="}, // openssl dgst -sha256 -hmac hush -binary | base64
	}
	for _, own := range []string{"Accept-Encoding", "Content-Length"} { // of the HTTP client
		e.got.Del(own)
	}
	if diff := cmp.Diff(want, e.got); diff != "" {
		t.Errorf("headers differ (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotChosenIsNotSent(t *testing.T) {
	e := newEndpoint(t, http.StatusOK)
	h := e.serve(t, func(c *Config) { c.Topics = []string{"orders/paid", "refunds/*"} })
	for topic, sent := range map[string]int{"orders/create": 0, "orders/paid": 1, "refunds/create": 1, "fulfillments/create": 0} {
		e.calls = 0
		var u grouptest.Unit
		got := u.Handle(t.Context(), h, event(topic))
		if skipped := got.Kind == grouptest.Skipped && got.Reason == skipNotForUs; e.calls != sent || skipped == (sent == 1) {
			t.Errorf("%s: %d requests, %+v; want %d", topic, e.calls, got, sent)
		}
	}
	if e.got.Get("X-Millrace-Signature") == "" || e.got.Get("Authorization") != "" {
		t.Errorf("headers %v", e.got)
	}
}

func TestAnAnswerIsAVerdict(t *testing.T) {
	ours := func(c *Config) { c.EndpointErrors = []string{"403"} }
	for name, tc := range map[string]struct {
		status     int
		retryAfter string
		settings   func(*Config)
		kind       grouptest.Kind
		after      time.Duration
		ill        bool // the endpoint, not the event
	}{
		"done":                              {status: 200, kind: grouptest.Done},
		"taken":                             {status: 204, kind: grouptest.Done},
		"not ready":                         {status: 409, kind: grouptest.NotReady, after: time.Minute},
		"too early":                         {status: 425, kind: grouptest.NotReady, after: time.Minute},
		"not ready for a while":             {status: 409, retryAfter: "7", kind: grouptest.NotReady, after: 7 * time.Second},
		"too many":                          {status: 429, retryAfter: "7", kind: grouptest.Unavailable, after: 7 * time.Second},
		"refused":                           {status: 422, kind: grouptest.Permanent},
		"gone":                              {status: 410, kind: grouptest.Permanent},
		"token refused":                     {status: 401, kind: grouptest.Retry, ill: true},
		"not there":                         {status: 404, kind: grouptest.Retry, ill: true},
		"not there, by setting":             {status: 404, settings: ours, kind: grouptest.Permanent},
		"signature refused, by setting":     {status: 401, settings: ours, kind: grouptest.Permanent},
		"forbidden, by setting":             {status: 403, settings: ours, kind: grouptest.Retry, ill: true},
		"slow":                              {status: 408, kind: grouptest.Retry, ill: true},
		"moved":                             {status: 307, kind: grouptest.Retry, ill: true},
		"broken":                            {status: 500, kind: grouptest.Retry, ill: true},
		"closed for a while":                {status: 503, retryAfter: "7", kind: grouptest.Unavailable, ill: true},
		"too many, without saying how long": {status: 429, kind: grouptest.Unavailable, after: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, tc.status)
			if tc.retryAfter != "" {
				e.header.Set("Retry-After", tc.retryAfter)
			}
			changes := []func(*Config){}
			if tc.settings != nil {
				changes = append(changes, tc.settings)
			}
			h := e.serve(t, changes...)
			var u grouptest.Unit
			got := u.Handle(t.Context(), h, event("orders/create"))
			kind := tc.kind
			if tc.ill { // it opens the breaker, and what does burns no attempt
				kind = grouptest.Unavailable
			}
			if got.Kind != kind || (tc.after != 0 && got.After != tc.after) || e.calls != 1 {
				t.Errorf("%s after %s (%v), %d requests; want %s after %s, 1", got.Kind, got.After, got.Err, e.calls, kind, tc.after)
			}
			if open := h.call.Permits() == 0; open != tc.ill {
				t.Errorf("the answer opens the breaker: %v, want %v", open, tc.ill)
			}
		})
	}
}

func TestAnEventThatIsNotReadyHoldsUpNoOther(t *testing.T) {
	e := newEndpoint(t, http.StatusConflict)
	e.header.Set("Retry-After", "60")
	h := e.serve(t)
	var u grouptest.Unit
	u.Handle(t.Context(), h, event("refunds/create"))
	u.Handle(t.Context(), h, event("orders/create"))
	e.status = http.StatusOK
	if got := u.Handle(t.Context(), h, event("orders/create")); got.Kind != grouptest.Done {
		t.Errorf("the next event of the shop: %+v, want done", got)
	}
}

func TestARedirectIsNotFollowedAndSaysSo(t *testing.T) {
	e := newEndpoint(t, http.StatusFound)
	e.header.Set("Location", "https://user:hush@elsewhere.example.com/a?token=hush")
	var u grouptest.Unit
	got := u.Handle(t.Context(), e.serve(t), event("orders/create"))
	want := "redirects are not followed, forward.url must be the endpoint itself (Location: https://elsewhere.example.com/a): POST " + e.URL + "/shopify: 302 Found"
	if got.Err == nil || got.Err.Error() != want || e.calls != 1 {
		t.Errorf("%v after %d requests, want %s", got.Err, e.calls, want)
	}
}

func TestAnEndpointThatIsAwayOrHangsIsTriedAgain(t *testing.T) {
	e := newEndpoint(t, http.StatusOK)
	h := e.serve(t, func(c *Config) { c.Call.Breaker.FailuresInRow = 2 })
	e.Close()
	var u grouptest.Unit
	if got := u.Handle(t.Context(), h, event("orders/create")); got.Kind != grouptest.Retry {
		t.Errorf("nobody listens: %+v, want a retry", got)
	}
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer close(release)
	h = e.serve(t, func(c *Config) {
		c.URL, c.Call.Timeout, c.Call.Breaker.FailuresInRow = hanging.URL, 20*time.Millisecond, 2
	})
	if got := u.Handle(t.Context(), h, event("orders/create")); got.Kind != grouptest.Retry || !strings.Contains(got.Err.Error(), "no answer in") {
		t.Errorf("no answer: %+v, want a retry", got)
	}
}

func TestPaymentsGoBeforeCarts(t *testing.T) {
	for topic, want := range map[string]group.Priority{"orders/paid": group.High, "orders/create": group.High, "products/update": group.Normal, "carts/update": group.Low} {
		if got := priority(topic); got != want {
			t.Errorf("%s has class %d, want %d", topic, got, want)
		}
	}
}
