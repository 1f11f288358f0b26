package notifications

import (
	"context"
	"errors"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"millrace/consumers/group/grouptest"
)

func smtpConfig(addr string) SMTPConfig {
	cfg := DefaultConfig().SMTP
	cfg.Address = addr
	return cfg
}

func newMailer(t *testing.T, cfg SMTPConfig) *smtpMailer {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	m, err := newSMTP(cfg, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for s := m.idle.take(); s != nil; s = m.idle.take() {
			s.abort()
		}
	})
	return m
}

func sampleMessage() *Message {
	const key = "acme.myshopify.com/order_confirmation/1"
	return &Message{
		From: mail.Address{Name: "Ac\u00fcme", Address: "shop@acme.example"}, ReplyTo: "help@acme.example", To: "ada@example.com",
		EventKey: key, ID: messageID(key, "shop@acme.example"),
		Shop: "acme.myshopify.com", Order: "1",
		content: content{Subject: "Order #1 confirmed", Text: "Hello\n", HTML: "<p>Hello</p>\n"},
	}
}

func TestAMailArrivesWithItsHeaders(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, nil)
	m := newMailer(t, smtpConfig(s.addr))
	m.now = func() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) }
	for range 3 {
		if err := m.Send(t.Context(), sampleMessage()); err != nil {
			t.Fatalf("Send() error: %v", err)
		}
	}
	got := s.taken()
	if len(got) != 3 || s.connections() != 1 {
		t.Fatalf("%d mails over %d connections, want 3 over 1", len(got), s.connections())
	}
	if got[0].from != "shop@acme.example" || got[0].to != "ada@example.com" {
		t.Errorf("envelope from %s to %s", got[0].from, got[0].to)
	}
	for name, want := range map[string]string{
		"From": "=?UTF-8?q?Ac=C3=BCme?= <shop@acme.example>", "To": "<ada@example.com>", "Reply-To": "<help@acme.example>",
		"Subject": "Order #1 confirmed", "X-Millrace-Event": "acme.myshopify.com/order_confirmation/1",
		"Message-Id": "<" + sampleMessage().ID + ">", "Auto-Submitted": "auto-generated",
		"X-Millrace-Shop": "acme.myshopify.com", "X-Millrace-Order": "1", "Date": "Mon, 23 Nov 2026 10:00:00 +0000",
	} {
		if h := got[0].header(name); !strings.EqualFold(h, want) {
			t.Errorf("%s: %q, want %q", name, h, want)
		}
	}
	if got[0].raw != got[1].raw {
		t.Errorf("a repeat differs:\n%s\n---\n%s", got[0].raw, got[1].raw)
	}
}

func TestWhatTheServerAnswersBecomesAVerdict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step string
		code int
		want grouptest.Kind
	}{
		"the recipient is unknown":           {"rcpt", 550, grouptest.Permanent},
		"the recipient is greylisted":        {"rcpt", 450, grouptest.Retry},
		"the content is refused":             {"data", 554, grouptest.Permanent},
		"the server has no room":             {"data", 452, grouptest.Retry},
		"the sender is refused":              {"mail", 550, grouptest.Retry},
		"the server is closing for business": {"mail", 421, grouptest.Retry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startMailServer(t, func(s *mailServer) { s.script = refuse(c.step, c.code) })
			m := newMailer(t, smtpConfig(s.addr))
			err := m.Send(t.Context(), sampleMessage())
			if got := grouptest.Verdict(err); got.Kind != c.want {
				t.Errorf("Send() = %s (%v), want %s", got.Kind, err, c.want)
			}
			if strings.Contains(err.Error(), "ada@") {
				t.Errorf("the error has the customer's address: %v", err)
			}
			// The connection was in an unknown state: it must not be used again.
			s.setScript(nil)
			if err := m.Send(t.Context(), sampleMessage()); err != nil {
				t.Errorf("Send() after the refusal error: %v", err)
			}
			if got := s.taken(); len(got) != 1 {
				t.Errorf("%d mails, want 1", len(got))
			}
		})
	}
}

func TestAServerThatIsAwayIsTriedAgain(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	m := newMailer(t, smtpConfig(addr))
	if err := m.Send(t.Context(), sampleMessage()); grouptest.Verdict(err).Kind != grouptest.Retry || !strings.Contains(err.Error(), addr) {
		t.Errorf("Send() = %v, want a plain error with the address", err)
	}
}

