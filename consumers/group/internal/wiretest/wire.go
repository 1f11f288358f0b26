// Package wiretest is a network between a Kafka client and its brokers that breaks at chosen requests, for tests.
package wiretest

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Fault is what happens to requests of one kind.
type Fault int

// The faults.
const (
	CutBefore Fault = iota + 1 // the connection breaks instead of sending the request
	CutAfter                   // the broker has acted and answers, and the connection breaks before the answer is here
	Silence                    // the request is lost and the connection stays open
	Notice                     // nothing happens to the request; when it has been sent, Noticed gets a token
)

// errCut is what a peer that dies looks like.
var errCut = &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// Wire is the network between a producer and its brokers.
type Wire struct {
	mu    sync.Mutex
	key   int16
	fault Fault
	left  int
	hits  int

	Noticed chan struct{} // see Notice
}

// Arm makes the next n requests with the key meet the fault.
func (w *Wire) Arm(key int16, f Fault, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.key, w.fault, w.left, w.hits = key, f, n, 0
}

// Disarm ends the fault, and returns how many requests have met it.
func (w *Wire) Disarm() (hits int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = 0
	return w.hits
}

func (w *Wire) meets(key int16) Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == 0 || key != w.key {
		return 0
	}
	w.left--
	w.hits++
	return w.fault
}

func (w *Wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, w: w}, nil
}

// Option makes a client use the wire.
func (w *Wire) Option() kgo.Opt { return kgo.Dialer(w.dial) }

// conn relies on the client writing one request with one call.
type conn struct {
	net.Conn
	w *Wire

	mu  sync.Mutex
	cut bool
}

func (c *conn) Write(b []byte) (int, error) {
	if len(b) < 6 {
		return c.Conn.Write(b)
	}
	switch c.w.meets(int16(binary.BigEndian.Uint16(b[4:]))) { //nolint:gosec // request keys fit
	case CutBefore:
		_ = c.Close() // it is to look broken
		return 0, errCut
	case CutAfter:
		c.mu.Lock()
		c.cut = true
		c.mu.Unlock()
	case Silence:
		return len(b), nil
	case Notice:
		defer func() { c.w.Noticed <- struct{}{} }()
	}
	return c.Conn.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut && err == nil {
		_ = c.Close() // it is to look broken
		return 0, errCut
	}
	return n, err
}

// New returns a wire without faults.
func New() *Wire { return &Wire{Noticed: make(chan struct{}, 1)} }
