package flood

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// conn is one connection's loop and its figures; nothing of it is shared while it runs.
type conn struct {
	flood   *Flood
	number  int
	latency *hdrhistogram.Histogram // from the time a request was due
	service *hdrhistogram.Histogram // from the time it was written
	codes   map[int]int64
	faults  map[string]int64 // requests without an answer, by kind
	lastErr error
	dials   int64 // connections made

	net     net.Conn
	in      *bufio.Reader
	buf     []byte
	sent    uint64
	renewed time.Time // when the deadline was last set
}

// redialPause keeps a receiver that is away from being asked a million times a second.
const redialPause = 50 * time.Millisecond

// run sends requests until end or until ctx ends; those answered after begin count.
func (c *conn) run(ctx context.Context, start, begin, end time.Time) {
	defer c.close()
	// Open loop: this connection's requests are due every period, the connections' first ones spread over one period.
	var period time.Duration
	due := start
	if r := c.flood.cfg.Rate; r > 0 {
		period = time.Duration(float64(c.flood.cfg.Connections) / r * float64(time.Second))
		due = start.Add(period * time.Duration(c.number) / time.Duration(c.flood.cfg.Connections))
	}
	for ctx.Err() == nil {
		if period == 0 {
			due = time.Now()
		}
		if !due.Before(end) || !sleepUntil(ctx, due) {
			return
		}
		c.once(ctx, due, begin)
		due = due.Add(period)
	}
}

// once sends one request and notes what came of it.
func (c *conn) once(ctx context.Context, due, begin time.Time) {
	if c.net == nil && !c.connect(ctx, due, begin) {
		return
	}
	wrote := time.Now()
	code, closing, err := c.exchange(wrote)
	now := time.Now()
	if err != nil || closing {
		c.close()
	}
	c.flood.done.Add(1)
	if due.Before(begin) {
		return
	}
	if err != nil {
		c.fault(kind(err), err)
		return
	}
	c.codes[code]++
	record(c.latency, now.Sub(due))
	record(c.service, now.Sub(wrote))
}

// record cannot fail: the value is within the histogram's range.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(max(1, min(d, maxLatency).Microseconds()))
}

func (c *conn) connect(ctx context.Context, due, begin time.Time) bool {
	conn, err := c.flood.dial(ctx)
	if err != nil {
		if ctx.Err() == nil && !due.Before(begin) {
			c.fault("connect", err)
		}
		c.lastErr = err
		sleepUntil(ctx, time.Now().Add(redialPause))
		return false
	}
	c.dials++
	c.net, c.renewed = conn, time.Time{}
	if c.in == nil {
		c.in = bufio.NewReaderSize(conn, 4<<10)
	} else {
		c.in.Reset(conn)
	}
	return true
}

// exchange writes a request and reads its answer. The deadline is moved only now and then, because setting it costs a
// tenth of what a request costs; an answer may so take up to a quarter longer than Timeout says.
func (c *conn) exchange(now time.Time) (code int, closing bool, err error) {
	timeout := c.flood.cfg.Timeout
	if now.Sub(c.renewed) > timeout/4 {
		if err := c.net.SetDeadline(now.Add(timeout + timeout/4)); err != nil {
			return 0, true, err
		}
		c.renewed = now
	}
	all := c.flood.requests
	r := all[(uint64(c.number)*uint64(len(all))/uint64(c.flood.cfg.Connections)+c.sent)%uint64(len(all))] //nolint:gosec // not negative
	c.buf = append(c.buf[:0], r.raw...)
	putID(c.buf[r.idAt:], c.flood.salt, uint16(c.number), c.sent) //nolint:gosec // a hundred thousand connections may share ids; the count makes that rare
	c.sent++
	if _, err := c.net.Write(c.buf); err != nil {
		return 0, true, err
	}
	return readResponse(c.in)
}

func (c *conn) close() {
	if c.net != nil {
		_ = c.net.Close()
		c.net = nil
	}
}

func (c *conn) fault(kind string, err error) {
	c.faults[kind]++
	c.lastErr = err
}

// kind sorts errors into the few classes a report needs.
func kind(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, errProtocol):
		return "protocol"
	default:
		return "connection"
	}
}

// sleepUntil returns false when ctx ended first.
func sleepUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return true
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
