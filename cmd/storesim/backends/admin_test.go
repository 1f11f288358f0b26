package backends

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/cmd/storesim/backends/faults"
)

func TestFaultsAreReadAndChanged(t *testing.T) {
	w := start(t, nil, "stock:latency=1ms")
	var set faults.Set
	w.set("stock/"+acme, `{"down":true}`)
	w.set("smtp/Example.com", `{"refuse":true}`)
	w.admin(http.MethodGet, "/faults", "", &set)
	if !set.Stock.Shops[acme].Down || !set.SMTP.Domains["example.com"].Refuse || set.Stock.Default.Latency == 0 {
		t.Errorf("faults %+v", set)
	}
	var r faults.Rule
	w.admin(http.MethodGet, "/faults/smtp/EXAMPLE.com", "", &r)
	if !r.Refuse {
		t.Errorf("rule %+v", r)
	}
	w.admin(http.MethodDelete, "/faults/stock", "", nil)
	w.admin(http.MethodDelete, "/faults/smtp/example.com", "", nil)
	if status, _, err := w.reserve(acme, "1", "k"); status != 503 {
		t.Errorf("a shop that is down: %d %v", status, err)
	}
	w.admin(http.MethodPut, "/faults", `{"smtp":{"default":{"down":true}}}`, &set)
	if status, _, err := w.reserve(acme, "1", "k"); status != 201 {
		t.Errorf("after all were replaced: %d %v", status, err)
	}
	if err := w.mail("a@b.example", "e"); err == nil || !strings.Contains(err.Error(), "421") {
		t.Errorf("mail while down: %v", err)
	}
}

func TestTheSameOutageAgainBeginsAnew(t *testing.T) {
	w := start(t, nil)
	const outage = `{"outages":[{"from":"0s","for":"500ms"}]}`
	w.set("stock/"+acme, outage)
	for deadline := time.Now().Add(patience); ; {
		if status, _, _ := w.reserve(acme, "1", "k"); status == 201 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the outage did not end within %v", patience)
		}
	}
	w.set("stock/"+acme, outage)
	if status, _, err := w.reserve(acme, "1", "k"); status != 503 {
		t.Errorf("%d %v", status, err)
	}
}

func TestTheAdminAPITellsMistakes(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"PUT", "/faults/stock", `{"dwon":true}`, 400, "dwon"},
		{"PUT", "/faults/stock", `{"latency":"soon"}`, 400, "not a duration"},
		{"PUT", "/faults/stock", `{"error_rate":2}`, 400, "stock.default: error_rate"},
		{"PUT", "/faults/stock", `{} {}`, 400, "more than one"},
		{"PUT", "/faults", `{"smtp":{"default":{"insufficient_skus":["A"]}}}`, 400, "only stock has them"},
		{"PUT", "/faults/pigeons", `{}`, 404, "there are stock, payment"},
		{"GET", "/faults/pigeons", ``, 404, "there are stock, payment"},
		{"GET", "/faults/stock/unheard-of", ``, 404, "no rule of its own"},
		{"GET", "/ledger?ordre=1", ``, 400, `\"ordre\" is not a filter`},
		{"GET", "/ledger/refused?limit=-1", ``, 400, "limit must be"},
		{"PUT", "/stock", `{"quantities":{"A":-1}}`, 400, "negative"},
		{"GET", "/healthz", ``, 200, "true"},
	} {
		if status, text := w.admin(c.method, c.path, c.body, nil); status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, status, text, c.status, c.want)
		}
	}
}

func TestStockIsReadAndChanged(t *testing.T) {
	w := start(t, func(c *Config) { c.Quantities = map[string]int64{"MUG": 1} })
	if status, _, err := w.reserve(acme, "1", "k"); status != 409 {
		t.Errorf("%d %v", status, err)
	}
	w.admin(http.MethodPut, "/stock", `{"quantities":{"MUG":5}}`, nil)
	if status, _, err := w.reserve(acme, "1", "k"); status != 201 {
		t.Errorf("%d %v", status, err)
	}
	var got Stock
	w.admin(http.MethodGet, "/stock?shop="+acme, "", &got)
	if len(got.Levels) != 1 || *got.Levels[0].Available != 3 || got.Levels[0].Reserved != 2 || got.Quantities["MUG"] != 5 {
		t.Errorf("stock %+v", got)
	}
	w.admin(http.MethodGet, "/stock?shop=else", "", &got)
	if len(got.Levels) != 0 {
		t.Errorf("stock of another shop %+v", got)
	}
}

type brokenFile struct{}

func (brokenFile) Write([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestTheRunEndsWhenTheLedgerCannotBeWritten(t *testing.T) {
	w := &world{t: t, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	ready := make(chan Addresses, 1)
	s, err := New(onFreePorts(), Deps{Logger: slog.New(slog.DiscardHandler), Ledger: brokenFile{}, Ready: func(a Addresses) { ready <- a }})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	w.addr = <-ready
	if w.addr.Seed == 0 {
		t.Error("no seed was made")
	}
	_, _, _ = w.reserve(acme, "1", "k") // its answer may be cut by the stop
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("Run() error %v", err)
	}
}

func TestAnAddressInUseIsTold(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := onFreePorts()
	cfg.AdminListen = ln.Addr().String()
	s, err := New(cfg, Deps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--admin-listen") {
		t.Errorf("Run() error %v", err)
	}
}
