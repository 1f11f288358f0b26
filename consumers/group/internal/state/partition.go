package state

import (
	"fmt"
	"sync"
	"time"
)

// markEvery is how old a mark may get before a commit renews it.
const markEvery = time.Minute

// Partition is a store with uncommitted writes laid over it. It is safe for concurrent use.
type Partition struct {
	st Store

	mu      sync.RWMutex
	overlay map[string]pending
	seq     uint64
	mark    Mark // as the store has it
}

// pending is a write whose transaction is not through.
type pending struct {
	value []byte
	seq   uint64
}

// Write is a write that a transaction has committed.
type Write struct {
	Key, Value []byte
	Seq        uint64 // as Put returned it
}

// Get returns the newest value of the key, committed or not; nil when there is none. It must not be changed.
func (p *Partition) Get(key []byte) ([]byte, error) {
	p.mu.RLock()
	w, ok := p.overlay[string(key)]
	p.mu.RUnlock()
	if ok {
		return w.value, nil
	}
	// A commit that comes in between has put the value into the store before it took it from the overlay.
	return p.st.Get(key)
}

// Put makes value, nil for none, the newest of the key. It keeps value, which must not be changed any more. seq identifies the write
// in Commit.
func (p *Partition) Put(key, value []byte) (seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	if p.overlay == nil { // closed: a handler of a partition that is gone has ended late
		return p.seq
	}
	p.overlay[string(key)] = pending{value, p.seq}
	return p.seq
}

// Commit moves writes of a transaction that is through into the store; next is the offset in the changelog after the last of
// them. The value of a key that has been written again since stays the newest one. Transactions are to be told in their order.
func (p *Partition) Commit(writes []Write, next int64) error {
	kvs := make([]KV, len(writes))
	for i, w := range writes {
		kvs[i] = KV{w.Key, w.Value}
	}
	if err := p.st.Apply(kvs, next); err != nil {
		return fmt.Errorf("commit state: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range writes {
		if o, ok := p.overlay[string(w.Key)]; ok && o.seq <= w.Seq {
			delete(p.overlay, string(w.Key))
		}
	}
	return p.renewMark()
}

// renewMark notes that the store is the changelog's end now: only the owner of the partition writes there, and it has just
// applied what it wrote.
func (p *Partition) renewMark() error {
	now := time.Now()
	if now.Sub(p.mark.Current) < markEvery {
		return nil
	}
	m := Mark{Topic: p.mark.Topic, Current: now}
	if err := p.st.SetMark(m); err != nil {
		return fmt.Errorf("commit state: %w", err)
	}
	p.mark = m
	return nil
}

// Close forgets what is not committed and gives the store back.
func (p *Partition) Close() error {
	p.mu.Lock()
	p.overlay = nil
	p.mu.Unlock()
	return p.st.Close()
}
