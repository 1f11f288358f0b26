package backends

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"

	"millrace/cmd/storesim/backends/effects"
)

func TestMailIsDescribed(t *testing.T) {
	w := start(t, nil)
	for range 2 {
		if err := w.mail("Ada <ada@shop.example>", "hook-1/order_confirmation"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.mail("bob@shop.example", ""); err != nil {
		t.Fatal(err)
	}
	if s := w.summary().SMTP; s.Accepted != 3 || s.Events != 1 || s.Duplicates != 1 || s.Requests != 3 || s.AtOnce != 1 || s.Anomalies[effects.WithoutEvent] != 1 {
		t.Errorf("summary %+v", s)
	}
	var got Entries
	w.admin(http.MethodGet, "/ledger?backend=smtp&shop=acme.myshopify.com&order=order/1", "", &got)
	if got.Total != 2 {
		t.Fatalf("entries %+v", got)
	}
	e, m := got.Entries[0], got.Entries[0].Mail
	if e.Key != "hook-1/order_confirmation" || e.Repeats != 1 || len(e.Anomalies) != 0 || len(got.Entries[1].Anomalies) != 1 || m.Event != e.Key || m.From != "shop@millrace.example" ||
		strings.Join(m.To, " ") != "ada@shop.example" || m.Subject != "Grüße: Ihre Bestellung #1001" || m.MessageID != "id-hook-1/order_confirmation@millrace.example" || m.Bytes < 100 {
		t.Errorf("entry %+v mail %+v", e, m)
	}
}

func TestFaultsOfMail(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct {
		fault, rule string
		code        int // 0: the connection is cut
		effects     int64
	}{
		{"error", `{"error_rate":1}`, 451, 0},
		{"reset", `{"reset_rate":1}`, 0, 0},
		{"lost_answer", `{"lost_answer_rate":1}`, 0, 1},
		{"outage", `{"down":true}`, 451, 0},
		{"outage", `{"down":true,"outage_as":"reset"}`, 0, 0},
		{"rate_limited", `{"rate_limit":0.001,"burst":1}`, 450, 1}, // the second of two
		{"", `{"refuse":true}`, 550, 0},
		{"", `{"permanent_rate":1}`, 554, 0},
	} {
		t.Run(c.rule, func(t *testing.T) {
			w.set("smtp/Bad.example", c.rule)
			before := w.summary().SMTP
			if c.code == 450 {
				if err := w.mail("a@bad.example", c.rule); err != nil {
					t.Fatalf("within the limit: %v", err)
				}
			}
			err := w.mail("a@BAD.example", c.rule)
			var told *gomail.SendError
			switch {
			case err == nil:
				t.Error("no error")
			case c.code != 0 && (!errors.As(err, &told) || told.ErrorCode() != c.code || told.IsTemp() != (c.code < 500)):
				t.Errorf("error %v, want %d", err, c.code)
			case c.code == 0 && errors.As(err, &told) && told.ErrorCode() != 0:
				t.Errorf("error %v, want a cut connection", err)
			}
			after := w.summary().SMTP
			if got := after.Accepted - before.Accepted; got != c.effects {
				t.Errorf("%d effects, want %d", got, c.effects)
			}
			if c.fault != "" && after.Faults[c.fault] != before.Faults[c.fault]+1 {
				t.Errorf("fault %s is not counted: %v", c.fault, after.Faults)
			}
			if c.fault == "" && after.Refused["refused"] != before.Refused["refused"]+1 {
				t.Errorf("the refusal is not counted: %+v", after)
			}
			if err := w.mail("a@good.example", "good "+c.rule); err != nil {
				t.Errorf("another domain: %v", err)
			}
		})
	}
}

func TestMailTimesOutUntilTheClientGivesUp(t *testing.T) {
	w := start(t, nil, "smtp:timeout_rate=1", "smtp/away.example:down,outage_as=hang")
	c, err := smtp.Dial(w.addr.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	w.giveUp(c, "a@b.example", "timeout")
	if c, err = smtp.Dial(w.addr.SMTP); err != nil {
		t.Fatal(err)
	}
	w.giveUp(c, "a@away.example", "outage")
}

// giveUp sends a mail that meets a fault which hangs, and leaves when it does.
func (w *world) giveUp(c *smtp.Client, to, fault string) {
	w.t.Helper()
	before := w.summary().SMTP
	answered := make(chan error, 1)
	go func() {
		err := c.Mail("shop@millrace.example")
		if err == nil {
			err = c.Rcpt(to)
		}
		if err == nil {
			var d io.WriteCloser
			if d, err = c.Data(); err == nil {
				err = d.Close()
			}
		}
		answered <- err
	}()
	w.until(fault, func(s effects.Summary) bool { return s.SMTP.Faults[fault] == before.Faults[fault]+1 })
	select {
	case err := <-answered:
		w.t.Errorf("answered: %v", err)
	default:
	}
	c.Close()
	if err := <-answered; err == nil {
		w.t.Error("answered after all")
	}
	if after := w.summary().SMTP; after.Accepted != before.Accepted {
		w.t.Errorf("summary %+v", after)
	}
}

func TestMailIsDelayed(t *testing.T) {
	w := start(t, nil, "smtp:latency=80ms")
	begun := time.Now()
	if err := w.mail("a@b.example", "e"); err != nil || time.Since(begun) < 80*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestStartTLSAndAuth(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	w := start(t, func(c *Config) { c.SMTPCA, c.SMTPUser, c.SMTPPassword = ca, "shop", "hush" }, "smtp/lost.example:lost_answer_rate=1", "smtp/hung.example:timeout_rate=1")
	text, err := os.ReadFile(ca)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(text) || strings.Contains(string(text), "PRIVATE") {
		t.Fatalf("certificate %s (%v)", text, err)
	}
	trusting := func(password string) []gomail.Option {
		return []gomail.Option{
			gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithTLSConfig(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}),
			gomail.WithSMTPAuth(gomail.SMTPAuthPlain), gomail.WithUsername("shop"), gomail.WithPassword(password),
		}
	}
	if err := w.mail("a@b.example", "1", trusting("hush")...); err != nil {
		t.Errorf("with the password: %v", err)
	}
	if err := w.mail("a@b.example", "2", trusting("wrong")...); err == nil || !strings.Contains(err.Error(), "535") {
		t.Errorf("with another: %v", err)
	}
	if err := w.mail("a@b.example", "3"); err == nil || !strings.Contains(err.Error(), "530") {
		t.Errorf("without: %v", err)
	}
	if err := w.mail("a@lost.example", "4", trusting("hush")...); err == nil {
		t.Error("a lost answer under TLS came")
	}
	c, err := smtp.Dial(w.addr.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.StartTLS(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}), c.Auth(smtp.PlainAuth("", "shop", "hush", "127.0.0.1"))); err != nil {
		t.Fatal(err)
	}
	w.giveUp(c, "a@hung.example", "timeout")
	if s := w.summary().SMTP; s.Accepted != 2 || s.Refused["unauthorized"] != 1 || s.Faults["lost_answer"] != 1 || s.Faults["timeout"] != 1 {
		t.Errorf("summary %+v", s)
	}
}

func TestAFaultOfTheWholeServerIsNotTheRecipients(t *testing.T) {
	w := start(t, nil, "smtp:rate_limit=0.001,burst=1", "smtp/free.example:latency=0s")
	if err := w.mail("a@b.example", "1"); err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{"", `{"down":true}`} {
		if rule != "" {
			w.set("smtp", rule)
		}
		var told *gomail.SendError
		if err := w.mail("a@b.example", "2"); !errors.As(err, &told) || told.ErrorCode() != 421 {
			t.Errorf("%s: error %v, want 421", rule, err)
		}
		if err := w.mail("a@free.example", rule); err != nil {
			t.Errorf("%s: a domain with a rule of its own: %v", rule, err)
		}
	}
}

// TestIdleClientsAreToldToLeave holds a connection open, as clients with a pool do.
func TestIdleClientsAreToldToLeave(t *testing.T) {
	w := start(t, nil)
	c, err := smtp.Dial(w.addr.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Hello("idle.example"); err != nil {
		t.Fatal(err)
	}
	if err := w.stop(); err != nil {
		t.Error(err)
	}
	if line, err := c.Text.ReadLine(); !strings.HasPrefix(line, "421 ") {
		t.Errorf("told %q (%v)", line, err)
	}
}

// TestSeveralMailsOnOneConnection has a message with two recipients of which one is refused, then another, then BDAT.
func TestSeveralMailsOnOneConnection(t *testing.T) {
	w := start(t, nil, "smtp/no.example:refuse")
	c, err := smtp.Dial(w.addr.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		must(c.Mail("shop@millrace.example"))
		must(c.Rcpt("a@b.example"))
		if err := c.Rcpt("a@no.example"); err == nil || !strings.HasPrefix(err.Error(), "550") {
			t.Errorf("Rcpt() error %v", err)
		}
		d, err := c.Data()
		must(err)
		_, err = fmt.Fprintf(d, "X-Millrace-Event: e%d\r\nSubject: =?klingon?q?nuqneH?=\r\n\r\nqapla'\r\n", i)
		must(err)
		must(d.Close())
	}
	must(c.Mail("shop@millrace.example"))
	must(c.Rcpt("a@b.example"))
	must(c.Text.PrintfLine("BDAT 11 LAST\r\nno headers"))
	_, _, err = c.Text.ReadResponse(250)
	must(err)
	// Without QUIT, the way processes die.
	must(c.Close())
	var got Entries
	w.admin(http.MethodGet, "/ledger", "", &got)
	if len(got.Entries) != 3 || got.Entries[1].Mail.Subject != "=?klingon?q?nuqneH?=" || len(got.Entries[0].Mail.To) != 1 || got.Entries[2].Mail.Bytes != 11 {
		t.Errorf("entries %+v", got)
	}
}

// TestHalfAMessageIsNoMail has a client that dies within DATA.
func TestHalfAMessageIsNoMail(t *testing.T) {
	w := start(t, nil)
	c, err := smtp.Dial(w.addr.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{c.Mail("a@b.example"), c.Rcpt("a@b.example")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(d, "Subject: half\r\n\r\nof a"); err != nil {
		t.Fatal(err)
	}
	if err := c.Text.W.Flush(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if s := w.s.Summary().SMTP; s.Accepted != 0 || s.Requests != 1 {
		t.Errorf("summary %+v", s)
	}
}
