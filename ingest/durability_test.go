package ingest_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/ingest"
	"millrace/schemas"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// holdProduces makes the broker keep produce requests until release is called; entered says that one has come.
func holdProduces(c *kfake.Cluster) (entered <-chan struct{}, release func()) {
	in, gate := make(chan struct{}, 1000), make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		in <- struct{}{}
		c.SleepControl(func() { <-gate })
		return nil, nil, false
	})
	return in, sync.OnceFunc(func() { close(gate) })
}

// refuseProduces makes the broker answer produce requests with an error code: all, or those that write to one topic.
func refuseProduces(c *kfake.Cluster, topic string, code *kerr.Error) {
	of := func(kmsg.ProduceRequestTopic) bool { return true }
	if topic != "" {
		id := c.TopicInfo(topic).TopicID
		of = func(t kmsg.ProduceRequestTopic) bool { return t.Topic == topic || t.TopicID == id }
	}
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if r := req.(*kmsg.ProduceRequest); slices.ContainsFunc(r.Topics, of) {
			return refusal(r, code), nil, true
		}
		return nil, nil, false
	})
}

// refusal answers every record of a produce request with an error code.
func refusal(r *kmsg.ProduceRequest, code *kerr.Error) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range r.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func TestNoAnswerBeforeKafkaHasAcknowledged(t *testing.T) {
	h := start(t, nil)
	entered, release := holdProduces(h.kafka)
	defer release()
	answered := h.postAside(webhook{body: orderBody})
	<-entered
	select {
	case status := <-answered:
		t.Fatalf("answered %d before the broker did", status)
	case <-time.After(100 * time.Millisecond): // a wrong answer would come at once; a right one is waited for below
	}
	release()
	if status := <-answered; status != http.StatusOK {
		t.Errorf("status %d, want 200", status)
	}
}

func TestALateAcknowledgementIsAnswered503InTime(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.AckTimeout = time.Second })
	entered, release := holdProduces(h.kafka)
	defer release()
	begin := time.Now()
	status, header, answer := h.post(webhook{body: orderBody})
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") != "5" || !strings.Contains(answer, "ack_timeout") {
		t.Errorf("answer %d, Retry-After %q, %s; want 503, 5, ack_timeout", status, header.Get("Retry-After"), answer)
	}
	if d := time.Since(begin); d > 4*time.Second {
		t.Errorf("answered after %v", d)
	}
	<-entered
	if n := h.gauge("millrace_ingest_in_flight_bytes"); n == 0 {
		t.Error("the body that Kafka still may store is not counted as held")
	}
	release()
	eventually(t, "the late acknowledgement is counted and the body let go", func() bool {
		return h.counter("millrace_ingest_late_acks_total", "stored") == 1 && h.gauge("millrace_ingest_in_flight_bytes") == 0
	})
	h.want(200, webhook{body: orderBody}) // the repeat, as Shopify would send it
	if n := len(h.records("shopify.orders", 2)); n != 2 {
		t.Errorf("%d records, want the late one and the repeat", n)
	}
}

func TestARefusedRecordIsNotAnswered200(t *testing.T) {
	t.Parallel()
	// What the client may try again is answered when the time is up, the rest at once.
	for name, tt := range map[string]struct {
		code    *kerr.Error
		outcome string
	}{
		"message too large":     {kerr.MessageTooLarge, "produce_failed"},
		"not authorised":        {kerr.TopicAuthorizationFailed, "produce_failed"},
		"policy violation":      {kerr.PolicyViolation, "produce_failed"},
		"too few replicas":      {kerr.NotEnoughReplicas, "ack_timeout"},
		"replicas gone after":   {kerr.NotEnoughReplicasAfterAppend, "ack_timeout"},
		"leader not available":  {kerr.LeaderNotAvailable, "ack_timeout"},
		"broker's disk is dead": {kerr.KafkaStorageError, "ack_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, func(c *ingest.Config) {
				if tt.outcome == "ack_timeout" {
					c.AckTimeout = 200 * time.Millisecond // else what is answered at once has time to be, on a busy machine too
				}
			})
			refuseProduces(h.kafka, "", tt.code)
			status, header, _ := h.post(webhook{body: orderBody})
			if n := h.counter("millrace_ingest_requests_total", tt.outcome); n != 1 {
				t.Errorf("millrace_ingest_requests_total{outcome=%q} = %v, want 1", tt.outcome, n)
			}
			if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
				t.Errorf("status %d, Retry-After %q; want 503 with one", status, header.Get("Retry-After"))
			}
			if n := h.count(); n != 0 {
				t.Errorf("Kafka holds %d records", n)
			}
		})
	}
}

