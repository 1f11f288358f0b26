package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/ingest"
	"millrace/schemas"
	"millrace/schemas/secret"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testSecret = "hush"
	testShop   = "acme.myshopify.com"
	orderBody  = `{"id":820982911946154508,"updated_at":"2026-01-02T03:04:05-05:00","total_price":"10.00"}`
	waitFor    = 15 * time.Second // for what must come; nothing waits this long unless it is broken
)

// harness is a receiver in front of a Kafka-protocol broker, both in this process, on ports of their own.
type harness struct {
	t       testing.TB
	kafka   *kfake.Cluster
	server  *ingest.Server
	reg     *prometheus.Registry
	url     string
	addr    string
	client  *http.Client
	log     *logBuffer
	stopped chan error
	cancel  context.CancelFunc
	once    sync.Once
	err     error
}

// logBuffer keeps the log's lines for tests that look at them.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// topicNames are all topics the receiver writes to.
func topicNames() []string {
	var names []string
	for _, d := range append(schemas.Domains(), schemas.DomainQuarantine) {
		names = append(names, d.KafkaTopic())
	}
	return names
}

// newKafka starts a broker with the domain topics, three partitions each.
func newKafka(tb testing.TB) *kfake.Cluster {
	tb.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, topicNames()...),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(schemas.MaxMessageBytes)}))
	if err != nil {
		tb.Fatalf("start kfake: %v", err)
	}
	tb.Cleanup(c.Close)
	return c
}

// start runs a receiver in front of a new broker; change adjusts its configuration.
func start(tb testing.TB, change func(*ingest.Config)) *harness {
	tb.Helper()
	return startOn(tb, newKafka(tb), change)
}

func startOn(tb testing.TB, kafka *kfake.Cluster, change func(*ingest.Config)) *harness {
	tb.Helper()
	cfg := ingest.DefaultConfig()
	cfg.Secrets = []secret.Secret{testSecret}
	if change != nil {
		change(&cfg)
	}
	ln, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	h := &harness{
		t: tb, kafka: kafka, reg: prometheus.NewPedanticRegistry(), addr: ln.Addr().String(),
		url: "http://" + ln.Addr().String(), log: &logBuffer{}, stopped: make(chan error, 1),
	}
	h.server, err = ingest.New(cfg, ingest.Deps{
		KafkaOptions: []kgo.Opt{kgo.SeedBrokers(kafka.ListenAddrs()...)},
		Logger:       slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Registerer:   h.reg, Listener: ln,
	})
	if err != nil {
		tb.Fatalf("New() error: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	h.client = &http.Client{Transport: transport, Timeout: waitFor, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	go func() { h.stopped <- h.server.Run(ctx) }()
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := h.stop(); err != nil {
			tb.Errorf("Run() error: %v", err)
		}
	})
	return h
}

// stop ends the receiver and returns what Run returned; further calls return the same.
func (h *harness) stop() error {
	h.once.Do(func() {
		h.cancel()
		select {
		case h.err = <-h.stopped:
		case <-time.After(waitFor):
			h.err = fmt.Errorf("the receiver did not stop within %v", waitFor)
		}
	})
	return h.err
}

// use makes a subtest the one that fails, until it ends.
func (h *harness) use(t *testing.T) {
	t.Helper()
	outer := h.t
	h.t = t
	t.Cleanup(func() { h.t = outer })
}

// webhook is one request; the zero values of its fields are what Shopify would send for an order.
type webhook struct {
	path    string
	topic   string
	shop    string
	id      string
	body    string
	secret  string
	without []string          // headers left out
	header  map[string]string // headers set last
	chunked bool
}

func (w webhook) request(ctx context.Context, url string) *http.Request {
	or := func(s, d string) string {
		if s == "" {
			return d
		}
		return s
	}
	var body io.Reader = strings.NewReader(w.body)
	if w.chunked {
		body = io.MultiReader(body) // hides the length
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+or(w.path, "/webhooks"), body)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Shopify-Topic", or(w.topic, "orders/create"))
	r.Header.Set("X-Shopify-Shop-Domain", or(w.shop, testShop))
	r.Header.Set("X-Shopify-Webhook-Id", or(w.id, "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"))
	r.Header.Set("X-Shopify-Event-Id", "98880550-7158-44d4-b7cd-2c97c8a091b5")
	r.Header.Set("X-Shopify-Api-Version", "2026-10")
	r.Header.Set("X-Shopify-Triggered-At", "2026-03-30T14:30:00.123456789Z")
	r.Header.Set("X-Shopify-Hmac-Sha256", ingest.Sign(or(w.secret, testSecret), []byte(w.body)))
	for _, name := range w.without {
		r.Header.Del(name)
	}
	for name, value := range w.header {
		r.Header.Set(name, value)
	}
	return r
}

// post sends a webhook and returns the answer.
func (h *harness) post(w webhook) (status int, header http.Header, body string) {
	h.t.Helper()
	resp, err := h.client.Do(w.request(h.t.Context(), h.url))
	if err != nil {
		h.t.Fatalf("post: %v", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatalf("read answer: %v", err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// postAside posts from another goroutine; the status comes over the channel, or -1 when there was no answer.
func (h *harness) postAside(w webhook) <-chan int {
	status := make(chan int, 1)
	r := w.request(h.t.Context(), h.url)
	go func() {
		resp, err := h.client.Do(r)
		if err != nil {
			status <- -1
			return
		}
		_ = resp.Body.Close()
		status <- resp.StatusCode
	}()
	return status
}

// want posts a webhook and checks the status.
func (h *harness) want(status int, w webhook) {
	h.t.Helper()
	if got, _, body := h.post(w); got != status {
		h.t.Errorf("status %d, want %d; answer %s", got, status, body)
	}
}

// records returns what Kafka holds of a topic, from its beginning, once there are at least n.
func (h *harness) records(topic string, n int) []*kgo.Record {
	h.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(h.kafka.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		h.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(h.t.Context(), waitFor)
	defer cancel()
	var got []*kgo.Record
	for len(got) < n {
		f := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			h.t.Fatalf("%s holds %d records, want %d", topic, len(got), n)
		}
		got = append(got, f.Records()...)
	}
	return got
}

// count returns how many records Kafka holds in all the receiver's topics.
func (h *harness) count() int64 {
	var n int64
	for _, topic := range topicNames() {
		for p := range int32(3) {
			n += h.kafka.PartitionInfo(topic, p).HighWatermark
		}
	}
	return n
}

// raw writes bytes to a connection of its own and returns all that comes back until the server closes it or has
// answered once.
func (h *harness) raw(request string) string {
	h.t.Helper()
	conn, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(waitFor)); err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		h.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		h.t.Fatalf("read answer: %v", err)
	}
	return string(buf[:n])
}

// eventually polls until ok or the deadline.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.NewTimer(waitFor)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			tb.Fatalf("not within %v: %s", waitFor, what)
		case <-tick.C:
		}
	}
}
