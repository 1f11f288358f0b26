package admin_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"millrace/cmd/millrace/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer(t *testing.T, cfg admin.Config, d admin.Deps) *admin.Server {
	t.Helper()
	d.Logger = slog.New(slog.DiscardHandler)
	if d.Gatherer == nil {
		d.Gatherer = prometheus.NewPedanticRegistry()
	}
	s, err := admin.New(cfg, d)
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	return s
}

func ask(t *testing.T, s *admin.Server, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestRoutesAnswer(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	moved := prometheus.NewCounter(prometheus.CounterOpts{Name: "millrace_test_moved_total", Help: "Moves."})
	reg.MustRegister(moved)
	moved.Inc()
	notReady := errors.New("no broker answers")
	var ready error
	s := newServer(t, admin.DefaultConfig(), admin.Deps{Gatherer: reg, Ready: func(context.Context) error { return ready }})
	for name, c := range map[string]struct {
		path   string
		ready  error
		status int
		text   string
	}{
		"alive":                           {"/healthz", nil, 200, "ok"},
		"alive though not ready":          {"/healthz", notReady, 200, "ok"},
		"ready":                           {"/readyz", nil, 200, "ready"},
		"not ready, with the reason":      {"/readyz", notReady, 503, "not ready: no broker answers"},
		"metrics":                         {"/metrics", nil, 200, "millrace_test_moved_total 1"},
		"profiles":                        {"/debug/pprof/", nil, 200, "goroutine"},
		"a profile":                       {"/debug/pprof/goroutine?debug=1", nil, 200, "goroutine profile"},
		"no command line, it has secrets": {"/debug/pprof/cmdline", nil, 404, ""},
		"nothing else":                    {"/webhooks", nil, 404, ""},
	} {
		ready = c.ready
		status, text := ask(t, s, c.path)
		if status != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s: GET %s = %d %.200q, want %d with %q", name, c.path, status, text, c.status, c.text)
		}
	}
}

func TestAReadinessCheckThatHangsIsCutShort(t *testing.T) {
	t.Parallel()
	s := newServer(t, admin.DefaultConfig(), admin.Deps{Ready: func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			return errors.New("no deadline")
		}
		return nil
	}})
	if status, text := ask(t, s, "/readyz"); status != 200 {
		t.Errorf("GET /readyz = %d %q, want the check to have a deadline", status, text)
	}
}

func TestRunServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, admin.Config{Listen: "127.0.0.1:1"}, admin.Deps{Listener: ln})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + s.Addr().String() + "/healthz")
	if err != nil {
		t.Fatalf("GET /healthz: %v", err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "ok\n" {
		t.Errorf("GET /healthz = %q, want ok", body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run() error: %v", err)
	}
	if conn, err := net.Dial("tcp", s.Addr().String()); err == nil {
		conn.Close()
		t.Error("the listener still answers after Run has returned")
	}
}

func TestATakenAddressIsNamedWithItsKey(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := newServer(t, admin.Config{Listen: taken.Addr().String()}, admin.Deps{})
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "admin.listen") {
		t.Errorf("Run() error = %v, want one that names admin.listen", err)
	}
}

func TestNoAddressMeansNoListener(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newServer(t, admin.Config{}, admin.Deps{})
	cancel()
	if err := s.Run(ctx); err != nil || s.Addr() != nil {
		t.Errorf("Run() = %v at %v, want nil and no address", err, s.Addr())
	}
}

func TestNewRefusesABadAddressAndMissingParts(t *testing.T) {
	t.Parallel()
	d := admin.Deps{Logger: slog.New(slog.DiscardHandler), Gatherer: prometheus.NewPedanticRegistry()}
	if _, err := admin.New(admin.Config{Listen: "nowhere"}, d); err == nil {
		t.Error("New() accepts an address without a port")
	}
	if _, err := admin.New(admin.DefaultConfig(), admin.Deps{}); err == nil {
		t.Error("New() accepts no logger")
	}
}
