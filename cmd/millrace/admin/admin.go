// Package admin serves what operators and their tools ask a running program: /healthz, /readyz, /metrics and
// /debug/pprof/. It is a listener of its own, on loopback by default, so that none of it shows on the public one.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is what an operator may change.
type Config struct {
	Listen string `mapstructure:"listen" help:"Address of the operators' listener (/healthz, /readyz, /metrics, /debug/pprof/), host:port; empty for none. It has no password: keep it off the public network."`
}

// DefaultConfig listens on loopback.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:9464"} }

// Validate checks the address's shape.
func (c Config) Validate() error {
	if c.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen must be host:port or empty, is %q", c.Listen)
	}
	return nil
}

const (
	// readyTimeout bounds one readiness check; orchestrators ask every few seconds and give up after one or two.
	readyTimeout = 2 * time.Second
	// stopGrace is how long a scrape in progress may take to end when the program stops. A CPU profile takes longer and
	// is cut.
	stopGrace = time.Second
	// headerTimeout keeps a client that never finishes its request from holding a connection for ever.
	headerTimeout = 5 * time.Second
)

// Deps is what the program hands over.
type Deps struct {
	Gatherer prometheus.Gatherer
	// Ready tells whether the program can do its work now; its error is shown to whoever asks. It is called from many
	// goroutines and must honour its context. Nil means ready.
	Ready  func(context.Context) error
	Logger *slog.Logger
	// Listener is served instead of opening Config.Listen. Optional. Run closes it.
	Listener net.Listener
}

// Server is the operators' listener.
type Server struct {
	cfg  Config
	deps Deps
	log  *slog.Logger
	addr atomic.Pointer[net.Addr]
}

// New builds the server and starts nothing.
func New(cfg Config, d Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	if d.Gatherer == nil || d.Logger == nil {
		return nil, errors.New("admin: Deps.Gatherer and Deps.Logger must be set")
	}
	s := &Server{cfg: cfg, deps: d, log: d.Logger.With("component", "admin")}
	if d.Listener != nil {
		addr := d.Listener.Addr()
		s.addr.Store(&addr)
	}
	return s, nil
}

// Addr is the address in use, or nil before Run has opened it.
func (s *Server) Addr() net.Addr {
	if a := s.addr.Load(); a != nil {
		return *a
	}
	return nil
}

// Run serves until ctx ends. With no address configured it only waits for that.
func (s *Server) Run(ctx context.Context) error {
	ln := s.deps.Listener
	if ln == nil {
		if s.cfg.Listen == "" {
			<-ctx.Done()
			return nil
		}
		var lc net.ListenConfig
		var err error
		if ln, err = lc.Listen(ctx, "tcp", s.cfg.Listen); err != nil {
			return fmt.Errorf("listen for operators (admin.listen): %w", err)
		}
		addr := ln.Addr()
		s.addr.Store(&addr)
	}
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ctx, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	defer func() { stop(); <-stopped }()
	go func() {
		defer close(stopped)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close() //nolint:gosec // what is left are the connections that outlived the grace
		}
	}()
	s.log.InfoContext(ctx, "listening for operators", "address", ln.Addr().String())
	err := srv.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve operators on %s: %w", ln.Addr(), err)
}

// Handler is the routes. Exported for programs that have a listener already.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.deps.Gatherer, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelError),
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	// No /debug/pprof/cmdline: it would show a secret that was given as a flag.
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.deps.Ready == nil {
		answer(w, http.StatusOK, "ready")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := s.deps.Ready(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
		return
	}
	answer(w, http.StatusOK, "ready")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
