package smtp

import (
	"net"
	"sync"
	"time"

	"millrace/cmd/storesim/backends/faults"
)

// listener knows its connections, so that a stop can reach the idle ones: go-smtp waits for them without an end.
type listener struct {
	net.Listener

	mu      sync.Mutex
	open    map[*conn]struct{}
	stopped bool
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &conn{Conn: c, in: l}
	l.open[w] = struct{}{}
	if l.stopped {
		w.stop()
	}
	return w, nil
}

// stop takes no new connections and ends all reading on those there are.
func (l *listener) stop() {
	// Closed already after the first call.
	_ = l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for c := range l.open {
		c.stop()
	}
}

// cut ends all connections.
func (l *listener) cut() {
	l.mu.Lock()
	open := make([]*conn, 0, len(l.open))
	for c := range l.open {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		faults.Cut(c)
	}
}

// conn is a connection on which reading ends when its listener stops, whatever deadlines are set afterwards.
type conn struct {
	net.Conn
	in *listener

	mu      sync.Mutex
	stopped bool
}

// NetConn returns the connection below.
func (c *conn) NetConn() net.Conn { return c.Conn }

func (c *conn) Close() error {
	c.in.mu.Lock()
	delete(c.in.open, c)
	c.in.mu.Unlock()
	return c.Conn.Close()
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	// Fails only on a connection that is closed already.
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}
