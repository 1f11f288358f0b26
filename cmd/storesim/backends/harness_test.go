package backends

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"
	"go.uber.org/goleak"

	"millrace/cmd/storesim/backends/effects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test; nothing that works takes as long.
const patience = 20 * time.Second

// world is a running Server with its clients.
type world struct {
	t      *testing.T
	s      *Server
	addr   Addresses
	ledger *buffer
	http   *http.Client
	stop   func() error // ends it and returns what Run said; safe to call twice
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func onFreePorts() (c Config) {
	_ = c.ListenAt(func() (string, error) { return "127.0.0.1:0", nil })
	return c
}

// start runs the world with the faults, on free ports, until the test ends.
func start(t *testing.T, change func(*Config), faultTexts ...string) *world {
	t.Helper()
	cfg := onFreePorts()
	cfg.Seed = 1
	for _, text := range faultTexts {
		if err := cfg.Faults.Apply(text); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(&cfg)
	}
	w := &world{t: t, ledger: &buffer{}, http: &http.Client{Transport: &http.Transport{}, Timeout: patience}}
	ready := make(chan Addresses, 1)
	var err error
	w.s, err = New(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Ledger: w.ledger, Ready: func(a Addresses) { ready <- a }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.s.Run(ctx) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return fmt.Errorf("Run did not return within %v", patience)
		}
	})
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		if err := w.stop(); err != nil {
			t.Errorf("Run() error: %v", err)
		}
	})
	select {
	case w.addr = <-ready:
	case err := <-ended:
		t.Fatalf("Run() ended: %v", err)
	}
	return w
}

// post calls the stock API. The status is 0 and err set when there was no answer.
func (w *world) post(ctx context.Context, path, key, body string) (status int, answer string, h http.Header, err error) {
	w.t.Helper()
	return w.call(ctx, http.MethodPost, w.addr.Stock+path, key, body)
}

// call is one request to a partner.
func (w *world) call(ctx context.Context, method, url, key, body string) (status int, answer string, h http.Header, err error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	// Its connection is its own: net/http would repeat a request on a kept one that was reset, and hide the fault.
	r.Close = true
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	r.Header.Set("Authorization", "Bearer tok")
	resp, err := w.http.Do(r)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text)), resp.Header, err
}

func (w *world) reserve(shop, order, key string) (status int, answer string, err error) {
	w.t.Helper()
	status, answer, _, err = w.post(w.t.Context(), "/v1/reservations", key,
		fmt.Sprintf(`{"shop":%q,"order_id":%q,"lines":[{"variant_id":"7","sku":"MUG","quantity":2}]}`, shop, order))
	return status, answer, err
}

// admin calls the admin API and decodes into v, if there is one.
func (w *world) admin(method, path, body string, v any) (status int, text string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.addr.Admin+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if v != nil {
		if err := json.Unmarshal(all, v); err != nil || resp.StatusCode != http.StatusOK {
			w.t.Fatalf("%s %s: status %d, %v: %s", method, path, resp.StatusCode, err, all)
		}
	}
	return resp.StatusCode, string(all)
}

func (w *world) summary() (s effects.Summary) {
	w.t.Helper()
	w.admin(http.MethodGet, "/ledger/summary", "", &s)
	return s
}

// set puts a rule in force.
func (w *world) set(path, rule string) {
	w.t.Helper()
	if status, text := w.admin(http.MethodPut, "/faults/"+path, rule, nil); status != http.StatusOK {
		w.t.Fatalf("PUT /faults/%s: %d %s", path, status, text)
	}
}

// until polls the summary.
func (w *world) until(what string, ok func(effects.Summary) bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !ok(w.summary()); {
		if time.Now().After(deadline) {
			w.t.Fatalf("no %s within %v: %+v", what, patience, w.summary())
		}
		time.Sleep(time.Millisecond)
	}
}

// mail sends one message with go-mail over a connection of its own.
func (w *world) mail(to, event string, options ...gomail.Option) error {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	host, port, err := net.SplitHostPort(w.addr.SMTP)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := gomail.NewClient(host, append([]gomail.Option{gomail.WithPort(n), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithTimeout(patience)}, options...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	m := gomail.NewMsg()
	if err := m.From("shop@millrace.example"); err != nil {
		w.t.Fatal(err)
	}
	if err := m.To(to); err != nil {
		w.t.Fatal(err)
	}
	m.Subject("Grüße: Ihre Bestellung #1001")
	m.SetMessageIDWithValue("id-" + event + "@millrace.example")
	if event != "" {
		m.SetGenHeader("X-Millrace-Event", event)
		m.SetGenHeader("X-Millrace-Shop", "acme.myshopify.com")
		m.SetGenHeader("X-Millrace-Order", "order/1")
	}
	m.SetBodyString(gomail.TypeTextPlain, "Danke.\r\n.\r\nEnde")
	return c.DialAndSendWithContext(ctx, m)
}

// settled tells whether a mail needs no further try: it was taken, or refused for good.
func settled(err error) bool {
	var told *gomail.SendError
	return err == nil || errors.As(err, &told) && told.ErrorCode() >= 500
}
