package flood

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig(url string) Config {
	c := DefaultConfig()
	c.URL, c.Secret = url, "hush"
	c.Connections, c.Bodies, c.Warmup, c.Duration = 4, 16, 0, 150*time.Millisecond
	return c
}

func run(t *testing.T, cfg Config) *Report {
	t.Helper()
	f, err := New(cfg)
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	r, err := f.Run(t.Context())
	if err != nil {
		t.Fatalf("Run() error: %v", err)
	}
	return r
}

func TestEveryRequestIsSignedSizedAndHasAnIDOfItsOwn(t *testing.T) {
	var mu sync.Mutex
	ids, orders, shops, conns := map[string]int{}, map[int64]bool{}, map[string]bool{}, map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		mac := hmac.New(sha256.New, []byte("hush"))
		mac.Write(body)
		if got, want := r.Header.Get("X-Shopify-Hmac-Sha256"), base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("signature %q, want %q", got, want)
		}
		var order struct{ ID int64 }
		if err := json.Unmarshal(body, &order); err != nil || len(body) != 2048 || order.ID < 1e12 {
			t.Errorf("body of %d bytes, order %d, error %v", len(body), order.ID, err)
		}
		id := r.Header.Get("X-Shopify-Webhook-Id")
		if u, err := uuid.Parse(id); err != nil || u.Version() != 4 || u.Variant() != uuid.RFC4122 {
			t.Errorf("webhook id %q: %v", id, err)
		}
		mu.Lock()
		defer mu.Unlock()
		ids[id]++
		orders[order.ID], shops[r.Header.Get("X-Shopify-Shop-Domain")], conns[r.RemoteAddr] = true, true, true
		_, _ = w.Write([]byte(`{"received":true}`))
	}))
	defer srv.Close()
	r := run(t, testConfig(srv.URL+"/webhooks"))
	if len(ids) < 20 || int64(len(ids)) != r.Requests || r.Statuses[200] != r.Requests || r.Failed() != 0 {
		t.Errorf("%d ids seen; report %+v", len(ids), r)
	}
	if len(orders) != 16 || len(shops) != 16 || len(conns) != 4 {
		t.Errorf("%d orders, %d shops, %d connections; want 16, 16, 4 kept alive", len(orders), len(shops), len(conns))
	}
	if r.PerSecond <= 0 || r.Latency.P50 <= 0 || r.Latency.P50 > r.Latency.P99 || r.Latency.P999 > r.Latency.Max {
		t.Errorf("report %+v", r)
	}
}

func TestFailuresAreCountedByStatusAndKind(t *testing.T) {
	var mu sync.Mutex
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		n++
		k := n
		mu.Unlock()
		switch k % 4 {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			panic(http.ErrAbortHandler) // cuts the connection
		}
	}))
	defer srv.Close()
	r := run(t, testConfig(srv.URL))
	if r.Statuses[503] == 0 || r.Statuses[200] == 0 || r.Faults["connection"] == 0 || r.Reconnects == 0 {
		t.Errorf("report %+v", r)
	}
	if r.Failed() != r.Statuses[503]+r.Faults["connection"] || r.LastError == "" {
		t.Errorf("Failed() = %d, last error %q of %+v", r.Failed(), r.LastError, r)
	}
}

func TestASilentServerIsATimeout(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	cfg := testConfig(srv.URL)
	cfg.Timeout = 40 * time.Millisecond
	if r := run(t, cfg); r.Faults["timeout"] == 0 || r.Requests != 0 {
		t.Errorf("report %+v", r)
	}
}

