package fulfillment

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/outgoing"
	"millrace/schemas/secret"
)

// api is an HTTP API that gives one answer, and the carrier that speaks to it.
type api struct {
	Carrier
	status  int
	answer  string
	request string // the last one
	header  http.Header
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		a.request, a.header = r.Method+" "+r.URL.EscapedPath()+" "+string(body), r.Header
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.answer)
	}))
	client := outgoing.NewHTTPClient(1)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		srv.Close()
	})
	a.Carrier = &httpCarrier{outgoing.NewAPI(outgoing.HTTPConfig{URL: srv.URL + "/api", Token: secret.Secret("hush")}, outgoing.APIDeps{
		Service: Name, Setting: "fulfillment.carrier", HTTP: client, Logger: slog.New(slog.DiscardHandler),
	})}
	return a
}

func TestTheCarrierIsSpokenToAsItsContractSays(t *testing.T) {
	a, of := newAPI(t), Order{Shop: shopName, ID: "1"}
	a.status, a.answer = http.StatusCreated, `{"shipment_id":"s","status":"accepted","tracking_company":"DHL","tracking_number":"7","tracking_url":"https://dhl.example/7"}`
	want := Status{"s", "accepted", "DHL", "7", "https://dhl.example/7"}
	made, err := a.Create(t.Context(), "k", Shipment{Shop: of.Shop, OrderID: of.ID, Name: "#1", Lines: []Line{{SKU: "A", Quantity: 1}}})
	if err != nil || made != want || a.request != `POST /api/v1/shipments {"shop":"acme.myshopify.com","order_id":"1","name":"#1","lines":[{"variant_id":"","sku":"A","quantity":1}],"address":null}` {
		t.Errorf("Create() = %+v, %v after %s", made, err, a.request)
	}
	if a.header.Get("Idempotency-Key") != "k" || a.header.Get("Authorization") != "Bearer hush" || a.header.Get("User-Agent") != "millrace-fulfillment" {
		t.Errorf("headers %v", a.header)
	}
	a.status = http.StatusOK
	if now, err := a.Status(t.Context(), of); err != nil || now != want || a.request != "GET /api/v1/shipments/acme.myshopify.com/1 " {
		t.Errorf("Status() = %+v, %v after %s", now, err, a.request)
	}
	a.answer = `{"status":"cancelled"}`
	if err := a.Cancel(t.Context(), "k", of, "cancelled"); err != nil || a.request != `POST /api/v1/shipments/acme.myshopify.com/1/cancel {"reason":"cancelled","close":true}` {
		t.Errorf("Cancel() = %v after %s", err, a.request)
	}
}

func TestARefusalOfTheCarrierIsKnownByItsCode(t *testing.T) {
	a, of := newAPI(t), Order{Shop: shopName, ID: "1"}
	create := func() error { _, err := a.Create(t.Context(), "k", Shipment{}); return err }
	cancel := func() error { return a.Cancel(t.Context(), "k", of, "cancelled") }
	status := func() error { _, err := a.Status(t.Context(), of); return err }
	for name, tc := range map[string]struct {
		call   func() error
		status int
		answer string
		known  error
		kind   grouptest.Kind // where it is not known
		ill    bool
	}{
		"closed":                     {create, 409, `{"error":"closed"}`, ErrClosed, "", false},
		"undeliverable":              {create, 422, `{"error":"undeliverable"}`, nil, grouptest.Permanent, false},
		"left":                       {cancel, 409, `{"error":"shipped"}`, ErrShipped, "", false},
		"another conflict":           {cancel, 409, `{"error":"busy"}`, nil, grouptest.Permanent, false},
		"not known":                  {status, 404, `{"error":"unknown_shipment"}`, ErrUnknownShipment, "", false},
		"not this API":               {status, 404, `nothing here`, nil, grouptest.Retry, true},
		"not this API, to cancel":    {cancel, 404, `{"error":"unknown_shipment"}`, nil, grouptest.Retry, true}, // "close" was asked for
		"broken":                     {create, 500, `{"error":"closed"}`, nil, grouptest.Retry, true},
		"an answer that says little": {create, 201, `created`, nil, grouptest.Retry, true},
	} {
		a.status, a.answer = tc.status, tc.answer
		err := tc.call()
		switch {
		case tc.known != nil && !errors.Is(err, tc.known), tc.known == nil && grouptest.Verdict(err).Kind != tc.kind, outgoing.IsAnswer(err) == tc.ill:
			t.Errorf("%s: %v", name, err)
		}
	}
}
