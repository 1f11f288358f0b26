// Package proxy stands between the sinks and ClickHouse and does to requests what a bad network does: it holds inserts back, drops
// answers, and cuts connections while a request or an answer is under way.
//
// A request that it has read in full is the proxy's own from then on: it reaches the engine even when the sink that sent it is dead
// or frozen. So an insert can land long after its sender was replaced, which is what a sink's protocol must bear.
package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Rates are how often an insert is harmed, each from 0 to 1; what is left goes through untouched.
type Rates struct {
	Delay   float64 // held back for up to LongestDelay before it is sent on
	Drop    float64 // sent on, its answer thrown away and the connection cut
	Lose    float64 // the connection is cut before anything was sent on
	Half    float64 // cut after a part of the request has gone to the engine
	Partial float64 // cut in the middle of the answer's head
}

// LongestDelay is the longest that an insert is held back by chance.
const LongestDelay = 3 * time.Second

// Counts are what happened to inserts.
type Counts struct {
	Inserts, Delayed, Dropped, Lost, Halved, Partial int64

	Late     int64 // kept by a Hold
	Repeated int64 // acknowledged by the engine although it had acknowledged one with the same token before
}

// Proxy forwards to one address. Each sink has a Door of its own.
type Proxy struct {
	target string // host:port
	rates  Rates
	client *http.Client

	underWay atomic.Int64 // inserts that the engine has and has not answered
	calm     atomic.Bool
	work     sync.WaitGroup

	mu     sync.Mutex
	dice   *rand.Rand
	counts Counts
	tokens map[string]bool // of inserts that the engine has acknowledged
}

// New builds a proxy; Open makes it reachable.
func New(target string, rates Rates, seed uint64) *Proxy {
	return &Proxy{
		target: target, rates: rates, tokens: map[string]bool{}, dice: rand.New(rand.NewPCG(seed, 5)), //nolint:gosec // repeatable on purpose
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true, IdleConnTimeout: 10 * time.Second}},
	}
}

// UnderWay is the number of inserts that the engine works at, as far as known.
func (p *Proxy) UnderWay() int64 { return p.underWay.Load() }

// Calm ends all harm by chance.
func (p *Proxy) Calm() { p.calm.Store(true) }

// Counts returns what happened so far.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

func (p *Proxy) count(f func(c *Counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.counts)
}

// Door is where one sink connects to.
type Door struct {
	proxy    *Proxy
	listener net.Listener
	server   *http.Server
	done     chan struct{}

	mu   sync.Mutex
	hold *Hold // the next insert through this door goes here
}

// Open opens a door on a free port of the loopback interface. Close it at the end.
func (p *Proxy) Open(ctx context.Context) (*Door, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a door to the engine: %w", err)
	}
	d := &Door{proxy: p, listener: listener, done: make(chan struct{})}
	d.server = &http.Server{Handler: d, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(d.done)
		_ = d.server.Serve(listener) // ends with Close
	}()
	return d, nil
}

// URL is what a sink is told.
func (d *Door) URL() string { return "http://" + d.listener.Addr().String() }

// Close cuts what is open at the door.
func (d *Door) Close() {
	_ = d.server.Close()
	<-d.done
}

// Wait returns when every request that was read has been sent on, or ctx ends.
func (p *Proxy) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		p.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		p.client.CloseIdleConnections()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for requests in the proxy: %w", ctx.Err())
	}
}

// Hold is one insert that is to be kept from the engine until it is let go.
type Hold struct {
	held chan struct{}
	free chan struct{}
	gone chan struct{} // closed when the engine has answered it, or could not
	once sync.Once
}

// HoldNext asks for the next insert through the door. Let it go in any case.
func (d *Door) HoldNext() *Hold {
	h := &Hold{held: make(chan struct{}), free: make(chan struct{}), gone: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hold = h
	return h
}

// Held is closed when an insert has been read in full and is kept.
func (h *Hold) Held() <-chan struct{} { return h.held }

// Gone is closed when the engine has answered the insert that was let go.
func (h *Hold) Gone() <-chan struct{} { return h.gone }

// LetGo sends the insert on.
func (h *Hold) LetGo() { h.once.Do(func() { close(h.free) }) }

// Forget takes back a wish that has not come true.
func (d *Door) Forget(h *Hold) {
	d.mu.Lock()
	if d.hold == h {
		d.hold = nil
	}
	d.mu.Unlock()
	h.LetGo()
}

func (d *Door) takeHold() *Hold {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hold
	d.hold = nil
	return h
}

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.proxy.work.Add(1)
	defer d.proxy.work.Done()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender died before it had sent everything, so there is nothing to send on
	}
	insert := isInsert(r, body)
	if !insert {
		d.proxy.pass(w, r, body, nil)
		return
	}
	d.proxy.count(func(c *Counts) { c.Inserts++ })
	if h := d.takeHold(); h != nil {
		close(h.held)
		<-h.free
		d.proxy.count(func(c *Counts) { c.Late++ })
		d.proxy.pass(w, r, body, nil)
		close(h.gone)
		return
	}
	d.proxy.harm(w, r, body)
}

