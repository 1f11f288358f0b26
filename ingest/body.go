package ingest

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

// Sizes of the kept buffers. Most webhook bodies are 2 to 20 KB; larger buffers are made for the body and dropped.
const (
	smallBuffer = 4 << 10
	midBuffer   = 16 << 10
	largeBuffer = 64 << 10
)

// bodies lends buffers for request bodies and keeps their sum within a bound. A buffer belongs to its request until it
// has been handed to the producer, then to the producer until Kafka has answered.
type bodies struct {
	limit int64
	held  atomic.Int64
	small sync.Pool
	mid   sync.Pool
	large sync.Pool
}

// body is one request's buffer.
type body struct {
	owner *bodies
	b     []byte // as read; its capacity is what is counted as held
}

func newBodies(limit int64) *bodies { return &bodies{limit: limit} }

// pool returns the pool for buffers of size n, or nil where such buffers are not kept.
func (p *bodies) pool(n int) *sync.Pool {
	switch n {
	case smallBuffer:
		return &p.small
	case midBuffer:
		return &p.mid
	case largeBuffer:
		return &p.large
	default:
		return nil
	}
}

// reserve counts n more bytes as held, unless that would pass the limit.
func (p *bodies) reserve(n int) bool {
	if p.held.Add(int64(n)) > p.limit {
		p.held.Add(int64(-n))
		return false
	}
	return true
}

// take lends a buffer of at least n bytes, or nil when the limit is reached.
func (p *bodies) take(n int) *body {
	switch {
	case n <= smallBuffer:
		n = smallBuffer
	case n <= midBuffer:
		n = midBuffer
	case n <= largeBuffer:
		n = largeBuffer
	}
	if !p.reserve(n) {
		return nil
	}
	if pool := p.pool(n); pool != nil {
		if b, ok := pool.Get().(*body); ok {
			return b
		}
	}
	return &body{owner: p, b: make([]byte, 0, n)}
}

// release gives the buffer back. Nobody may read it afterwards.
func (b *body) release() {
	n := cap(b.b)
	if pool := b.owner.pool(n); pool != nil {
		b.b = b.b[:0]
		pool.Put(b)
	}
	b.owner.held.Add(int64(-n))
}

// grow returns a buffer with b's bytes and room for at least one more, or nil when the limit is reached; b is released.
// limit is the most that will ever be needed.
func (b *body) grow(limit int) *body {
	bigger := b.owner.take(min(max(2*cap(b.b), largeBuffer), limit))
	if bigger != nil {
		bigger.b = append(bigger.b[:0], b.b...)
	}
	b.release()
	return bigger
}

// readBody reads a request's body whole, at most limit bytes of it. It begins with a small buffer whatever length is
// declared: memory is held for bytes that have arrived, not for bytes that were announced, so that slow clients with large
// announcements cannot use up the budget. On any outcome but accepted the body is nil and nothing is held.
func (p *bodies) readBody(r *http.Request, limit int64) (*body, outcome) {
	declared := r.ContentLength
	if declared > limit {
		return nil, tooLarge
	}
	most := int(limit) + 1 // one more, to see that a body without a declared length passes the limit
	if declared >= 0 {
		most = int(declared) + 1 // one more, so that the end of the body is seen without growing
	}
	b := p.take(smallBuffer)
	if b == nil {
		return nil, overloaded
	}
	for {
		if len(b.b) == cap(b.b) {
			if b = b.grow(most); b == nil {
				return nil, overloaded
			}
		}
		n, err := r.Body.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		if int64(len(b.b)) > limit {
			b.release()
			return nil, tooLarge
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return b, accepted
			}
			b.release()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil, bodyTimeout
			}
			return nil, bodyBroken
		}
	}
}
