package saga

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group/outgoing"
	"millrace/schemas"
	"millrace/schemas/secret"
)

// partnerAPI plays every partner: it answers by path, and keeps the requests.
func partnerAPI(t *testing.T, answer func(path string) (int, string)) (url string, client *http.Client, got *[]string) {
	t.Helper()
	got = &[]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		*got = append(*got, strings.Join([]string{r.Method, r.URL.EscapedPath(), r.Header.Get("Idempotency-Key"), r.Header.Get("Authorization"), string(body)}, " "))
		status, text := answer(r.URL.Path)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	client = outgoing.NewHTTPClient(1)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		srv.Close()
	})
	return srv.URL, client, got
}

// httpLog is an order whose partners are at url.
func httpLog(t *testing.T, url string, client *http.Client, changes ...func(*Config)) *log {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Stock.URL, cfg.Payment.URL, cfg.Carrier.URL = url+"/stock", url+"/payment", url+"/carrier"
	cfg.Stock.Token = secret.Secret("hush")
	for _, change := range changes {
		change(&cfg)
	}
	l := newLog(t)
	h, err := newHandler(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	h.now = l.h.now
	l.h = h
	return l
}

func TestThePartnersAreSpokenToAsTheirContractsSay(t *testing.T) {
	url, client, got := partnerAPI(t, func(path string) (int, string) {
		switch {
		case strings.HasSuffix(path, "/refund"):
			return 200, `{"refunded":"13.00"}`
		case strings.HasSuffix(path, "/charges"):
			return 201, `{"charge_id":"ch-9","status":"succeeded"}`
		case strings.HasSuffix(path, "/shipments"):
			return 201, `{"shipment_id":"shp-9","status":"accepted","tracking_company":"C","tracking_number":"N","tracking_url":"U"}`
		default:
			return 200, `{}`
		}
	})
	l := httpLog(t, url, client)
	l.tell(created(1))
	l.run()
	l.tell(cancelledOrder(2))
	l.run()
	const of = "/acme.myshopify.com/7/"
	const address = `{"first_name":"","last_name":"","name":"Ada","company":"","address1":"","address2":"","city":"","zip":"","province":"","province_code":"","country":"","country_code":"","phone":""}`
	want(t, "requests", *got,
		`POST /stock/v1/reservations reserve:acme.myshopify.com:7 Bearer hush {"shop":"acme.myshopify.com","order_id":"7","lines":[{"variant_id":"11","sku":"MUG","quantity":3}]}`,
		`POST /payment/v1/charges charge:acme.myshopify.com:7  {"shop":"acme.myshopify.com","order_id":"7","amount":"13.00","currency":"EUR"}`,
		`POST /carrier/v1/shipments ship:acme.myshopify.com:7  {"shop":"acme.myshopify.com","order_id":"7","name":"#1001","lines":[{"variant_id":"11","sku":"MUG","quantity":3}],"address":`+address+`}`,
		`POST /carrier/v1/shipments`+of+`cancel cancel:acme.myshopify.com:7  {"reason":"cancelled","close":true}`,
		`POST /payment/v1/charges`+of+`refund refund:acme.myshopify.com:7:compensated  {"reason":"compensated","close":true}`,
		`POST /stock/v1/reservations`+of+`release release:acme.myshopify.com:7:cancelled Bearer hush {"reason":"cancelled","close":true}`,
	)
	if r := l.state(); r.Phase != Compensated || r.Steps[1].Ref != "ch-9" || r.Steps[2].Ref != "shp-9" {
		t.Errorf("run %+v", r)
	}
	all := ""
	for _, r := range l.unit.Emitted {
		all += string(r.Value)
	}
	for _, text := range []string{`"shipment_id":"shp-9","lines":[{"variant_id":"11","sku":"MUG","quantity":3}],"tracking":[{"company":"C","number":"N","url":"U"}]`, `"amount":"13.00","currency":"EUR"`} {
		if !strings.Contains(all, text) {
			t.Errorf("no event says %s", text)
		}
	}
}

func TestAnEndpointOfOnesOwnIsCalled(t *testing.T) {
	url, client, got := partnerAPI(t, func(path string) (int, string) {
		if strings.HasSuffix(path, "/second") {
			return 422, `{"error":"no_such_member","detail":"Ada Lovelace"}`
		}
		return 204, ""
	})
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := httpLog(t, url, client, defined(t, `
saga: points
version: 1
starts_on: OrderCreated
timeout: 1m
compensate_for: 1h
steps:
  - {step: first, do: {http: {url: "`+url+`/first/", token_file: `+token+`}}, undo: {http: {url: "`+url+`/undo"}}}
  - {step: second, do: {http: {url: "`+url+`/second"}}}
`))
	o := schemas.OrderVersion{UpdatedAt: version(1).UpdatedAt, Name: "#1001"}
	l.tell(&schemas.OrderCreated{OrderVersion: o})
	l.run()
	body := func(step string) string {
		return `{"saga":"points","step":"` + step + `","shop":"acme.myshopify.com","order_id":"7","compensation":false,"close":false,"order":{"updated_at":"2026-11-26T11:00:01Z","name":"#1001"}}`
	}
	want(t, "requests", *got,
		`POST /first points/first:acme.myshopify.com:7 Bearer hush `+body("first"),
		`POST /second points/second:acme.myshopify.com:7  `+body("second"),
		`POST /undo points/first:acme.myshopify.com:7:compensated  {"saga":"points","step":"first","shop":"acme.myshopify.com","order_id":"7","compensation":true,"close":true}`,
	)
	r := l.state()
	if r.Phase != Compensated || r.Reason != "step second failed, permanent: answer 422 no_such_member" {
		t.Errorf("%s: %s", r.Phase, r.Reason)
	}
	for _, rec := range l.unit.Emitted {
		if strings.Contains(string(rec.Value), "Ada") {
			t.Errorf("an event repeats what a partner says about a customer: %s", rec.Value)
		}
	}
}
