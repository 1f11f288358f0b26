package ingest_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/ingest"
	"millrace/schemas/secret"
)

// The settings that delivery rests on, as they arrive at the broker.
func TestRecordsAreProducedIdempotentCompressedAndWithAllAcks(t *testing.T) {
	h := start(t, nil)
	produced := make(chan *kmsg.ProduceRequest, 10)
	h.kafka.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		h.kafka.KeepControl()
		produced <- r.(*kmsg.ProduceRequest)
		return nil, nil, false
	})
	h.want(200, webhook{body: `{"id":1,"note":"` + strings.Repeat("compressible ", 100) + `"}`})
	r := <-produced
	batch := r.Topics[0].Partitions[0].Records
	// Offsets in a record batch of magic 2: attributes at 21, producer id at 43.
	attributes, producerID := binary.BigEndian.Uint16(batch[21:]), int64(binary.BigEndian.Uint64(batch[43:]))
	if r.Acks != -1 || producerID < 0 || attributes&7 != 3 {
		t.Errorf("acks %d, producer id %d, compression %d; want -1, an id, 3 (lz4)", r.Acks, producerID, attributes&7)
	}
}

func TestOptionsThatWeakenDeliveryAreRefused(t *testing.T) {
	c := newKafka(t)
	for name, opts := range map[string][]kgo.Opt{
		"no idempotence":            {kgo.DisableIdempotentWrite()},
		"cancellation of sequences": {kgo.AllowIdempotentProduceCancellation()},
	} {
		cfg := ingest.DefaultConfig()
		cfg.Secrets, cfg.Listen = []secret.Secret{"x"}, "127.0.0.1:0"
		s, err := ingest.New(cfg, ingest.Deps{
			KafkaOptions: append(opts, kgo.SeedBrokers(c.ListenAddrs()...)), Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "idempotent") {
			t.Errorf("%s: Run() = %v, want a refusal", name, err)
		}
	}
}

func TestATopicThatComesLateIsWaitedFor(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "shopify.products"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	h := startOn(t, c, nil)
	answered := h.postAside(webhook{body: orderBody})
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	eventually(t, "the delivery waits", func() bool { return h.gauge("millrace_ingest_in_flight_requests") == 1 })
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, "shopify.orders"); err != nil {
		t.Fatal(err)
	}
	if status := <-answered; status != http.StatusOK {
		t.Errorf("status %d, want 200", status)
	}
}

// A topic that takes nothing must cost only its own deliveries.
func TestAStalledTopicDoesNotStopTheOthers(t *testing.T) {
	// The sick topic has a broker of its own: a produce request goes to one broker, and is refused here as a whole.
	kafka, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(3, topicNames()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	for _, topic := range topicNames() {
		for p := range int32(3) {
			leader := int32(0)
			if topic == "shopify.products" {
				leader = 1
			}
			if err := kafka.MoveTopicPartition(topic, p, leader); err != nil {
				t.Fatal(err)
			}
		}
	}
	h := startOn(t, kafka, func(c *ingest.Config) {
		c.MaxBodyBytes, c.MaxInFlightBytes, c.AckTimeout = 4000, 64<<10, 2*time.Second
	})
	h.want(200, webhook{body: orderBody}) // the client knows its topics
	refuseProduces(h.kafka, "shopify.products", kerr.NotEnoughReplicas)
	var answered []<-chan int
	for range 30 {
		answered = append(answered, h.postAside(webhook{body: orderBody, topic: "products/update"}))
	}
	for _, a := range answered {
		if status := <-a; status != http.StatusServiceUnavailable {
			t.Errorf("status %d from a topic that takes nothing", status)
		}
	}
	if n := h.counter("millrace_ingest_requests_total", "buffer_full"); n != 22 {
		t.Errorf("%v deliveries of the stalled topic were refused without trying, want all but the 8 that half the room holds", n)
	}
	if held := h.gauge("millrace_ingest_in_flight_bytes"); held != 32<<10 {
		t.Errorf("the stalled topic holds %v bytes of 64 KiB", held)
	}
	for range 10 {
		h.want(200, webhook{body: orderBody})
	}
	if err := h.server.Ready(t.Context()); err != nil {
		t.Errorf("Ready() = %v while other topics take everything", err)
	}
}

func TestTheReceiverStaysUnreadyWhileGivenUpWritesArePending(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.AckTimeout = 20 * time.Millisecond })
	eventually(t, "ready", func() bool { return h.server.Ready(t.Context()) == nil })
	_, release := holdProduces(h.kafka)
	defer release()
	for range 3 {
		h.want(503, webhook{body: orderBody})
	}
	ingest.AgeFailures(h.server, time.Hour)
	if err := h.server.Ready(t.Context()); err == nil {
		t.Error("ready again although Kafka still has not answered")
	}
	release()
	eventually(t, "ready again", func() bool { return h.server.Ready(t.Context()) == nil })
}

func TestAGivenUpWriteThatKafkaThenRefusesIsCountedAsLost(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.AckTimeout = 20 * time.Millisecond })
	gate := make(chan struct{})
	h.kafka.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		h.kafka.KeepControl()
		h.kafka.SleepControl(func() { <-gate })
		return refusal(req.(*kmsg.ProduceRequest), kerr.MessageTooLarge), nil, true
	})
	h.want(503, webhook{body: orderBody})
	close(gate)
	eventually(t, "the loss is counted and nothing is held", func() bool {
		return h.counter("millrace_ingest_late_acks_total", "lost") == 1 && h.gauge("millrace_ingest_in_flight_bytes") == 0
	})
}