// isInsert tells an insert from the rest. clickhouse-go sends the statement in the URL, or ahead of the data.
func isInsert(r *http.Request, body []byte) bool {
	head := r.URL.Query().Get("query")
	if head == "" {
		head = string(body[:min(len(body), 12)])
	}
	return strings.HasPrefix(strings.ToUpper(strings.TrimSpace(head)), "INSERT INTO")
}

// fate is what becomes of an insert.
type fate int

const (
	fatePass fate = iota
	fateDelay
	fateDrop
	fateLose
	fateHalf
	fatePartial
)

func (p *Proxy) draw() (fate, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, d := p.dice.Float64(), p.dice.Float64()
	if p.calm.Load() {
		return fatePass, 0
	}
	for _, c := range []struct {
		rate float64
		fate fate
		n    *int64
	}{
		{p.rates.Delay, fateDelay, &p.counts.Delayed},
		{p.rates.Drop, fateDrop, &p.counts.Dropped},
		{p.rates.Lose, fateLose, &p.counts.Lost},
		{p.rates.Half, fateHalf, &p.counts.Halved},
		{p.rates.Partial, fatePartial, &p.counts.Partial},
	} {
		if f < c.rate {
			*c.n++
			return c.fate, time.Duration(d * d * float64(LongestDelay))
		}
		f -= c.rate
	}
	return fatePass, 0
}

func (p *Proxy) harm(w http.ResponseWriter, r *http.Request, body []byte) {
	fate, delay := p.draw()
	switch fate {
	case fateDelay:
		time.Sleep(delay) // a held request outlives its sender, so nothing can end the wait
		p.pass(w, r, body, nil)
	case fateDrop:
		p.pass(w, r, body, cut)
	case fateLose:
		cut(w, nil)
	case fateHalf:
		p.half(r, body)
		cut(w, nil)
	case fatePartial:
		p.pass(w, r, body, func(w http.ResponseWriter, _ []byte) { cut(w, []byte("HTTP/1.1 200 OK\r\nX-Click")) })
	case fatePass:
		p.pass(w, r, body, nil)
	}
}

// cut ends the client's connection, after some last bytes.
func cut(w http.ResponseWriter, last []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = conn.Write(last)
	_ = conn.Close()
}

// pass sends the request on and gives the answer back, or does what is said instead.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, body []byte, instead func(http.ResponseWriter, []byte)) {
	got, err := p.forward(r, body)
	switch {
	case instead != nil:
		instead(w, nil)
	case err != nil:
		cut(w, nil) // as the engine did with ours
	default:
		maps.Copy(w.Header(), got.header)
		w.WriteHeader(got.status)
		_, _ = w.Write(got.content)
	}
}

// forwardWithin is longer than any statement may take.
const forwardWithin = 2 * time.Minute

// answer is what the engine said.
type answer struct {
	status  int
	header  http.Header
	content []byte
}

func (p *Proxy) forward(r *http.Request, body []byte) (*answer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), forwardWithin)
	defer cancel()
	req := r.Clone(ctx)
	req.RequestURI, req.URL.Scheme, req.URL.Host, req.Host = "", "http", p.target, p.target
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	req.Header.Del("Connection")
	req.TransferEncoding = nil
	req.GetBody = nil // a repeat by the client library would be a second request that nobody has counted
	if isInsert(r, body) {
		p.underWay.Add(1)
		defer p.underWay.Add(-1)
	}
	resp, err := p.client.Do(req) //nolint:gosec // to the engine, whatever the sink asked for
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		p.acknowledged(r.URL.Query().Get("insert_deduplication_token"))
	}
	return &answer{status: resp.StatusCode, header: resp.Header, content: content}, nil
}

// acknowledged counts the inserts that the engine had to drop as known.
func (p *Proxy) acknowledged(token string) {
	if token == "" {
		return
	}
	p.count(func(c *Counts) {
		if p.tokens[token] {
			c.Repeated++
		}
		p.tokens[token] = true
	})
}

// half sends the head and a part of the body and hangs up.
func (p *Proxy) half(r *http.Request, body []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), forwardWithin)
	defer cancel()
	req := r.Clone(ctx)
	req.RequestURI, req.URL.Scheme, req.URL.Host, req.Host = "", "http", p.target, p.target
	req.ContentLength = int64(len(body))
	req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), failing{}))
	req.TransferEncoding, req.GetBody = nil, nil
	resp, err := p.client.Do(req) //nolint:gosec // to the engine, whatever the sink asked for
	if err == nil {
		_ = resp.Body.Close()
	}
}

type failing struct{}

var errCut = errors.New("cut on purpose")

func (failing) Read([]byte) (int, error) { return 0, errCut }
