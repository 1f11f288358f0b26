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
	start time.Time // the end of the headers
	event schemas.Event
	route partitioning.Route
	at    position // of the record, once stored
	bytes int
	err   error
	read  bool  // the request's body has been read to its end
	body  *body // while it is the request's own; the producer's from the write on
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
	s.finish(c, s.process(c, &d), &d)
}

// process takes a delivery from its headers to Kafka's acknowledgement. The order of the steps is a contract: size, then
// authenticity over the raw bytes, then the shop, then routing, then the write.
//
// What cannot be authentic is refused before its body is read, and a delivery counts against max_in_flight only once its
// body is in: strangers who send slowly hold connections, not the places of real deliveries.
func (s *Server) process(c *gin.Context, d *delivery) outcome {
	h := c.Request.Header
	if c.Request.ContentLength > s.cfg.MaxBodyBytes {
		return tooLarge
	}
	sum, sumOK := decodeSum(shopifyHeader(h, headerHMAC))
	if !sumOK {
		return badSignature
	}
	b, out := s.bodies.readBody(c.Request, s.cfg.MaxBodyBytes)
	if b == nil {
		return out
	}
	d.body, d.bytes, d.read = b, len(b.b), true
	defer func() {
		if d.body != nil {
			d.body.release()
		}
	}()
	s.metrics.bytes.Observe(float64(d.bytes))

	defer s.inFlight.Add(-1)
	if s.inFlight.Add(1) > int64(s.cfg.MaxInFlight) {
		return overloaded
	}
	shop, shopOK := shopDomain(shopifyHeader(h, headerShop))
	if !s.keys.Load().authentic(shop, b.b, &sum) {
		return badSignature
	}
	if !shopOK {
		return badShop
	}
	return s.store(c, d, shop)
}

// store routes an authentic delivery and writes it.
func (s *Server) store(c *gin.Context, d *delivery, shop string) outcome {
	name := shopifyHeader(c.Request.Header, headerTopic)
	if name == "" {
		name = c.Param("topic")
	}
	topic, topicOK := shopifyTopic(name)
	if !topicOK {
		topic = noTopic
	}
	text := d.body.b
	event, fallback := newEvent(c.Request.Header, shop, topic, text, d.start)
	if fallback {
		s.metrics.fallbacks.Inc()
	}
	var extra []kgo.RecordHeader
	stored := accepted
	route, err := routeFor(shop, topic, text)
	if !topicOK {
		err = fmt.Errorf("%w: %q", errNoTopic, printable(name))
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

	// What is left of Shopify's patience counts from the end of the headers, not from here.
	wait := min(s.cfg.AckTimeout, maxAckTimeout-time.Since(d.start))
	if wait < minAckTimeout {
		d.err = errNoTimeLeft
		return ackTimeout
	}
	d.at, d.err = s.producer.Load().write(d, extra, wait)
	switch {
	case d.err == nil:
		return stored
	case errors.Is(d.err, errAckTimeout):
		return ackTimeout
	case errors.Is(d.err, kgo.ErrMaxBuffered), errors.Is(d.err, errStalled):
		return bufferFull
	default:
		return produceFailed
	}
}

// noTopic stands for the topic of a delivery that names none.
const noTopic = "unknown"

var (
	// errNoTopic is why an authentic delivery whose topic is missing or malformed goes to quarantine.
	errNoTopic = errors.New("no Shopify topic in the X-Shopify-Topic header or the path")
	// errNoTimeLeft is why an authentic delivery is not even tried.
	errNoTimeLeft = errors.New("the body took all the time that Shopify waits for an answer")
	// errRouting is why a delivery goes to quarantine that the router could not handle. It would be a bug; the delivery is
	// authentic all the same, and refusing it, nine times over, would help nobody.
	errRouting = errors.New("routing failed")
)

// routeFor is partitioning.For with its panics, should there be any, as errors.
func routeFor(shop, topic string, text []byte) (route partitioning.Route, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errRouting, r)
		}
	}()
	return partitioning.For(shop, topic, text)
}

// finish answers, counts and logs a request.
func (s *Server) finish(c *gin.Context, out outcome, d *delivery) {
	if out == accepted || out == quarantined {
		header := c.Writer.Header()
		header["Content-Type"] = s.jsonType
		if s.stopping.Load() {
			header.Set("Connection", "close") // so that no request is sent into the closing of an idle connection
		}
		c.Writer.WriteHeader(http.StatusOK)
		_, _ = c.Writer.WriteString(`{"received":true}`) // the client may be gone; the event is stored all the same
		s.metrics.events.WithLabelValues(d.route.Topic).Inc()
	} else {
		s.refuse(c, out, d)
	}
	s.metrics.requests[out].Inc()
	s.metrics.seconds.Observe(time.Since(d.start).Seconds())
	s.logOutcome(c, out, d)
}

// refuse answers a request that ended in anything but a stored event.
func (s *Server) refuse(c *gin.Context, out outcome, d *delivery) {
	a := s.answers[out]
	header := c.Writer.Header()
	header["Content-Type"] = s.jsonType
	if a.retry {
		header.Set("Retry-After", s.retryAfter)
	}
	if s.stopping.Load() || (!d.read && c.Request.ContentLength != 0) {
		// The HTTP server would read on for as long as the client takes to send the body, and answer only then.
		header.Set("Connection", "close")
	}
	c.Writer.WriteHeader(a.status)
	_, _ = c.Writer.WriteString(`{"received":false,"error":` + strconv.Quote(string(out)) + `,"message":` + strconv.Quote(a.text) + "}\n")
}