func TestOpenLoopKeepsItsRateAndCountsWaitingBehindASlowAnswer(t *testing.T) {
	var once sync.Once
	const stall = 200 * time.Millisecond
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		once.Do(func() { time.Sleep(stall) }) // the first answer is late; what is due meanwhile waits behind it
	}))
	defer srv.Close()
	cfg := testConfig(srv.URL)
	cfg.Connections, cfg.Rate, cfg.Duration = 1, 500, 600*time.Millisecond
	r := run(t, cfg)
	if r.Requests < 290 || r.Requests > 300 {
		t.Errorf("%d requests, want 300 although one connection was blocked for a third of the time", r.Requests)
	}
	// A hundred requests were due during the stall: a third of all. Service time sees one of them.
	if r.Latency.P90 < 100_000 || r.Service.P90 > 50_000 {
		t.Errorf("90%% latency %d us, service %d us: waiting is not counted from the time due", r.Latency.P90, r.Service.P90)
	}
}

func TestWarmupIsNotMeasured(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	cfg := testConfig(srv.URL)
	cfg.Warmup, cfg.Duration = 150*time.Millisecond, 50*time.Millisecond
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests == 0 || r.Requests >= f.Done()*3/4 {
		t.Errorf("%d of %d answers measured, want about a quarter", r.Requests, f.Done())
	}
}

func TestNobodyListeningIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig("http://" + l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context()); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("Run() error: %v, want one that names the address", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
	}))
	defer srv.Close()
	cfg := testConfig(srv.URL)
	cfg.Duration = time.Hour
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := f.Run(ctx); err != nil || r.Requests == 0 {
		t.Errorf("Run() = %+v, %v", r, err)
	}
}

func TestReadResponse(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		code    int
		closing bool
		bad     bool
	}{
		"with a body":          {"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\ncontent-length: 5\r\n\r\nhello", 200, false, false},
		"without a body":       {"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", 204, false, false},
		"that closes":          {"HTTP/1.1 503 Busy\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", 503, true, false},
		"of an old server":     {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, true, false},
		"chunked":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, true, true},
		"that is not HTTP":     {"220 mail.example ESMTP\r\n", 0, true, true},
		"with a broken length": {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, true, true},
		"cut short":            {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", 0, true, true},
	} {
		t.Run("answer "+name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(tc.text))
			code, closing, err := readResponse(r)
			if code != tc.code || closing != tc.closing || (err != nil) != tc.bad {
				t.Errorf("readResponse() = %d, %v, %v", code, closing, err)
			}
			if left := r.Buffered(); err == nil && left != 0 {
				t.Errorf("%d bytes left over", left)
			}
		})
	}
}

func TestIDsDifferByConnectionAndCount(t *testing.T) {
	var salt [8]byte
	seen := map[string]bool{}
	for c := range uint16(1000) {
		for _, n := range []uint64{0, 1, 15, 16, 1 << 40} {
			dst := make([]byte, idLength)
			putID(dst, salt, c*65, n)
			if err := uuid.Validate(string(dst)); err != nil || seen[string(dst)] {
				t.Fatalf("connection %d request %d: %q (%v), seen %v", c*65, n, dst, err, seen[string(dst)])
			}
			seen[string(dst)] = true
		}
	}
}

func TestReportIsReadable(t *testing.T) {
	r := &Report{Connections: 64, BodyBytes: 2048, TargetRate: 500, Seconds: 30, Requests: 15000, PerSecond: 500, Statuses: map[int]int64{200: 15000}, Faults: map[string]int64{"timeout": 2}, Latency: Quantiles{P50: 1500}}
	var out bytes.Buffer
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"open loop at 500/s", "status 200", "no answer: timeout", "1.50 ms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

func TestConfigTellsEveryMistake(t *testing.T) {
	if err := testConfig("http://127.0.0.1:1").Validate(); err != nil {
		t.Fatalf("Validate() error: %v", err)
	}
	err := Config{URL: "x", Warmup: -1, Rate: -1}.Validate()
	for _, key := range []string{"url", "secret", "connections", "duration", "warmup", "body_size", "bodies", "rate", "timeout"} {
		if err == nil || !strings.Contains(err.Error(), key+" must") {
			t.Errorf("no word about %s in: %v", key, err)
		}
	}
	if _, err := New(Config{}); err == nil || errors.Unwrap(err) == nil {
		t.Errorf("New() of nothing: %v", err)
	}
}
