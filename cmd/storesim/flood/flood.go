package flood

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Flood is one load test.
type Flood struct {
	cfg      Config
	requests []request
	salt     [8]byte
	address  string
	tls      *tls.Config // nil: plain
	done     atomic.Int64
}

// New checks cfg and builds all requests; it connects to nothing. Errors are those of Config.Validate.
func New(cfg Config) (*Flood, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("flood settings: %w", err)
	}
	f := &Flood{cfg: cfg}
	if _, err := rand.Read(f.salt[:]); err != nil {
		return nil, fmt.Errorf("draw run id: %w", err)
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("parse url: %w", err)
	}
	port := u.Port()
	if u.Scheme == "https" {
		f.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[f.tls != nil]
	}
	f.address = net.JoinHostPort(u.Hostname(), port)
	f.requests, err = build(cfg, cfg.Bodies)
	return f, err
}

// Done returns the number of answers so far, warm-up included, for a progress display.
func (f *Flood) Done() int64 { return f.done.Load() }

// Run loads the receiver for warm-up and duration and returns what was measured. It ends early, with what there is, when
// ctx ends. An error means that no connection could be made at all; failed requests are in the report.
func (f *Flood) Run(ctx context.Context) (*Report, error) {
	conns := make([]*conn, f.cfg.Connections)
	start := time.Now()
	begin := start.Add(f.cfg.Warmup)
	end := begin.Add(f.cfg.Duration)
	var wg sync.WaitGroup
	for i := range conns {
		c := &conn{
			flood: f, number: i, latency: histogram(), service: histogram(), codes: map[int]int64{}, faults: map[string]int64{},
		}
		conns[i] = c
		wg.Go(func() { c.run(ctx, start, begin, end) })
	}
	wg.Wait()
	took := max(0, min(time.Since(begin), f.cfg.Duration))
	r := merge(f.cfg, conns, took)
	if r.connected == 0 {
		return nil, fmt.Errorf("connect to %s: %w", f.address, errors.Join(conns[0].lastErr, ctx.Err()))
	}
	return r, nil
}

// maxLatency is the most a histogram tells; in an open loop a stalled receiver can make requests wait for the whole run.
const maxLatency = 10 * time.Minute

// histogram covers 1 µs to maxLatency with three digits.
func histogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, maxLatency.Microseconds(), 3) }

// dial opens one connection.
func (f *Flood) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	d := &net.Dialer{}
	if f.tls == nil {
		return d.DialContext(ctx, "tcp", f.address)
	}
	return (&tls.Dialer{NetDialer: d, Config: f.tls}).DialContext(ctx, "tcp", f.address)
}
