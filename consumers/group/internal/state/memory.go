package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/maphash"
	"math"
	"sync"
)

// Memory returns a cache whose stores are in memory: new and empty each time.
func Memory() Cache { return memoryCache{} }

type memoryCache struct{}

func (memoryCache) Open(context.Context, string, int32) (Store, error) { return newMemory(), nil }
func (memoryCache) Close() error                                       { return nil }

const (
	minChunk = 4 << 10
	maxChunk = 256 << 10
)

// memory keeps keys and values in chunks of bytes and an index without pointers beside them: a million small values cost some 30 bytes
// each beyond their own, and the garbage collector has nothing to follow. Bytes in a chunk are never written twice, so what Get has
// returned stays as it was; what is overwritten or removed is a hole, and a chunk that is mostly holes is moved to the end.
type memory struct {
	mu   sync.RWMutex
	next int64
	mark Mark

	seed   maphash.Seed
	mask   uint64            // of hashes; all ones but in tests
	index  map[uint64]ref    // by the hash of the key
	others map[string][]byte // keys whose hash another key has taken: hardly ever one
	chunks []chunk
	free   []uint32 // chunks that are empty and can be used again
	tail   uint32   // the chunk that is written to
	used   int      // bytes of all chunks
}

// ref is where an entry is: its chunk above, its offset there below.
type ref uint64

func at(chunk uint32, offset int) ref { return ref(chunk)<<32 | ref(uint32(offset)) } //nolint:gosec // a chunk is smaller than 4 GiB
func (r ref) chunk() uint32           { return uint32(r >> 32) }
func (r ref) offset() uint32          { return uint32(r) } //nolint:gosec // the lower half

// chunk has entries one after the other: length of the key, length of the value, key, value.
type chunk struct {
	buf  []byte
	live int // bytes of entries that the index points to
}

// entry is one entry of a chunk.
type entry struct {
	key, value []byte
	size       int
}

func readEntry(buf []byte) entry {
	k, n := binary.Uvarint(buf)
	v, m := binary.Uvarint(buf[n:])
	head := n + m
	end := head + int(k) + int(v) //nolint:gosec // written by put
	split := head + int(k)        //nolint:gosec // written by put
	return entry{buf[head:split:split], buf[split:end:end], end}
}

func newMemory() *memory {
	return &memory{seed: maphash.MakeSeed(), mask: math.MaxUint64, index: map[uint64]ref{}, others: map[string][]byte{}, chunks: make([]chunk, 1)}
}

func (s *memory) hash(key []byte) uint64 { return maphash.Bytes(s.seed, key) & s.mask }

func (s *memory) Get(key []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r, ok := s.index[s.hash(key)]; ok {
		if e := s.entry(r); bytes.Equal(e.key, key) {
			return e.value, nil
		}
	}
	if len(s.others) == 0 {
		return nil, nil
	}
	return s.others[string(key)], nil
}

func (s *memory) entry(r ref) entry { return readEntry(s.chunks[r.chunk()].buf[r.offset():]) }

func (s *memory) Apply(kvs []KV, next int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kv := range kvs {
		s.set(s.hash(kv.Key), kv.Key, kv.Value)
	}
	s.next = next
	return nil
}

// set writes one value; nil removes.
func (s *memory) set(hash uint64, key, value []byte) {
	delete(s.others, string(key))
	old, taken := s.index[hash]
	if taken && !bytes.Equal(s.entry(old).key, key) {
		if value != nil {
			s.others[string(key)] = append([]byte{}, value...)
		}
		return
	}
	if taken {
		// Before anything is put: that can move what the index points to.
		delete(s.index, hash)
		s.drop(old)
	}
	if value != nil {
		r := s.put(key, value)
		s.index[hash] = r
	}
}

// put appends an entry.
func (s *memory) put(key, value []byte) ref {
	size := 2*binary.MaxVarintLen64 + len(key) + len(value)
	if c := &s.chunks[s.tail]; cap(c.buf)-len(c.buf) < size {
		s.grow(size)
	}
	c := &s.chunks[s.tail]
	r := at(s.tail, len(c.buf))
	before := len(c.buf)
	c.buf = binary.AppendUvarint(c.buf, uint64(len(key)))
	c.buf = binary.AppendUvarint(c.buf, uint64(len(value)))
	c.buf = append(append(c.buf, key...), value...)
	c.live += len(c.buf) - before
	return r
}

// grow makes a new tail: small ones while there is little, and as large as the entry if need be.
func (s *memory) grow(size int) {
	size = max(size, min(max(s.used/4, minChunk), maxChunk))
	last := s.tail
	if n := len(s.free); n > 0 {
		s.tail, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.chunks = append(s.chunks, chunk{})
		s.tail = uint32(len(s.chunks) - 1) //nolint:gosec // far fewer
	}
	s.chunks[s.tail] = chunk{buf: make([]byte, 0, size)}
	s.used += size
	s.tidy(last)
}

// drop makes a hole of an entry that the index no longer points to.
func (s *memory) drop(r ref) {
	s.chunks[r.chunk()].live -= s.entry(r).size
	s.tidy(r.chunk())
}

// tidy moves what a chunk still has to the tail when more than half of it is holes. The tail itself stays as it is.
func (s *memory) tidy(n uint32) {
	c := s.chunks[n]
	if n == s.tail || c.buf == nil || c.live > len(c.buf)/2 {
		return
	}
	// First of all it stops being a chunk: moving can make a new tail, and that tidies the one before.
	s.chunks[n].buf = nil
	for offset := 0; offset < len(c.buf); {
		e := readEntry(c.buf[offset:])
		hash := s.hash(e.key)
		if r, ok := s.index[hash]; ok && r == at(n, offset) {
			s.index[hash] = s.put(e.key, e.value)
		}
		offset += e.size
	}
	s.used -= cap(c.buf)
	s.chunks[n] = chunk{}
	s.free = append(s.free, n)
}

func (s *memory) Position() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.next
}

func (s *memory) Mark() Mark {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mark
}

func (s *memory) SetMark(m Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mark = m
	return nil
}

func (s *memory) Wipe() error {
	empty := newMemory()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.mark = 0, Mark{}
	s.seed, s.index, s.others, s.chunks, s.free, s.tail, s.used = empty.seed, empty.index, empty.others, empty.chunks, nil, 0, 0
	return nil
}

func (s *memory) Close() error { return nil }
