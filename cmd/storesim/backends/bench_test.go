package backends

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run serves a healthy world for a benchmark, with its ledger in a file.
func run(b *testing.B) (a Addresses) {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "effects.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	ready := make(chan Addresses, 1)
	s, err := New(onFreePorts(), Deps{Logger: slog.New(slog.DiscardHandler), Ledger: f, Ready: func(a Addresses) { ready <- a }})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		f.Close()
	})
	return <-ready
}

// BenchmarkReserve is one client on one kept connection, in the same process.
func BenchmarkReserve(b *testing.B) {
	a := run(b)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := 0; b.Loop(); i++ {
		r, err := http.NewRequest(http.MethodPost, a.Stock+"/v1/reservations", strings.NewReader(fmt.Sprintf(`{"shop":"s","order_id":"%d","lines":[{"sku":"A","quantity":1}]}`, i)))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Idempotency-Key", fmt.Sprint(i))
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			b.Fatal(resp.Status)
		}
	}
}

// BenchmarkMail is one client on one kept connection, in the same process.
func BenchmarkMail(b *testing.B) {
	a := run(b)
	c, err := smtp.Dial(a.SMTP)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for i := 0; b.Loop(); i++ {
		err := c.Mail("a@b.example")
		if err == nil {
			err = c.Rcpt("c@d.example")
		}
		var d io.WriteCloser
		if err == nil {
			d, err = c.Data()
		}
		if err == nil {
			_, err = fmt.Fprintf(d, "X-Millrace-Event: %d\r\nSubject: s\r\n\r\n%s", i, strings.Repeat("text\r\n", 200))
		}
		if err == nil {
			err = d.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