// Refusals go out at once even while the client is still sending: the server must not read a body that nobody wants.
func TestRefusalsDoNotWaitForTheBody(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.BodyTimeout = 10 * time.Second; c.MaxInFlightBytes = 2 * c.MaxBodyBytes })
	rest := "Content-Length: 1000\r\n\r\n{"
	tests := map[string]struct{ request, want string }{
		"unknown path":    {"POST /x HTTP/1.1\r\nHost: x\r\n" + rest, " 404 "},
		"wrong method":    {"PUT /webhooks HTTP/1.1\r\nHost: x\r\n" + rest, " 405 "},
		"no signature":    {"POST /webhooks HTTP/1.1\r\nHost: x\r\n" + rest, " 401 "},
		"options for all": {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", " 404 "},
		"too large":       {"POST /webhooks HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{", " 413 "},
	}
	for name, tt := range tests {
		begin := time.Now()
		got := h.raw(tt.request)
		if !strings.Contains(got, tt.want) || time.Since(begin) > 5*time.Second {
			t.Errorf("%s: %q after %v, want %s at once", name, got, time.Since(begin), tt.want)
		}
	}
}

// Strangers who send slowly must not take the places of real deliveries.
func TestSlowSendersDoNotHoldPlaces(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.MaxInFlight = 1; c.BodyTimeout = 10 * time.Second })
	for range 50 {
		conn := h.dial()
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, "POST /webhooks HTTP/1.1\r\nHost: x\r\n"+signedHeaders(orderBody)+"Content-Length: 60000\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the slow senders are being read", func() bool { return h.gauge("millrace_ingest_in_flight_bytes") >= 50*4096 })
	h.want(200, webhook{body: orderBody})
}

func TestAPanicIsAnsweredCountedAndHoldsNothing(t *testing.T) {
	cfg := ingest.DefaultConfig()
	cfg.Secrets = []secret.Secret{testSecret}
	reg := prometheus.NewPedanticRegistry()
	s, err := ingest.New(cfg, ingest.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, reg: reg}
	w := httptest.NewRecorder()
	// Without Run there is no producer, which stands for any bug behind the signature check.
	ingest.Handler(s).ServeHTTP(w, webhook{body: orderBody}.request(t.Context(), ""))
	if w.Code != http.StatusInternalServerError || h.counter("millrace_ingest_requests_total", "handler_panicked") != 1 {
		t.Errorf("status %d, %v counted; want 500 and 1", w.Code, h.counter("millrace_ingest_requests_total", "handler_panicked"))
	}
	if n := h.gauge("millrace_ingest_in_flight_bytes"); n != 0 {
		t.Errorf("%v bytes are held for ever", n)
	}
	if n := h.gauge("millrace_ingest_in_flight_requests"); n != 0 {
		t.Errorf("%v requests are in flight for ever", n)
	}
}

func TestConnectionsAreKeptAliveUntilTheReceiverStops(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.ShutdownDelay = 300 * time.Millisecond })
	eventually(t, "ready", func() bool { return h.server.Ready(t.Context()) == nil })
	request := "POST /webhooks HTTP/1.1\r\nHost: x\r\n" + signedHeaders(orderBody) + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(orderBody), orderBody)
	if got := h.raw(request); !strings.Contains(got, " 200 OK") || strings.Contains(got, "Connection: close") {
		t.Errorf("answer %q, want 200 and the connection kept: Shopify asks for keep-alive", got)
	}
	h.cancel()
	eventually(t, "not ready", func() bool { return h.server.Ready(t.Context()) != nil })
	if got := h.raw(request); !strings.Contains(got, " 200 OK") || !strings.Contains(got, "Connection: close") {
		t.Errorf("within shutdown_delay: %q; want 200, close", got)
	}
}

func TestAStopWithASlowSenderIsClean(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.BodyTimeout = 10 * time.Second; c.ShutdownGrace = 50 * time.Millisecond })
	conn := h.dial()
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /webhooks HTTP/1.1\r\nHost: x\r\n"+signedHeaders(orderBody)+"Content-Length: 2\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sender is being read", func() bool { return h.gauge("millrace_ingest_in_flight_bytes") > 0 })
	if err := h.stop(); err != nil {
		t.Errorf("Run() error: %v", err)
	}
}

func TestAnAcceptedRequestThatIsCutOffIsReported(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.ShutdownGrace = 50 * time.Millisecond })
	entered, release := holdProduces(h.kafka)
	defer release()
	answered := h.postAside(webhook{body: orderBody})
	<-entered
	if err := h.stop(); err == nil || !strings.Contains(err.Error(), "answer 1 accepted requests") {
		t.Errorf("Run() = %v, want the request that was cut off", err)
	}
	if status := <-answered; status == http.StatusOK {
		t.Error("answered 200 without an acknowledgement")
	}
	h.err = nil // looked at
}

func TestNoSuccessIsLoggedWhenLogEveryIsZero(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.LogEvery = 0 })
	for range 3 {
		h.want(200, webhook{body: orderBody})
	}
	if strings.Contains(h.log.String(), `"outcome":"accepted"`) {
		t.Error("a success was logged")
	}
}
