package console_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"millrace/console"
	"millrace/consumers/analytics/reports"
	"millrace/consumers/orderstate"
)

func TestQuestionsArePassedOnAsTheyWereAsked(t *testing.T) {
	t.Parallel()
	from, to := noon, noon.Add(time.Hour)
	at := fmt.Sprintf("from=%d&to=%d", from.Unix(), to.Unix())
	hour := reports.Range{From: from, To: to}
	for path, want := range map[string][]any{
		"throughput?" + at + "&shop=a&limit=3&step=60": {reports.Range{From: from, To: to, Step: time.Minute}, "a", 3},
		"throughput?" + at: {hour, "", 6},
		"totals?from=2026-03-02T12:00:00Z&to=2026-03-02T13:00:00Z&shop=a": {hour, "a"},
		"sales?" + at:                    {hour, ""},
		"sales/shops?" + at + "&limit=2": {hour, 2},
		"products?" + at:                 {hour, "", 10},
		"delays?" + at:                   {hour, ""},
		"shops?prefix=ac":                {"ac", 20},
		"events?" + at + "&shop=a&topic=orders%2Fpaid&q=%231001&before=x&limit=7": {reports.EventQuery{Range: hour, Shop: "a", Topic: "orders/paid", Search: "#1001", Before: "x", Limit: 7}},
		"events": {reports.EventQuery{Limit: 50}},
		"event?topic=shopify.orders&partition=3&offset=18446744073709551615&shop=a": {reports.Place{Topic: "shopify.orders", Partition: 3, Offset: 18446744073709551615}, reports.Entity{Shop: "a"}},
		"story?shop=a&kind=order&id=820982911946154508":                             {reports.Entity{Shop: "a", Kind: "order", ID: "820982911946154508"}, 200},
	} {
		f := &fake{}
		s, _ := newServer(t, f, nil)
		w := get(t, s, "/api/v1/"+path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s = %d %v %s", path, w.Code, w.Header(), w.Body)
		}
		if diff := cmp.Diff(want, f.asked); diff != "" {
			t.Errorf("GET %s asked (-want +got):\n%s", path, diff)
		}
	}
}

