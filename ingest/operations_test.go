package ingest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/ingest"
	"millrace/schemas"
	"millrace/schemas/secret"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// metric returns a sample of the harness's registry; label is the value of its only label, "" where it has none.
func (h *harness) metric(name, label string) float64 {
	h.t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		h.t.Fatalf("gather: %v", err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label != "" && m.GetLabel()[0].GetValue() != label {
				continue
			}
			switch {
			case m.GetCounter() != nil:
				return m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				return m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				return float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	h.t.Fatalf("no metric %s with label %q", name, label)
	return 0
}

func (h *harness) counter(name, label string) float64 { h.t.Helper(); return h.metric(name, label) }
func (h *harness) gauge(name string) float64          { h.t.Helper(); return h.metric(name, "") }

func (h *harness) dial() net.Conn {
	h.t.Helper()
	conn, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	return conn
}

func writeSecrets(tb testing.TB, text string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "secrets.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func TestEveryOutcomeIsCounted(t *testing.T) {
	h := start(t, func(c *ingest.Config) {
		c.MaxBodyBytes = 100_000
		c.AckTimeout = 2 * time.Second
		c.BodyTimeout = 2 * time.Second
	})
	h.want(200, webhook{body: orderBody})
	h.want(200, webhook{body: `{"id":1}`, topic: "moons/rise", without: []string{"X-Shopify-Webhook-Id"}})
	h.want(200, webhook{body: "no json"})
	h.want(401, webhook{body: orderBody, secret: "x"})
	h.want(400, webhook{body: orderBody, shop: "x"})
	h.want(413, webhook{body: strings.Repeat("x", 100_001)})
	h.want(404, webhook{body: orderBody, path: "/x"})
	h.raw("GET /webhooks HTTP/1.1\r\nHost: x\r\n\r\n")
	h.raw("POST /webhooks HTTP/1.1\r\nHost: x\r\n" + signedHeaders(orderBody) + "Content-Length: 10\r\n\r\n{")
	h.raw("POST /webhooks HTTP/1.1\r\nHost: x\r\n" + signedHeaders(orderBody) + "Transfer-Encoding: chunked\r\n\r\nZZZ\r\n")
	_, release := holdProduces(h.kafka)
	h.want(503, webhook{body: orderBody})
	release()
	eventually(t, "the late record is stored", func() bool { return h.counter("millrace_ingest_late_acks_total", "stored") == 1 })

	for outcome, want := range map[string]float64{
		"accepted": 2, "quarantined": 1, "bad_signature": 1, "bad_shop": 1, "too_large": 1, "path_unknown": 1,
		"method_refused": 1, "body_timeout": 1, "body_broken": 1, "ack_timeout": 1,
		"overloaded": 0, "buffer_full": 0, "produce_failed": 0, "handler_panicked": 0, // these move in tests of their own
	} {
		if got := h.counter("millrace_ingest_requests_total", outcome); got != want {
			t.Errorf("millrace_ingest_requests_total{outcome=%q} = %v, want %v", outcome, got, want)
		}
	}
	for topic, want := range map[string]float64{"shopify.orders": 1, "shopify.shop": 1, "shopify.quarantine": 1, "shopify.products": 0} {
		if got := h.counter("millrace_ingest_events_total", topic); got != want {
			t.Errorf("millrace_ingest_events_total{topic=%q} = %v, want %v", topic, got, want)
		}
	}
	for name, want := range map[string]float64{
		"millrace_ingest_unknown_topics_total": 1, "millrace_ingest_webhook_id_fallbacks_total": 1,
		"millrace_ingest_request_seconds": 11, "millrace_ingest_ack_seconds": 4, "millrace_ingest_body_bytes": 6,
		"millrace_ingest_in_flight_requests": 0, "millrace_ingest_in_flight_bytes": 0,
	} {
		if got := h.metric(name, ""); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

func TestOneLineIsLoggedPerRefusalAndASampleOfSuccesses(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.LogEvery = 3 })
	for range 6 {
		h.want(200, webhook{body: orderBody})
	}
	for range 100 {
		h.want(401, webhook{body: orderBody, secret: "x"})
	}
	lines := h.log.String()
	if n := strings.Count(lines, `"outcome":"accepted"`); n != 2 {
		t.Errorf("%d lines for 6 accepted deliveries with log_every 3, want 2", n)
	}
	if n := strings.Count(lines, `"outcome":"bad_signature"`); n < 20 || n > 90 {
		t.Errorf("%d lines for 100 forgeries in a burst, want the first 20 and few more", n)
	}
	for _, want := range []string{`"webhook_id":"b54557e4`, `"shop":"acme.myshopify.com"`, `"shopify_topic":"orders/create"`, `"key":"acme.myshopify.com|order/820982911946154508"`} {
		if !strings.Contains(lines, want) {
			t.Errorf("no line has %s", want)
		}
	}
	if !strings.Contains(lines, `"outcome":"bad_signature","webhook_id":"b54557e4-bdd9-4b37-8a5f-bf7d70bcd043","shop":"acme.myshopify.com","shopify_topic":"orders/create"`) {
		t.Error("no refusal says whose delivery it claims to be")
	}
	if strings.Contains(lines, testSecret+`"`) {
		t.Error("the secret is in the log")
	}
}

func TestAChangedSecretsFileIsTakenAndABrokenOneIsNot(t *testing.T) {
	file := writeSecrets(t, "secrets: [first]\n")
	h := start(t, func(c *ingest.Config) { c.Secrets, c.SecretsFile = nil, file })
	h.want(200, webhook{body: orderBody, secret: "first"})
	h.want(401, webhook{body: orderBody, secret: "second"})
	replace := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	replace("secrets: [second]\n")
	eventually(t, "the change is taken", func() bool { return h.counter("millrace_ingest_file_reloads_total", "done") == 1 })
	h.want(200, webhook{body: orderBody, secret: "second"})
	h.want(401, webhook{body: orderBody, secret: "first"})
	for i, broken := range []string{
		"secrets: hush-hush\n", "secrets: []\n", "hush-hush: [x]\n", "shops: {example.com: [x]}\n", "",
		"secrets: [a]\nhush-hush: 1\n", "secrets: [*hush-hush]\n", "secrets: [a]\n---\nsecrets: [b]\n", "shops: {hush-hush: [x]}\n", "secrets: ['']\n",
	} {
		replace(broken)
		eventually(t, "the broken file is noticed", func() bool { return h.counter("millrace_ingest_file_reloads_total", "failed") == float64(i+1) })
		h.want(200, webhook{body: orderBody, secret: "second"})
	}
	if strings.Contains(h.log.String(), "hush-hush") {
		t.Error("a secret of the broken file is in the log")
	}
}

// newCertificate writes a self-signed key pair for 127.0.0.1 into dir.
func newCertificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "millrace test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestTLSIsServedAndARenewedCertificateTaken(t *testing.T) {
	dir := t.TempDir()
	h := start(t, func(c *ingest.Config) { c.TLS.CertFile, c.TLS.KeyFile = newCertificate(t, dir, 1) })
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	h.client.Transport = transport
	h.url = "https://" + h.addr
	serial := func() int64 {
		t.Helper()
		resp, err := h.client.Do(webhook{body: orderBody}.request(t.Context(), h.url))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
			t.Fatalf("status %d over %s, want 200 over HTTP/2", resp.StatusCode, resp.Proto)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("certificate %d, want 1", n)
	}
	newCertificate(t, dir, 2)
	eventually(t, "the renewed certificate is served", func() bool { return serial() == 2 })
	if n := h.counter("millrace_ingest_file_reloads_total", "done"); n != 1 {
		t.Errorf("%v reloads counted, want 1", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broken pair is noticed", func() bool { return h.counter("millrace_ingest_file_reloads_total", "failed") == 1 })
	if n := serial(); n != 2 {
		t.Errorf("certificate %d after a broken one, want 2", n)
	}
}

func TestNewReportsAllMistakesAtOnceWithTheirKeys(t *testing.T) {
	_, err := ingest.New(ingest.Config{Secrets: []secret.Secret{""}, AckTimeout: 5 * time.Second, MaxInFlightBytes: -1, Linger: -1, ShutdownDelay: -1, LogEvery: -1, TLS: ingest.TLSConfig{CertFile: "x"}}, ingest.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err == nil {
		t.Fatal("New() took an empty configuration")
	}
	for _, key := range []string{
		"listen ", "secrets[0] ", "max_body_bytes ", "ack_timeout ", "linger ", "max_connections ", "max_in_flight ", "max_in_flight_bytes ", "header_timeout ", "body_timeout ",
		"idle_timeout ", "retry_after ", "shutdown_grace ", "shutdown_delay ", "log_every ", "tls.cert_file ",
	} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("New() error does not name %q:\n%v", key, err)
		}
	}
}

func TestDefaultConfigIsValidOnceThereIsASecret(t *testing.T) {
	cfg := ingest.DefaultConfig()
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "secrets must") || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("Validate() = %v, want only the missing secret", err)
	}
	cfg.Secrets = []secret.Secret{"x"}
	if err := cfg.Validate(); err != nil {
		t.Errorf("Validate() error: %v", err)
	}
}

