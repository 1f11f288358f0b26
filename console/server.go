package console

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"
)

const (
	// requestGrace is what a request may take beyond its query: its turn among others, and the answer.
	requestGrace = 5 * time.Second
	// headerTimeout, idleTimeout, maxHeader and maxConnections bound what a client that does nothing can hold.
	headerTimeout  = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeader      = 16 << 10
	maxConnections = 512
	// stopGrace is how long answers under way may take when the program stops.
	stopGrace = 2 * time.Second
)

// Deps is what the program hands over.
type Deps struct {
	Reports    Reports               // required
	Services   Services              // optional: without it the page has no services
	Orders     Orders                // optional: without it nothing is known of orders' own events
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // required
	Listener   net.Listener          // optional; else Config.Listen is opened by Run. Run closes it.
	Version    string
	Simulated  float64 // webhooks per second of the simulated store that this process feeds itself with; 0 for none
}

// Server is the console. New builds it, Run runs it once.
type Server struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics metrics
	assets  assets
	guesses *rate.Limiter // wrong passwords
	logged  *rate.Limiter
	cert    *tls.Certificate
	handler http.Handler
	addr    atomic.Pointer[net.Addr]
}

// New builds the server and starts nothing.
func New(cfg Config, d Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	if d.Reports == nil || d.Logger == nil || d.Registerer == nil {
		return nil, errors.New("console: Deps.Reports, Deps.Logger and Deps.Registerer must be set")
	}
	files, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	s := &Server{
		cfg: cfg, deps: d, log: d.Logger.With("component", "console"), assets: files,
		guesses: rate.NewLimiter(2, 5), logged: rate.NewLimiter(1, 5),
	}
	if cfg.TLS.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("console: read tls.cert_file and tls.key_file: %w", err)
		}
		s.cert = &pair
	}
	s.metrics = newMetrics(d.Registerer, slices.Sorted(maps.Keys(s.questions())))
	s.handler = s.routes()
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

// Handler is the page and its API, with all checks.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) routes() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed, r.RedirectTrailingSlash = false, false
	r.Use(gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, cause any) {
		s.log.ErrorContext(c.Request.Context(), "panic in a handler", "panic", cause)
		c.AbortWithStatusJSON(http.StatusInternalServerError, newProblem(codeInternal, "Something went wrong; the log of the console has the reason."))
	}))
	api := r.Group("/api/v1", func(c *gin.Context) { c.Header("Cache-Control", "no-store") })
	for name, ask := range s.questions() {
		api.GET("/"+name, s.serve(name, ask))
	}
	// The address that other programs use.
	r.GET("/api/orders/:shop/:id", func(c *gin.Context) { c.Header("Cache-Control", "no-store") }, s.serve("order", s.order))
	r.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	r.NoRoute(func(c *gin.Context) {
		if len(c.Request.URL.Path) >= 5 && c.Request.URL.Path[:5] == "/api/" {
			c.JSON(http.StatusNotFound, newProblem(codeNotFound, "The API has no such path."))
			return
		}
		c.Status(http.StatusOK) // gin has set 404; the files say themselves
		s.assets.ServeHTTP(c.Writer, c.Request)
	})
	return s.guard(gzhttp.GzipHandler(r))
}

// refuse answers a request that does not get as far as a question.
func (s *Server) refuse(w http.ResponseWriter, status int, code, message string) {
	s.metrics.requests.WithLabelValues(code).Inc()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(newProblem(code, message))
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	ln := s.deps.Listener
	if ln == nil {
		var err error
		if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen); err != nil {
			return fmt.Errorf("listen for the console (console.listen): %w", err)
		}
		addr := ln.Addr()
		s.addr.Store(&addr)
	}
	address := ln.Addr().String()
	ln = netutil.LimitListener(ln, maxConnections)
	if s.cert != nil {
		ln = tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*s.cert}})
	}
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      s.cfg.Query.Timeout + 2*requestGrace,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
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
	s.log.InfoContext(ctx, "console listening", "addr", address, "auth", s.cfg.asks(), "tls", s.cert != nil)
	switch {
	case s.cfg.asks() && s.cert == nil && !s.cfg.loopback():
		s.log.WarnContext(ctx, "the password of the console crosses the network in the clear: set console.tls, or put a proxy with TLS before it")
	case !s.cfg.asks() && !s.cfg.loopback():
		s.log.WarnContext(ctx, "the console is open to everybody who reaches it: console.auth is off")
	}
	err := srv.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the console on %s: %w", address, err)
}
