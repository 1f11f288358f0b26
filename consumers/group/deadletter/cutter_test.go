package deadletter_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// cutter dials brokers, and once cuts the connection when the answer to an EndTxn begins to come: the broker has done what it was
// asked for, and the client does not know.
type cutter struct {
	armed, cut atomic.Bool
}

func (c *cutter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn, c: c}, nil
}

type cutConn struct {
	net.Conn
	c   *cutter
	end atomic.Bool // an EndTxn was sent
}

func (c *cutConn) Write(p []byte) (int, error) {
	// The client writes whole requests: length, then key.
	if len(p) >= 6 && kmsg.Key(binary.BigEndian.Uint16(p[4:])) == kmsg.EndTxn && c.c.armed.CompareAndSwap(true, false) {
		c.end.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && c.end.Load() {
		c.c.cut.Store(true)
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}