func TestNewNamesAFileThatCannotBeUsed(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "broken": "secrets: [", "missing": "-"} {
		t.Run(name, func(t *testing.T) {
			cfg := ingest.DefaultConfig()
			cfg.SecretsFile = writeSecrets(t, text)
			if name == "missing" {
				cfg.SecretsFile += "x"
			}
			_, err := ingest.New(cfg, ingest.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
			if err == nil || !strings.Contains(err.Error(), "secrets_file") {
				t.Errorf("New() error = %v, want one that names secrets_file", err)
			}
		})
	}
}

func TestRunReportsATakenAddressAndRunsOnlyOnce(t *testing.T) {
	h := start(t, nil)
	cfg := ingest.DefaultConfig()
	cfg.Secrets, cfg.Listen = []secret.Secret{"x"}, h.addr
	s, err := ingest.New(cfg, ingest.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready before Run")
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	if err := s.Run(ctx); err == nil || !strings.Contains(err.Error(), h.addr) {
		t.Errorf("Run() error = %v, want the taken address", err)
	}
	if err := s.Run(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("second Run() = %v, want an error at once", err)
	}
}

func TestEventHeadersAreAsDocumented(t *testing.T) {
	h := start(t, nil)
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	h.want(200, webhook{body: orderBody, header: map[string]string{"traceparent": parent}})
	rec := h.records("shopify.orders", 1)[0]
	want := map[string]string{
		schemas.HeaderSpecVersion: "1.0", schemas.HeaderID: "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", schemas.HeaderType: "com.shopify.orders.create",
		schemas.HeaderSource: "/shopify/acme.myshopify.com", schemas.HeaderSubject: "order/820982911946154508",
		schemas.HeaderTime: "2026-03-30T14:30:00.123456789Z", schemas.HeaderContentType: "application/json", schemas.HeaderShopifyTopic: "orders/create",
		schemas.HeaderShopifyEventID: "98880550-7158-44d4-b7cd-2c97c8a091b5", schemas.HeaderShopifyAPIVersion: "2026-10",
		schemas.HeaderPartitionKey: "acme.myshopify.com|order/820982911946154508", schemas.HeaderTraceParent: parent,
	}
	for name, value := range want {
		if got := headerOf(rec.Headers, name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
	received, err := time.Parse(time.RFC3339Nano, headerOf(rec.Headers, schemas.HeaderReceivedTime))
	if err != nil || time.Since(received).Abs() > time.Minute {
		t.Errorf("%s = %v, error %v", schemas.HeaderReceivedTime, received, err)
	}
	if rec.Timestamp.UnixMilli() != received.UnixMilli() {
		t.Errorf("record timestamp %v, want the time of receipt %v", rec.Timestamp, received)
	}
}

func headerOf(headers []kgo.RecordHeader, key string) string {
	for _, h := range headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
