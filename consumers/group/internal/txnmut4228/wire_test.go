package txn

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A fault of the wire happens to requests of one kind.
type wireFault int

const (
	cutBefore wireFault = iota + 1 // the connection breaks instead of sending the request
	cutAfter                       // the broker has acted and answers, and the connection breaks before the answer is here
	silence                        // the request is lost and the connection stays open
	notice                         // nothing happens to the request; when it has been sent, noticed gets a token
)

// errCut is what a peer that dies looks like.
var errCut = &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// wire is the network between a producer and its brokers.
type wire struct {
	mu    sync.Mutex
	key   int16
	fault wireFault
	left  int
	hits  int

	noticed chan struct{}
}

// arm makes the next n requests with the key meet the fault.
func (w *wire) arm(key int16, f wireFault, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.key, w.fault, w.left, w.hits = key, f, n, 0
}

func (w *wire) disarm() (hits int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = 0
	return w.hits
}

func (w *wire) meets(key int16) wireFault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == 0 || key != w.key {
		return 0
	}
	w.left--
	w.hits++
	return w.fault
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: c, w: w}, nil
}

func (w *wire) option() kgo.Opt { return kgo.Dialer(w.dial) }

// wireConn relies on the client writing one request with one call.
type wireConn struct {
	net.Conn
	w *wire

	mu  sync.Mutex
	cut bool
}

func (c *wireConn) Write(b []byte) (int, error) {
	if len(b) < 6 {
		return c.Conn.Write(b)
	}
	switch c.w.meets(int16(binary.BigEndian.Uint16(b[4:]))) {
	case cutBefore:
		c.Close()
		return 0, errCut
	case cutAfter:
		c.mu.Lock()
		c.cut = true
		c.mu.Unlock()
	case silence:
		return len(b), nil
	case notice:
		defer func() { c.w.noticed <- struct{}{} }()
	}
	return c.Conn.Write(b)
}

func (c *wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut && err == nil {
		c.Close()
		return 0, errCut
	}
	return n, err
}

func newWire() *wire { return &wire{noticed: make(chan struct{}, 1)} }