func TestBeyondItsBoundsTheReceiverAnswers503AtOnce(t *testing.T) {
	tests := map[string]func(*ingest.Config){
		"requests": func(c *ingest.Config) { c.MaxInFlight = 1 },
		"bytes":    func(c *ingest.Config) { c.MaxBodyBytes, c.MaxInFlightBytes = 4000, 8000 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			h := start(t, change)
			entered, release := holdProduces(h.kafka)
			defer release()
			first := h.postAside(webhook{body: orderBody})
			<-entered
			// Fastest of some, so that a busy machine cannot fail the test while a queue would.
			fastest := time.Hour
			for range 20 {
				begin := time.Now()
				status, header, answer := h.post(webhook{body: orderBody})
				fastest = min(fastest, time.Since(begin))
				if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(answer, "overloaded") {
					t.Fatalf("answer %d, Retry-After %q, %s; want 503 overloaded", status, header.Get("Retry-After"), answer)
				}
			}
			if fastest > 50*time.Millisecond {
				t.Errorf("the fastest refusal took %v, want under 50 ms", fastest)
			}
			release()
			if status := <-first; status != http.StatusOK {
				t.Errorf("the accepted delivery was answered %d", status)
			}
			h.want(200, webhook{body: orderBody})
			if n := h.count(); n != 2 {
				t.Errorf("Kafka holds %d records, want 2", n)
			}
			if n := h.counter("millrace_ingest_requests_total", "overloaded"); n != 20 {
				t.Errorf("%v refusals counted, want 20", n)
			}
		})
	}
}

func TestTheLargestBodyFitsIntoTheSmallestBudget(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.MaxInFlightBytes = 2 * c.MaxBodyBytes })
	body := `{"id":1,"note":"` + strings.Repeat("x", schemas.MaxBodyBytes-18) + `"}`
	if len(body) != schemas.MaxBodyBytes {
		t.Fatalf("the body has %d bytes", len(body))
	}
	for _, chunked := range []bool{false, true} {
		h.want(200, webhook{body: body, chunked: chunked})
		h.want(413, webhook{body: body + " ", chunked: chunked})
	}
	for _, r := range h.records("shopify.orders", 2) {
		if string(r.Value) != body {
			t.Errorf("%d bytes in Kafka are not the body", len(r.Value))
		}
	}
}

func TestAnnouncedBytesAreNotHeld(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.MaxInFlightBytes = 2 * c.MaxBodyBytes })
	const slow = 20
	for range slow {
		conn := h.dial()
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := conn.Write([]byte("POST /webhooks HTTP/1.1\r\nHost: x\r\n" + signedHeaders(orderBody) + "Content-Length: 10000000\r\n\r\n{")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the slow clients are being read, with the smallest buffer each", func() bool { return h.gauge("millrace_ingest_in_flight_bytes") == slow*4096 })
	h.want(200, webhook{body: orderBody})
}

func TestAcceptedRequestsAreAnsweredWhenTheReceiverStops(t *testing.T) {
	h := start(t, nil)
	entered, release := holdProduces(h.kafka)
	defer release()
	answered := h.postAside(webhook{body: orderBody})
	<-entered
	h.cancel()
	eventually(t, "the receiver says that it stops", func() bool { return h.server.Ready(t.Context()) != nil })
	release()
	if status := <-answered; status != http.StatusOK {
		t.Errorf("status %d, want 200", status)
	}
	if err := h.stop(); err != nil {
		t.Errorf("Run() error: %v", err)
	}
	if n := h.count(); n != 1 {
		t.Errorf("Kafka holds %d records, want 1", n)
	}
}

func TestReadinessFollowsKafka(t *testing.T) {
	t.Run("ready when the topics are there", func(t *testing.T) {
		h := start(t, nil)
		eventually(t, "ready", func() bool { return h.server.Ready(t.Context()) == nil })
	})
	t.Run("not ready when a topic is missing", func(t *testing.T) {
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "shopify.orders"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		h := startOn(t, c, nil)
		var got error
		eventually(t, "a reason", func() bool {
			got = h.server.Ready(t.Context())
			return got != nil && strings.Contains(got.Error(), "shopify.")
		})
		if !strings.Contains(got.Error(), "millrace topics apply") {
			t.Errorf("Ready() error %q does not say what to do", got)
		}
	})
	t.Run("not ready when Kafka is gone", func(t *testing.T) {
		h := start(t, func(c *ingest.Config) { c.AckTimeout = 50 * time.Millisecond })
		h.kafka.Close()
		eventually(t, "not ready", func() bool { return h.server.Ready(t.Context()) != nil })
		h.want(503, webhook{body: orderBody})
	})
	t.Run("not ready while writes fail, ready after one got through", func(t *testing.T) {
		h := start(t, func(c *ingest.Config) { c.AckTimeout = 50 * time.Millisecond })
		eventually(t, "ready", func() bool { return h.server.Ready(t.Context()) == nil })
		_, release := holdProduces(h.kafka)
		for range 3 {
			h.want(503, webhook{body: orderBody})
		}
		if err := h.server.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "writes failed") {
			t.Errorf("Ready() = %v, want the failed writes", err)
		}
		release()
		eventually(t, "ready again", func() bool { return h.server.Ready(t.Context()) == nil })
	})
}
