package notifications

import (
	"net"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// session is one open connection to the server, logged in.
type session struct {
	client *gomail.Client
	conn   net.Conn
	expire *time.Timer
}

// abort closes the connection without a word. It may be called twice and at any time.
func (s *session) abort() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// idlePool keeps connections for the next mails, the last used first, each no longer than timeout. Nothing has to close it: its
// connections close themselves.
type idlePool struct {
	most    int
	timeout time.Duration

	mu       sync.Mutex
	sessions []*session
}

func (p *idlePool) take() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.sessions) > 0 {
		s := p.sessions[len(p.sessions)-1]
		p.sessions = p.sessions[:len(p.sessions)-1]
		if s.expire.Stop() {
			return s
		}
	}
	return nil
}

func (p *idlePool) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) >= p.most {
		// In its own goroutine, since the server's goodbye is nothing to wait for under the lock; the client's deadline bounds it.
		s.expire = time.AfterFunc(0, func() { _ = s.client.Close(); s.abort() })
		return
	}
	s.expire = time.AfterFunc(p.timeout, func() {
		p.drop(s)
		_ = s.client.Close() // says QUIT
		s.abort()
	})
	p.sessions = append(p.sessions, s)
}

func (p *idlePool) drop(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.sessions {
		if other == s {
			p.sessions = append(p.sessions[:i], p.sessions[i+1:]...)
			return
		}
	}
}
