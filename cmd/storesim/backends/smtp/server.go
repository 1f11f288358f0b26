package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
	"millrace/schemas/secret"
)

const (
	maxMessage    = 10 << 20
	maxRecipients = 100
	readTimeout   = 5 * time.Minute // of RFC 5321, for a silent client
	writeTimeout  = 30 * time.Second
	// maxHang bounds a timeout for clients that never give up.
	maxHang = 30 * time.Minute
	// stopGrace is how long answers under way may take when the server stops.
	stopGrace = 2 * time.Second
)

// Deps is what the program hands over.
type Deps struct {
	Faults *faults.Injector // required, as are Ledger and Logger
	Ledger *effects.Ledger
	Logger *slog.Logger
	// User and Password: with a user, AUTH PLAIN is asked for before mail is taken; with TLS it is offered only under it.
	User     string
	Password secret.Secret
	TLS      *tls.Config // offers STARTTLS; nil: none
}

// Server is the SMTP server.
type Server struct {
	Deps
	stop <-chan struct{}
}

// New builds the server and starts nothing.
func New(d Deps) *Server { return &Server{Deps: d} }

// Serve takes connections until ctx ends: then delayed and hanging messages are cut without an effect, idle clients are told
// 421, and what is being answered has two seconds. It closes ln, and returns when the last connection is gone. It is called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.stop = ctx.Done()
	srv := gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) { return &session{s: s, c: c}, nil }))
	srv.Domain = "storesim"
	srv.MaxMessageBytes, srv.MaxRecipients = maxMessage, maxRecipients
	srv.ReadTimeout, srv.WriteTimeout = readTimeout, writeTimeout
	srv.EnableSMTPUTF8 = true
	srv.TLSConfig, srv.AllowInsecureAuth = s.TLS, s.TLS == nil
	// Its complaints are about connections that broke, which here is what is meant to happen.
	srv.ErrorLog = slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug)

	conns := &listener{Listener: ln, open: map[*conn]struct{}{}}
	undo := context.AfterFunc(ctx, conns.stop)
	defer undo()
	err := srv.Serve(conns)
	conns.stop()
	late := time.AfterFunc(stopGrace, conns.cut)
	defer late.Stop()
	// Only now, with no accept under way: go-smtp adds to the group that Shutdown waits for. Its error is that of closing a
	// listener that is closed, and it ends because cut ends every connection.
	_ = srv.Shutdown(context.WithoutCancel(ctx))
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("serve SMTP on %s: %w", ln.Addr(), err)
}