// The server closes idle connections; the mail then goes out on a new one, and is not a failure.
func TestAnIdleConnectionThatTheServerClosedIsReplaced(t *testing.T) {
	t.Parallel()
	first := startMailServer(t, nil)
	m := newMailer(t, smtpConfig(first.addr))
	if err := m.Send(t.Context(), sampleMessage()); err != nil {
		t.Fatal(err)
	}
	_ = first.Close() // and with it all its connections
	ln, err := net.Listen("tcp", first.addr)
	if err != nil {
		t.Skipf("the port is taken by somebody else: %v", err)
	}
	second := serveMail(t, ln, nil)
	if err := m.Send(t.Context(), sampleMessage()); err != nil {
		t.Errorf("Send() error: %v", err)
	}
	if len(second.taken()) != 1 {
		t.Errorf("%d mails on the new connection, want 1", len(second.taken()))
	}
}

// The acknowledgement is lost: the mail is sent again, and the header and the Message-ID say so.
func TestAMailWhoseAcknowledgementIsLostIsRecognisable(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, nil)
	proxy := cutAfterData(t, s.addr)
	m := newMailer(t, smtpConfig(proxy))
	if err := m.Send(t.Context(), sampleMessage()); grouptest.Verdict(err).Kind != grouptest.Retry {
		t.Fatalf("Send() = %v, want a plain error", err)
	}
	if err := m.Send(t.Context(), sampleMessage()); err != nil {
		t.Fatalf("Send() again error: %v", err)
	}
	got := s.taken()
	if len(got) != 2 || got[0].header("Message-Id") != got[1].header("Message-Id") || got[0].header(HeaderEvent) != got[1].header(HeaderEvent) {
		t.Errorf("%d mails, want 2 that name the same event", len(got))
	}
}

// cutAfterData stands before a server and drops the answer to the first mail.
func cutAfterData(t *testing.T, addr string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for first := true; ; first = false {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			relay(client, addr, first)
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

// relay copies both ways, one answer per command, until either side ends; with cut, it ends in the place of the answer to the body.
func relay(client net.Conn, addr string, cut bool) {
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	up := make(chan struct{})
	go func() {
		defer close(up)
		buf := make([]byte, 32<<10)
		for {
			n, err := client.Read(buf)
			if n > 0 {
				_, _ = server.Write(buf[:n])
			}
			if err != nil {
				_ = server.Close()
				return
			}
		}
	}()
	buf := make([]byte, 32<<10)
	dataBegun := false
	for {
		n, err := server.Read(buf)
		if n > 0 {
			if dataBegun && cut {
				break
			}
			dataBegun = dataBegun || strings.HasPrefix(string(buf[:n]), "354")
			_, _ = client.Write(buf[:n])
		}
		if err != nil {
			break
		}
	}
	_ = client.Close()
	<-up
}

func TestAHangingServerIsLeftWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	s := startMailServer(t, func(s *mailServer) {
		s.script = func(step string) error {
			if step == "data" {
				close(entered)
				<-leave
			}
			return nil
		}
	})
	defer close(leave)
	m, err := newSMTP(smtpConfig(s.addr), time.Hour) // the library's own deadline is far away
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- m.Send(ctx, sampleMessage()) }()
	<-entered
	cancel()
	select {
	case err := <-sent:
		if grouptest.Verdict(err).Kind != grouptest.Retry {
			t.Errorf("Send() = %v, want an error that is tried again", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Send() waits for the server after its context has ended")
	}
}

func TestTLSAndTheLogin(t *testing.T) {
	t.Parallel()
	config, ca := withTLS(t)
	for _, mode := range []string{TLSStartTLS, TLSImplicit} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := startTLSServer(t, mode, config)
			cfg := smtpConfig(s.addr)
			cfg.TLS, cfg.CAFile, cfg.Username, cfg.Password = mode, ca, "user", "hush-hush"
			if err := newMailer(t, cfg).Send(t.Context(), sampleMessage()); err != nil {
				t.Fatalf("Send() error: %v", err)
			}
			if len(s.taken()) != 1 {
				t.Errorf("%d mails, want 1", len(s.taken()))
			}

			wrong := cfg
			wrong.Password = "wrong"
			err := newMailer(t, wrong).Send(t.Context(), sampleMessage())
			if !errors.Is(err, errLogin) || grouptest.Verdict(err).Kind != grouptest.Retry || strings.Contains(err.Error(), "wrong") {
				t.Errorf("Send() with a wrong password = %v, want errLogin, to be tried again", err)
			}
			unknown := cfg
			unknown.CAFile = ""
			if err := newMailer(t, unknown).Send(t.Context(), sampleMessage()); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("Send() to an unknown authority's server = %v, want an error of its certificate", err)
			}
		})
	}
	t.Run("STARTTLS that the server does not have is not done without", func(t *testing.T) {
		t.Parallel()
		s := startMailServer(t, nil)
		cfg := smtpConfig(s.addr)
		cfg.TLS = TLSStartTLS
		if err := newMailer(t, cfg).Send(t.Context(), sampleMessage()); err == nil || len(s.taken()) != 0 {
			t.Errorf("Send() = %v, %d mails in the clear", err, len(s.taken()))
		}
	})
}