func TestAnOrderIsToldUnderBothAddresses(t *testing.T) {
	t.Parallel()
	var asked []any
	fail := error(nil)
	s, _ := newServer(t, &fake{}, func(_ *console.Config, d *console.Deps) {
		d.Orders = func(_ context.Context, shop, orderID string, at time.Time) (orderstate.View, error) {
			asked = []any{shop, orderID, at}
			return orderstate.View{Shop: shop, OrderID: orderID, Provisional: []string{"erp: syncing"}, Timeline: []orderstate.Line{}}, fail
		}
	})
	for path, want := range map[string][]any{
		"/api/orders/acme.myshopify.com/7":                         {"acme.myshopify.com", "7", time.Time{}},
		"/api/orders/acme.myshopify.com/7?at=2026-03-02T12:00:00Z": {"acme.myshopify.com", "7", noon},
		"/api/orders/Acme/007":                                     {"acme.myshopify.com", "7", time.Time{}},
		"/api/v1/order?shop=acme.myshopify.com&id=7":               {"acme.myshopify.com", "7", time.Time{}},
	} {
		w := get(t, s, path)
		body := `{"shop":"acme.myshopify.com","order_id":"7","known":false,"provisional":["erp: syncing"],"timeline":[]}`
		if strings.Contains(path, "v1") { // the page's own
			body = `{"order":` + body + `}`
		}
		if w.Code != http.StatusOK || w.Body.String() != body || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("GET %s asked (-want +got):\n%s", path, diff)
		}
	}
	fail = fmt.Errorf("%w: order 7", orderstate.ErrUnknownOrder)
	if w := get(t, s, "/api/orders/acme.myshopify.com/7"); w.Code != http.StatusNotFound {
		t.Errorf("an unknown order: %d %s", w.Code, w.Body)
	}
	if w := get(t, s, "/api/v1/order?shop=acme.myshopify.com&id=7"); w.Code != http.StatusOK || w.Body.String() != `{"order":null}` {
		t.Errorf("an unknown order, for the page: %d %s", w.Code, w.Body)
	}
	for _, path := range []string{"acme/7?at=noon", "acme/0", "acme/-7", "acme/%231001", "acme/" + strings.Repeat("7", 301)} {
		if w := get(t, s, "/api/orders/"+path); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"bad_request"`) {
			t.Errorf("GET /api/orders/%s = %d %s, want 400", path, w.Code, w.Body)
		}
	}
	fail = fmt.Errorf("%w: dial tcp 10.0.0.5", reports.ErrAway)
	if w := get(t, s, "/api/orders/acme/7"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.0.0.5") {
		t.Errorf("without ClickHouse: %d %v %s, want 503 and when to ask again", w.Code, w.Header(), w.Body)
	}
	if w := get(t, s, "/api/orders/acme/7", func(r *http.Request) { r.Method = http.MethodPost }); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s, want 405", w.Code, w.Body)
	}
	bare, _ := newServer(t, &fake{}, nil)
	if w := get(t, bare, "/api/orders/acme.myshopify.com/7"); w.Code != http.StatusNotFound {
		t.Errorf("without orders: %d %s", w.Code, w.Body)
	}
	asks, _ := newServer(t, &fake{}, func(c *console.Config, _ *console.Deps) { c.Auth, c.Password = "on", "hush" })
	if w := get(t, asks, "/api/orders/acme.myshopify.com/7"); w.Code != http.StatusUnauthorized {
		t.Errorf("without a password: %d %s", w.Code, w.Body)
	}
}

func TestWithoutATimeItIsTheLastHour(t *testing.T) {
	t.Parallel()
	f := &fake{}
	s, _ := newServer(t, f, nil)
	get(t, s, "/api/v1/totals")
	r, ok := f.asked[0].(reports.Range)
	if !ok || r.To.Sub(r.From) != time.Hour || time.Since(r.To) > time.Minute {
		t.Errorf("asked %v, want the hour before now", f.asked)
	}
}

func TestErrorsHaveAStatusAndACode(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial tcp 10.0.0.5:8123: SELECT secret")
	for name, c := range map[string]struct {
		path   string
		err    error
		status int
		code   string
	}{
		"a bad limit":          {"products?limit=501", nil, 400, "bad_request"},
		"a limit of nothing":   {"products?limit=0", nil, 400, "bad_request"},
		"a bad time":           {"totals?from=yesterday", nil, 400, "bad_request"},
		"a bad step":           {"sales?step=-1", nil, 400, "bad_request"},
		"a bad offset":         {"event?topic=x&partition=1&offset=-1", nil, 400, "bad_request"},
		"a missing parameter":  {"story?shop=a&kind=order", nil, 400, "bad_request"},
		"a text that is large": {"totals?shop=" + strings.Repeat("x", 301), nil, 400, "bad_request"},
		"refused by reports":   {"totals", fmt.Errorf("%w: step", reports.ErrBadRequest), 400, "bad_request"},
		"not stored":           {"story?shop=a&kind=order&id=1", reports.ErrNotFound, 404, "not_found"},
		"too much":             {"totals", fmt.Errorf("%w: %w", reports.ErrTooMuch, secret), 422, "too_much"},
		"clickhouse away":      {"totals", fmt.Errorf("%w: %w", reports.ErrAway, secret), 503, "clickhouse_away"},
		"no tables":            {"totals", fmt.Errorf("%w: %w", reports.ErrNotReady, secret), 503, "not_ready"},
		"anything else":        {"totals", secret, 500, "internal"},
		"no such path":         {"secrets", nil, 404, "not_found"},
	} {
		s, _ := newServer(t, &fake{err: c.err}, nil)
		w := get(t, s, "/api/v1/"+c.path)
		var body struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Errorf("%s: %v in %s", name, err, w.Body)
		}
		if w.Code != c.status || body.Error.Code != c.code || body.Error.Message == "" || strings.Contains(w.Body.String(), "10.0.0.5") {
			t.Errorf("%s: %d %s, want %d and code %s, and nothing of the server", name, w.Code, w.Body, c.status, c.code)
		}
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	lag, seconds := int64(7), 1.5
	var fail error
	s, _ := newServer(t, &fake{}, func(_ *console.Config, d *console.Deps) {
		d.Services = func(context.Context) ([]console.Service, error) {
			return []console.Service{{Name: "inventory", Group: "g", State: "Stable", Members: 2, LagRecords: &lag, LagSeconds: &seconds}}, fail
		}
	})
	w := get(t, s, "/api/v1/services")
	want := `{"services":[{"name":"inventory","group":"g","state":"Stable","members":2,"lag_records":7,"lag_seconds":1.5,"dead_letters":null,"retries":null}]}`
	if w.Body.String() != want {
		t.Errorf("services = %s, want %s", w.Body, want)
	}
	fail = errors.New("no broker")
	if w := get(t, s, "/api/v1/services"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "kafka_away") {
		t.Errorf("without brokers: %d %s, want 503 and kafka_away", w.Code, w.Body)
	}
	none, _ := newServer(t, &fake{}, nil)
	if w := get(t, none, "/api/v1/services"); w.Body.String() != `{"services":[]}` {
		t.Errorf("without a source: %s, want an empty list", w.Body)
	}
}

func TestAnAnswerDoesNotTakeForEver(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, &fake{hang: true}, func(c *console.Config, _ *console.Deps) { c.Query.Timeout = 100 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as if the browser had left
	w := get(t, s, "/api/v1/totals", func(r *http.Request) { *r = *r.WithContext(ctx) })
	if w.Body.Len() != 0 {
		t.Errorf("an asker who has left gets %s", w.Body)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	s, reg := newServer(t, &fake{}, nil)
	get(t, s, "/api/v1/totals")
	get(t, s, "/api/v1/totals?limit=1&from=x")
	get(t, s, "/api/v1/totals", func(r *http.Request) { r.Host = "evil.example" })
	counts, questions := map[string]float64{}, 0
	for _, f := range gathered(t, reg) {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "millrace_console_requests_total":
				counts[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			case "millrace_console_question_seconds":
				questions++
			}
		}
	}
	if counts["ok"] != 1 || counts["bad_request"] != 1 || counts["forbidden"] != 1 || counts["internal"] != 0 || len(counts) != 11 {
		t.Errorf("millrace_console_requests_total = %v, want one ok, one bad_request, one forbidden, and zeros", counts)
	}
	if questions != 13 {
		t.Errorf("millrace_console_question_seconds has %d series, want one per question", questions)
	}
}

func gathered(t *testing.T, reg *prometheus.Registry) []*dto.MetricFamily {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatalf("Gather() error: %v", err)
	}
	return families
}

func TestAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, &fake{}, nil)
	w := get(t, s, "/style.css", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
	if w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("style.css comes as %v, want gzip", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !strings.Contains(string(text), ":root") {
		t.Errorf("style.css is %d bytes, %v", len(text), err)
	}
}
