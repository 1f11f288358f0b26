package backends

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/cmd/storesim/backends/carrier"
	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/erp"
	"millrace/cmd/storesim/backends/faults"
	"millrace/cmd/storesim/backends/hook"
	"millrace/cmd/storesim/backends/partner"
	"millrace/cmd/storesim/backends/payment"
	"millrace/cmd/storesim/backends/smtp"
	"millrace/cmd/storesim/backends/stock"
	"millrace/schemas/secret"
)

const (
	// stopGrace is how long answers under way may take when the server stops. Delays and hanging requests do not use it: they
	// are cut at once.
	stopGrace     = 2 * time.Second
	headerTimeout = 10 * time.Second
)

// Server is the simulated world.
type Server struct {
	cfg    Config
	deps   Deps
	ledger *effects.Ledger
	state  *stock.State
	rules  *rules
	failed chan error // of the ledger's file; room for the one that it tells
}

// New builds the world and starts nothing.
func New(cfg Config, d Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("backends: %w", err)
	}
	if d.Logger == nil {
		return nil, errors.New("backends: Deps.Logger must be set")
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64() //nolint:gosec // chance, not a secret
	}
	s := &Server{cfg: cfg, deps: d, failed: make(chan error, 1)}
	s.ledger = effects.New(effects.Config{Out: d.Ledger, Failed: func(err error) { s.failed <- err }})
	s.state = stock.NewState(cfg.Quantities)
	s.rules = newRules(cfg.Seed, cfg.Faults)
	return s, nil
}

// Summary returns the account so far.
func (s *Server) Summary() effects.Summary { return s.ledger.Summary() }

// Run serves until ctx ends, then stops: requests that are delayed or hang are cut without an effect, others are answered. It
// returns an error when it cannot listen, or cannot go on writing its ledger. It is called once.
func (s *Server) Run(ctx context.Context) error {
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	certificate, err := s.certificate(l[faults.SMTP])
	if err != nil {
		l.close()
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, api := range s.partners(ctx.Done()) {
		group.Go(func() error { return serveHTTP(ctx, l[name], api, s.deps.Logger) })
	}
	mail := smtp.New(smtp.Deps{
		Faults: s.rules.injectors[faults.SMTP], Ledger: s.ledger, Logger: s.deps.Logger, User: s.cfg.SMTPUser, Password: s.cfg.SMTPPassword, TLS: certificate,
	})
	group.Go(func() error { return mail.Serve(ctx, l[faults.SMTP]) })
	group.Go(func() error { return serveHTTP(ctx, l[admin], s.admin(), s.deps.Logger) })
	group.Go(func() error {
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	if s.deps.Ready != nil {
		s.deps.Ready(Addresses{
			Stock: l.url(faults.Stock), Payment: l.url(faults.Payment), Carrier: l.url(faults.Carrier), ERP: l.url(faults.ERP), Hook: l.url(faults.Hook),
			SMTP: l[faults.SMTP].Addr().String(), Admin: l.url(admin), Seed: s.cfg.Seed,
		})
	}
	return group.Wait()
}

// partners builds the HTTP APIs, by name.
func (s *Server) partners(stop <-chan struct{}) map[string]http.Handler {
	deps := func(backend string, token secret.Secret) partner.Deps {
		return partner.Deps{Faults: s.rules.injectors[backend], Ledger: s.ledger, Logger: s.deps.Logger, Token: token, Stop: stop}
	}
	return map[string]http.Handler{
		faults.Stock:   stock.New(deps(faults.Stock, s.cfg.StockToken), s.state),
		faults.Payment: payment.New(deps(faults.Payment, s.cfg.PaymentToken)),
		faults.Carrier: carrier.New(deps(faults.Carrier, s.cfg.CarrierToken), carrier.Config{ShipAfter: s.cfg.CarrierShipAfter, DeliverAfter: s.cfg.CarrierDeliverAfter}),
		faults.ERP:     erp.New(deps(faults.ERP, s.cfg.ERPToken)),
		faults.Hook:    hook.New(deps(faults.Hook, s.cfg.HookToken), s.cfg.HookSecret),
	}
}

// listeners are by name.
type listeners map[string]net.Listener

func (l listeners) close() {
	for _, ln := range l {
		_ = ln.Close() // of nothing but an address
	}
}

func (l listeners) url(name string) string { return "http://" + l[name].Addr().String() }

func (s *Server) listen(ctx context.Context) (listeners, error) {
	l, lc := listeners{}, net.ListenConfig{}
	for _, a := range s.cfg.addresses() {
		ln, err := lc.Listen(ctx, "tcp", *a.at)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("listen for %s (--%s-listen): %w", a.name, a.name, err)
		}
		l[a.name] = ln
	}
	return l, nil
}

// certificate makes and writes the certificate of STARTTLS; nil when none is wanted.
func (s *Server) certificate(ln net.Listener) (*tls.Config, error) {
	if s.cfg.SMTPCA == "" {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("address of the SMTP server: %w", err)
	}
	cfg, text, err := smtp.SelfMade(host)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.cfg.SMTPCA, text, 0o644); err != nil { //nolint:gosec // the certificate alone, which is public
		return nil, fmt.Errorf("write the SMTP server's certificate: %w", err)
	}
	return cfg, nil
}

func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	ctx, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	defer func() { stop(); <-stopped }()
	go func() {
		defer close(stopped)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close() // what is left are the connections that outlived the grace
		}
	}()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	}
	return nil
}
