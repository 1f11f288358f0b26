package sim

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"millrace/cmd/storesim/ledger"
)

// book is a Recorder in memory.
type book struct {
	mu      sync.Mutex
	entries []ledger.Entry
	err     error
}

func (b *book) Record(e *ledger.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, *e)
	return b.err
}

func (b *book) Flush() error { return nil }

// call is a request as the receiver saw it.
type call struct {
	header http.Header
	body   string
	code   int
}

// receiver is a webhook endpoint that answers what decide says, 200 when it is nil.
type receiver struct {
	mu     sync.Mutex
	calls  []call
	decide func(n int, r *http.Request) int
}

func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	n := len(v.calls)
	v.calls = append(v.calls, call{header: r.Header.Clone(), body: string(body)})
	v.mu.Unlock()
	code := http.StatusOK
	if v.decide != nil {
		code = v.decide(n, r)
	}
	v.mu.Lock()
	v.calls[n].code = code
	v.mu.Unlock()
	if code >= 300 && code < 400 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(code)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run sends cfg's events to v over real sockets.
func run(t *testing.T, cfg Config, v http.Handler) (Stats, *book) {
	t.Helper()
	srv := httptest.NewServer(v)
	t.Cleanup(srv.Close)
	cfg.URL = srv.URL + "/webhooks"
	b := &book{}
	s, err := New(cfg, Deps{Logger: quiet(), Recorder: b})
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatalf("Run() error: %v", err)
	}
	return s.Stats(), b
}

// pipeTransport leads to a receiver on an in-memory network, for tests in a synctest bubble.
func pipeTransport(t *testing.T, h http.Handler) http.RoundTripper {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() {
		_ = srv.Close()
		wg.Wait()
	})
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case l.conns <- far:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
