package flood

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// BenchmarkRequest is one request and answer on one connection, by this package's client and by net/http's, against the same
// server; the difference is the clients'.
func BenchmarkRequest(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte(`{"received":true}`))
	}))
	defer srv.Close()
	f, err := New(testConfig(srv.URL + "/webhooks"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("raw", func(b *testing.B) {
		c := &conn{flood: f}
		if !c.connect(b.Context(), time.Now(), time.Now()) {
			b.Fatal(c.lastErr)
		}
		defer c.close()
		b.ReportAllocs()
		for b.Loop() {
			if code, _, err := c.exchange(time.Now()); code != http.StatusOK || err != nil {
				b.Fatal(code, err)
			}
		}
	})
	b.Run("net-http", func(b *testing.B) {
		client := srv.Client()
		payload := make([]byte, f.cfg.BodySize)
		b.ReportAllocs()
		for b.Loop() {
			resp, err := client.Post(srv.URL, "application/json", bytes.NewReader(payload))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}
