package member

import (
	"context"
	"net"
	"sync"
)

// freezer is the network of one process that can be stopped and go on, as SIGSTOP and SIGCONT do: what is to be sent
// meanwhile waits, and arrives late.
type freezer struct {
	mu   sync.Mutex
	open chan struct{} // closed while it is not frozen
}

func newFreezer() *freezer {
	f := &freezer{open: make(chan struct{})}
	close(f.open)
	return f
}

func (f *freezer) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = make(chan struct{})
}

func (f *freezer) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.open)
}

func (f *freezer) wait() {
	f.mu.Lock()
	open := f.open
	f.mu.Unlock()
	<-open
}

func (f *freezer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	f.wait()
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	return frozen{c, f}, err
}

type frozen struct {
	net.Conn
	f *freezer
}

func (c frozen) Write(b []byte) (int, error) {
	c.f.wait()
	return c.Conn.Write(b)
}
