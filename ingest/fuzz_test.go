package ingest_test

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/ingest"
)

// FuzzReceive sends arbitrary bodies and headers, signed or not. Whatever comes: no panic, the status is one of ours, 200
// exactly when the delivery was authentic and well addressed, and then with one more record in Kafka.
func FuzzReceive(f *testing.F) {
	f.Add("orders/create", testShop, "id", "2026-01-02T03:04:05Z", orderBody, true)
	f.Add("orders/create", testShop, "", "", "{", true)
	f.Add("", "", "", "", "", true)
	f.Add("customers/redact", testShop, "\x00", "0001-01-01T00:00:00Z", `{"customer":{"id":1e400}}`, true)
	f.Add("a/b/c", "ACME.MYSHOPIFY.COM", "|", "9999-12-31T23:59:59+23:59", `[[[[[`, false)
	h := start(f, nil)
	eventually(f, "ready", func() bool { return h.server.Ready(f.Context()) == nil })
	f.Fuzz(func(t *testing.T, topic, shop, id, triggered, body string, signed bool) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks", strings.NewReader(body))
		r.Header["X-Shopify-Topic"] = []string{topic}
		r.Header["X-Shopify-Shop-Domain"] = []string{shop}
		r.Header["X-Shopify-Webhook-Id"] = []string{id}
		r.Header["X-Shopify-Triggered-At"] = []string{triggered}
		if signed {
			r.Header["X-Shopify-Hmac-Sha256"] = []string{ingest.Sign(testSecret, []byte(body))}
		}
		before := h.count()
		w := httptest.NewRecorder()
		ingest.Handler(h.server).ServeHTTP(w, r)
		stored := h.count() - before
		switch {
		case w.Code == http.StatusOK && (!signed || stored != 1):
			t.Errorf("200 with signed=%v and %d records", signed, stored)
		case w.Code == http.StatusUnauthorized && (signed || stored != 0):
			t.Errorf("401 with signed=%v and %d records", signed, stored)
		case w.Code != http.StatusOK && w.Code != http.StatusUnauthorized && w.Code != http.StatusBadRequest:
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

// FuzzRawRequest sends arbitrary bytes to the listener. The server must go on serving, and nothing may be stored, since
// nobody who lacks the secret can sign.
func FuzzRawRequest(f *testing.F) {
	f.Add("POST /webhooks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	f.Add("POST /webhooks/orders/create HTTP/1.0\r\n\r\n")
	f.Add("POST /webhooks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
	f.Add("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	f.Add("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	h := start(f, func(c *ingest.Config) { c.BodyTimeout, c.HeaderTimeout = 50*time.Millisecond, 50*time.Millisecond })
	f.Fuzz(func(t *testing.T, request string) {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(waitFor))
		if _, err := conn.Write([]byte(request)); err != nil {
			return // refused while it was being sent
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return // closed without an answer, as for a half request
		}
		defer resp.Body.Close()
		if resp.StatusCode < 400 && resp.StatusCode >= 200 {
			t.Errorf("status %d for unsigned bytes", resp.StatusCode)
		}
		if n := h.count(); n != 0 {
			t.Errorf("Kafka holds %d records", n)
		}
	})
}
