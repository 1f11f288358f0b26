package notifications

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailServer is a real SMTP server that keeps what it takes and fails on demand.
type mailServer struct {
	addr string
	*smtp.Server

	mu    sync.Mutex
	mails []received
	conns int

	// script, if set, answers a step ("mail", "rcpt", "data", "taken") instead of the server; "taken" is after the mail was kept.
	script func(step string) error
	login  bool // demands user and password "hush-hush"
}

// received is one mail, as the server took it.
type received struct {
	from, to string
	*mail.Message

	raw string
}

func (r received) header(name string) string { return r.Header.Get(name) }

// startMailServer serves on loopback until the test ends.
func startMailServer(t *testing.T, tune func(*mailServer)) *mailServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveMail(t, ln, tune)
}

func serveMail(t *testing.T, ln net.Listener, tune func(*mailServer)) *mailServer {
	t.Helper()
	s := &mailServer{addr: ln.Addr().String()}
	s.Server = smtp.NewServer(s)
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.Domain, s.ReadTimeout, s.WriteTimeout = "mail.test", time.Minute, time.Minute
	if tune != nil {
		tune(s)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		_ = ln.Close() // which Close does not know if it came before Serve
		<-done
	})
	return s
}

// withTLS gives the server a certificate and a file of the authority that signed it.
func withTLS(t *testing.T) (*tls.Config, string) {
	t.Helper()
	authority := httptest.NewTLSServer(nil)
	defer authority.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: authority.TLS.Certificates}, file
}

// NewSession implements smtp.Backend.
func (s *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns++
	plain := &mailSession{server: s}
	if s.login {
		return &loginSession{mailSession: plain}, nil
	}
	return plain, nil
}

func (s *mailServer) step(name string) error {
	s.mu.Lock()
	script := s.script
	s.mu.Unlock()
	if script == nil {
		return nil
	}
	return script(name)
}

// setScript replaces the script.
func (s *mailServer) setScript(script func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

func (s *mailServer) taken() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

func (s *mailServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

type mailSession struct {
	server   *mailServer
	from, to string
}

func (s *mailSession) Reset()        { s.from, s.to = "", "" }
func (s *mailSession) Logout() error { return nil }

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return s.server.step("mail")
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.server.step("rcpt")
}

func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.server.step("data"); err != nil {
		return err
	}
	m, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	s.server.mails = append(s.server.mails, received{s.from, s.to, m, string(raw)})
	s.server.mu.Unlock()
	return s.server.step("taken")
}

// loginSession refuses mails before a login.
type loginSession struct {
	*mailSession

	in bool
}

func (s *loginSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *loginSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "user" || password != "hush-hush" {
			return smtp.ErrAuthFailed
		}
		s.in = true
		return nil
	}), nil
}

func (s *loginSession) Mail(from string, o *smtp.MailOptions) error {
	if !s.in {
		return smtp.ErrAuthRequired
	}
	return s.mailSession.Mail(from, o)
}

// refuse returns a script that answers one step with code.
func refuse(step string, code int) func(string) error {
	return func(at string) error {
		if at == step {
			return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "no, ada@example.com"}
		}
		return nil
	}
}

// startTLSServer serves over TLS, by STARTTLS or from the first byte, and demands a login.
func startTLSServer(t *testing.T, mode string, config *tls.Config) *mailServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if mode == TLSImplicit {
		ln = tls.NewListener(ln, config)
	}
	return serveMail(t, ln, func(s *mailServer) {
		s.login = true
		if mode == TLSStartTLS {
			s.TLSConfig = config
		}
	})
}
