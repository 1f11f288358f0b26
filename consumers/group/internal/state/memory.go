package state

import (
	"context"
	"sync"
)

// Memory returns a cache whose stores are in memory: new and empty each time.
func Memory() Cache { return memoryCache{} }

type memoryCache struct{}

func (memoryCache) Open(context.Context, string, int32) (Store, error) { return newMemory(), nil }
func (memoryCache) Close() error                                       { return nil }

type memory struct {
	mu   sync.RWMutex
	m    map[string][]byte
	next int64
	mark Mark
}

func newMemory() *memory { return &memory{m: map[string][]byte{}} }

func (s *memory) Get(key []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[string(key)], nil
}

func (s *memory) Apply(kvs []KV, next int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kv := range kvs {
		if kv.Value == nil {
			delete(s.m, string(kv.Key))
		} else {
			s.m[string(kv.Key)] = kv.Value
		}
	}
	s.next = next
	return nil
}

func (s *memory) Position() int64      { s.mu.RLock(); defer s.mu.RUnlock(); return s.next }
func (s *memory) Mark() Mark           { s.mu.RLock(); defer s.mu.RUnlock(); return s.mark }
func (s *memory) SetMark(m Mark) error { s.mu.Lock(); defer s.mu.Unlock(); s.mark = m; return nil }
func (s *memory) Wipe() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m, s.next, s.mark = map[string][]byte{}, 0, Mark{}
	return nil
}
func (s *memory) Close() error { return nil }
