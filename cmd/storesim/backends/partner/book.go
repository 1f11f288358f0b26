package partner

import (
	"crypto/sha256"
	"net/http"
	"sync"

	"millrace/cmd/storesim/backends/effects"
)

// book remembers what was answered under which key and which orders are closed, and lets effects happen one after another, so
// that the account has their order.
type book struct {
	backend string
	ledger  *effects.Ledger

	mu     sync.Mutex
	done   map[string]done
	closed map[Order]bool
}

// done is the answer to a key whose effect happened.
type done struct {
	content [sha256.Size]byte // to tell a repeat from a reused key
	answer  Answer
}

func newBook(backend string, l *effects.Ledger) *book {
	return &book{backend: backend, ledger: l, done: map[string]done{}, closed: map[Order]bool{}}
}

// do answers a call: as the first time if its key was used, and else by letting it have its effect.
func (b *book) do(c *Call) Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.read {
		return c.Do()
	}
	if again, used := b.again(c); used {
		return again
	}
	if c.Opens && b.closed[c.of()] {
		return Refuse(http.StatusConflict, ReasonClosed)
	}
	a := c.Do()
	if a.entry == nil {
		return a
	}
	if c.Closes {
		b.closed[c.of()] = true
	}
	e := *a.entry
	e.Backend, e.Key, e.Shop, e.Order, e.Subject, e.Closed = b.backend, c.key, c.Shop, c.Order, c.Subject, c.Closes
	b.ledger.Record(e)
	a.entry = nil
	b.done[c.key] = done{c.sum(), a}
	return a
}

// replay answers a key that was used before, and accounts for that.
func (b *book) replay(c *Call) (a Answer, used bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.again(c)
}

func (b *book) again(c *Call) (a Answer, used bool) {
	d, used := b.done[c.key]
	switch {
	case !used:
		return a, false
	case d.content != c.sum():
		return Refuse(http.StatusUnprocessableEntity, ReasonKeyReused, "detail", "the key was used for other content"), true
	case c.Closes:
		b.closed[c.of()] = true
	}
	b.ledger.Repeat(b.backend, c.key)
	return d.answer, true
}
