package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"millrace/partitioning"
	"millrace/schemas"

	"github.com/gin-gonic/gin"
	"github.com/twmb/franz-go/pkg/kgo"
)

// delivery is what is known of one request; the log line is written from it.
type delivery struct {
	start time.Time
	event schemas.Event
	route partitioning.Route
	bytes int
	err   error
}

// receive handles one delivery.
func (s *Server) receive(c *gin.Context) {
	d := delivery{start: time.Now()}
	defer func() {
		if r := recover(); r != nil {
			d.err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			s.finish(c, handlerPanicked, &d)
		}
	}()
	if s.inFlight.Add(1) > int64(s.cfg.MaxInFlight) {
		s.inFlight.Add(-1)
		s.finish(c, overloaded, &d)
		return
	}
	defer s.inFlight.Add(-1)
	s.finish(c, s.process(c, &d), &d)
}

// process takes a delivery from its headers to Kafka's acknowledgement. The order of the steps is a contract: size, then
// authenticity over the raw bytes, then the shop, then routing, then the write.
func (s *Server) process(c *gin.Context, d *delivery) outcome {
	h := c.Request.Header
	b, out := s.bodies.readBody(c.Request, s.cfg.MaxBodyBytes)
	if b == nil {
		return out
	}
	d.bytes = len(b.b)
	s.metrics.bytes.Observe(float64(d.bytes))

	shop, shopOK := shopDomain(shopifyHeader(h, headerShop))
	sum, sumOK := decodeSum(shopifyHeader(h, headerHMAC))
	if !sumOK || !s.keys.Load().authentic(shop, b.b, &sum) {
		b.release()
		return badSignature
	}
	if !shopOK {
		b.release()
		return badShop
	}
	return s.store(c, d, shop, b)
}

// store routes an authentic delivery and writes it. It takes over b.
func (s *Server) store(c *gin.Context, d *delivery, shop string, b *body) outcome {
	name := shopifyHeader(c.Request.Header, headerTopic)
	if name == "" {
		name = c.Param("topic")
	}
	topic, topicOK := shopifyTopic(name)
	if !topicOK {
		topic = noTopic
	}
	event, fallback := newEvent(c.Request.Header, shop, topic, b.b, d.start)
	if fallback {
		s.metrics.fallbacks.Inc()
	}
	var extra []kgo.RecordHeader
	stored := accepted
	route, err := partitioning.For(shop, topic, b.b)
	if !topicOK {
		err = errNoTopic
	}
	if err != nil {
		stored = quarantined
		route = partitioning.Quarantine(shop, event.ID)
		extra = append(extra, kgo.RecordHeader{Key: schemas.HeaderQuarantineReason, Value: []byte(err.Error())})
	} else if !route.Known {
		s.metrics.unknown.Inc()
	}
	event.Subject, event.PartitionKey = route.Subject, route.Key
	d.event, d.route = event, route

	// What is left of Shopify's patience counts from the request's first byte, not from here.
	wait := min(s.cfg.AckTimeout, maxAckTimeout-time.Since(d.start))
	if wait < minAckTimeout {
		b.release()
		return ackTimeout
	}
	d.err = s.producer.Load().write(route, &event, b, extra, wait)
	switch {
	case d.err == nil:
		return stored
	case errors.Is(d.err, errAckTimeout):
		return ackTimeout
	case errors.Is(d.err, kgo.ErrMaxBuffered):
		return bufferFull
	default:
		return produceFailed
	}
}

// noTopic stands for the topic of a delivery that names none.
const noTopic = "unknown"

// errNoTopic is why an authentic delivery whose topic is missing or malformed goes to quarantine.
var errNoTopic = errors.New("no Shopify topic in the X-Shopify-Topic header or the path")

// finish answers, counts and logs a request.
func (s *Server) finish(c *gin.Context, out outcome, d *delivery) {
	if out == accepted || out == quarantined {
		header := c.Writer.Header()
		header["Content-Type"] = s.jsonType
		c.Writer.WriteHeader(http.StatusOK)
		_, _ = c.Writer.WriteString(`{"received":true}`) // the client may be gone; the event is stored all the same
		s.metrics.events.WithLabelValues(d.route.Topic).Inc()
	} else {
		s.refuse(c, out)
	}
	s.metrics.requests[out].Inc()
	s.metrics.seconds.Observe(time.Since(d.start).Seconds())
	s.logOutcome(c, out, d)
}

// refuse answers a request that ended in anything but a stored event.
func (s *Server) refuse(c *gin.Context, out outcome) {
	a := s.answers[out]
	header := c.Writer.Header()
	header["Content-Type"] = s.jsonType
	if a.retry {
		header.Set("Retry-After", s.retryAfter)
	}
	if a.closes {
		header.Set("Connection", "close")
	}
	c.Writer.WriteHeader(a.status)
	_, _ = c.Writer.WriteString(`{"received":false,"error":` + strconv.Quote(string(out)) + `,"message":` + strconv.Quote(a.text) + "}\n")
}
