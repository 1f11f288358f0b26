package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// maxHeaderBytes bounds a request's headers; Shopify's are under 2 KB.
const maxHeaderBytes = 16 << 10

// errAlreadyRan is returned by Run when it is called a second time.
var errAlreadyRan = errors.New("ingest server was run before; build a new one")

// Deps is what the program hands over.
type Deps struct {
	KafkaOptions []kgo.Opt             // brokers, TLS, SASL, logger, hooks; what delivery rests on is set here in ingest
	Logger       *slog.Logger          // required
	Registerer   prometheus.Registerer // required
	Listener     net.Listener          // optional; else Config.Listen is bound by Run
}

// Server is the receiver. New builds it, Run runs it once.
type Server struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics metrics
	answers map[outcome]answer
	limits  map[outcome]*rate.Limiter
	bodies  *bodies
	keys    atomic.Pointer[keyring] // swapped as a whole when the secrets file changes
	cert    certificate
	ready   readiness

	// The secrets file as last taken or refused, and as last read; the watcher's alone once Run has begun.
	secretsText, secretsSeen []byte
	retryAfter               string
	jsonType                 []string

	ran      atomic.Bool
	stopping atomic.Bool
	inFlight atomic.Int64
	logged   atomic.Int64
	producer atomic.Pointer[producer]
	addr     atomic.Pointer[net.Addr]
}

// New validates the configuration, reads the secrets file and the TLS key pair and registers the metrics. It starts
// nothing: no connection, no listener, no goroutine.
func New(cfg Config, d Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("ingest configuration: %w", err)
	}
	s := &Server{
		cfg: cfg, deps: d,
		log:        d.Logger.With("component", "ingest"),
		answers:    answers(),
		bodies:     newBodies(cfg.MaxInFlightBytes),
		cert:       certificate{cfg: cfg.TLS},
		retryAfter: strconv.Itoa(int(math.Ceil(cfg.RetryAfter.Seconds()))),
		jsonType:   []string{"application/json; charset=utf-8"},
	}
	if err := errors.Join(s.loadSecrets(), s.cert.load()); err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	if err := kgo.ValidateOpts(s.kafkaOptions()...); err != nil {
		return nil, fmt.Errorf("ingest: Kafka options: %w", err)
	}
	s.limits = newLimits(s.answers)
	s.metrics = newMetrics(d.Registerer, s)
	return s, nil
}

func (s *Server) kafkaOptions() []kgo.Opt {
	opts := append([]kgo.Opt(nil), s.deps.KafkaOptions...)
	return append(opts, producerOptions(s.cfg.MaxInFlightBytes, s.cfg.Linger)...)
}

// Addr returns the address of the public listener, or nil before Run has bound it.
func (s *Server) Addr() net.Addr {
	if a := s.addr.Load(); a != nil {
		return *a
	}
	return nil
}

// Run serves until ctx ends, then stops in order: not ready, shutdown_delay, listener closed, accepted requests answered
// within shutdown_grace, producer flushed. It returns nil on a clean stop, and an error when it could not serve or when
// accepted requests were cut off. Kafka need not be there: deliveries are then answered 503.
func (s *Server) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return errAlreadyRan
	}
	ln, err := s.listen(ctx)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(s.kafkaOptions()...)
	if err != nil {
		return errors.Join(fmt.Errorf("ingest: build Kafka client: %w", err), ln.Close())
	}
	defer client.Close()
	if err := checkOptions(client); err != nil {
		return errors.Join(fmt.Errorf("ingest: %w", err), ln.Close())
	}
	s.producer.Store(newProducer(client, &s.metrics, s.cfg.MaxInFlightBytes))
	web := &http.Server{
		Handler:           s.handler(), //nolint:contextcheck // the log takes the context of each request
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		ReadTimeout:       s.cfg.BodyTimeout,
		// Reading, waiting for Kafka and writing a short answer; a client that does not read is cut off.
		WriteTimeout:   s.cfg.BodyTimeout + maxAckTimeout + time.Second,
		IdleTimeout:    s.cfg.IdleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		// Else the library answers OPTIONS * with a 200 of its own, uncounted.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // handshakes and scans by strangers
	}
	s.log.InfoContext(ctx, "receiver listening", "addr", ln.Addr().String(), "tls", s.cert.enabled())
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := web.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve webhooks on %s: %w", ln.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		s.watchFiles(groupCtx)
		return nil
	})
	group.Go(func() error {
		<-groupCtx.Done()
		s.stopping.Store(true)
		if ctx.Err() != nil { // asked for, so a load balancer is to notice; not when serving failed
			s.awaitBalancers()
		}
		return s.stop(context.WithoutCancel(ctx), web, client)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "receiver stopped")
	return nil
}

func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	ln := s.deps.Listener
	if ln == nil {
		var err error
		if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen); err != nil {
			return nil, fmt.Errorf("ingest: bind ingest.listen: %w", err)
		}
	}
	addr := ln.Addr()
	s.addr.Store(&addr)
	ln = netutil.LimitListener(ln, s.cfg.MaxConnections)
	if s.cert.enabled() {
		ln = tls.NewListener(ln, s.cert.config())
	}
	return ln, nil
}

// stop ends serving in the order that Run promises. Each step has its own deadline, so that a slow one cannot eat the
// next one's.
func (s *Server) stop(ctx context.Context, web *http.Server, client *kgo.Client) error {
	graceCtx, cancel := context.WithTimeout(ctx, s.cfg.ShutdownGrace)
	defer cancel()
	var errs []error
	if err := web.Shutdown(graceCtx); err != nil {
		// Requests that were still being sent were never accepted; cutting them off is no fault.
		if n := s.inFlight.Load(); n > 0 {
			errs = append(errs, fmt.Errorf("answer %d accepted requests within shutdown_grace (%v): %w", n, s.cfg.ShutdownGrace, err))
		}
		errs = append(errs, web.Close())
	}
	// What is still buffered was answered 503, or cut off above; storing it after all only saves Shopify's repeat.
	flushCtx, cancelFlush := context.WithTimeout(ctx, time.Second)
	defer cancelFlush()
	if err := client.Flush(flushCtx); err != nil {
		s.log.WarnContext(ctx, "unacknowledged events dropped at stop; none was answered 200", "records", client.BufferedProduceRecords(), "err", err)
	}
	return errors.Join(errs...)
}

// awaitBalancers goes on serving, not ready, for shutdown_delay.
func (s *Server) awaitBalancers() {
	if s.cfg.ShutdownDelay > 0 {
		delay := time.NewTimer(s.cfg.ShutdownDelay)
		defer delay.Stop()
		<-delay.C
	}
}

// handler builds the router. It never redirects: Shopify counts a 3xx as a failure.
func (s *Server) handler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.HandleMethodNotAllowed = true
	r.POST("/webhooks", s.receive)
	r.POST("/webhooks/*topic", s.receive)
	r.NoMethod(func(c *gin.Context) { s.finish(c, methodRefused, &delivery{start: time.Now()}) })
	r.NoRoute(func(c *gin.Context) { s.finish(c, pathUnknown, &delivery{start: time.Now()}) })
	return r
}
