package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	pebbleCacheBytes    = 32 << 20
	pebbleMemTableBytes = 16 << 20

	// unreadableFile says that something in the folder could not be read; the next start begins with an empty one.
	unreadableFile = "UNREADABLE"
)

// pebbleCache is one database for all partitions of the process, told apart by a prefix of their keys: block cache, memtables and
// compactions are shared, so memory does not grow with the number of partitions, and one lock guards all of it. To wipe a partition is
// one range to delete. A partition that has moved away stays, and is brought up to date if it comes back.
type pebbleCache struct {
	dir  string
	lock *pebble.Lock
	db   *pebble.DB
	log  *slog.Logger

	mu   sync.Mutex
	open map[string]bool // by prefix
}

// Pebble returns a cache in a folder, which is made where it is missing. What is found there is used if it can be read, and thrown away
// if not. The error says, among others, that another process uses the folder.
//
// Writes are not forced to disk. The changelog has everything, and a value and the position after it are one write: whatever a crash
// leaves, it is an earlier state with its own position, from which Restore reads on, or it cannot be read and is thrown away.
func Pebble(dir string, log *slog.Logger) (Cache, error) {
	c, err := openPebble(dir, log)
	if err != nil {
		return nil, fmt.Errorf("open state cache in %s: %w", dir, err)
	}
	return c, nil
}

func openPebble(dir string, log *slog.Logger) (*pebbleCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// Locked before anything is touched: a folder in use looks unreadable.
	lock, err := pebble.LockDirectory(dir, vfs.Default)
	if err != nil {
		return nil, fmt.Errorf("lock it, another process may use it: %w", err)
	}
	c := &pebbleCache{dir: dir, lock: lock, log: log, open: map[string]bool{}}
	if _, err = os.Stat(filepath.Join(dir, unreadableFile)); err == nil {
		err = errors.New("it was unreadable before")
	} else {
		c.db, err = pebble.Open(dir, c.options())
	}
	if err != nil {
		log.Warn("state cache is unreadable: it is thrown away and restored from the changelog", "dir", dir, "err", err)
		if err = c.empty(); err == nil {
			c.db, err = pebble.Open(dir, c.options())
		}
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return c, nil
}

// empty removes everything but the lock.
func (c *pebbleCache) empty() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.Name() != "LOCK" {
			errs = append(errs, os.RemoveAll(filepath.Join(c.dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func (c *pebbleCache) options() *pebble.Options {
	o := &pebble.Options{
		Lock:               c.lock,
		FS:                 vfs.Default, // without the watch for slow disks, which a failed Open leaves running
		CacheSize:          pebbleCacheBytes,
		MemTableSize:       pebbleMemTableBytes,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             pebbleLog{c},
		// By default damage ends the process at once. Here the read that has found it fails, and the next start begins anew.
		EventListener: &pebble.EventListener{DataCorruption: func(i pebble.DataCorruptionInfo) { c.unreadable(i.Details) }},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // most first events of a key ask for a value that is not there
	}
	return o
}

func (c *pebbleCache) Open(_ context.Context, topic string, partition int32) (Store, error) {
	prefix := binary.AppendUvarint(nil, uint64(len(topic)))
	prefix = append(prefix, topic...)
	prefix = binary.BigEndian.AppendUint32(prefix, uint32(partition)) //nolint:gosec // partitions are not negative
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[string(prefix)] {
		return nil, fmt.Errorf("open state of %s/%d: it is open", topic, partition)
	}
	s := &pebbleStore{c: c, prefix: prefix}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open state of %s/%d: %w", topic, partition, err)
	}
	c.open[string(prefix)] = true
	return s, nil
}

func (c *pebbleCache) Close() error {
	if err := errors.Join(c.db.Close(), c.lock.Close()); err != nil {
		return fmt.Errorf("close state cache in %s: %w", c.dir, err)
	}
	return nil
}

// unreadable remembers that the folder cannot be read, so that the next start does not try again.
func (c *pebbleCache) unreadable(why error) {
	err := os.WriteFile(filepath.Join(c.dir, unreadableFile), nil, 0o600)
	c.log.Error("state cache is unreadable: it will be thrown away at the next start", "dir", c.dir, "reason", why, "err", err)
}

// pebbleStore is one partition. Its keys are the prefix and kindHead, for position and mark, or the prefix, kindValue and the key.
type pebbleStore struct {
	c      *pebbleCache
	prefix []byte

	mu   sync.RWMutex // guards head, and keeps its order that of the database
	head head
}

const (
	kindHead byte = iota
	kindValue
	kindEnd
)

// head is what is known of the store as a whole.
type head struct {
	next int64
	mark Mark
}

const headBytes = 8 + 16 + 8

func (s *pebbleStore) key(kind byte, key []byte) []byte {
	k := make([]byte, 0, len(s.prefix)+1+len(key))
	return append(append(append(k, s.prefix...), kind), key...)
}

func (s *pebbleStore) load() error {
	b, closer, err := s.c.db.Get(s.key(kindHead, nil))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read position: %w", err)
	}
	defer closer.Close()
	if len(b) != headBytes {
		return s.wipe() // of a version that kept it differently
	}
	s.head.next = int64(binary.BigEndian.Uint64(b)) //nolint:gosec // as it was written
	copy(s.head.mark.Topic[:], b[8:])
	if at := int64(binary.BigEndian.Uint64(b[24:])); at != 0 { //nolint:gosec // as it was written
		s.head.mark.Current = time.Unix(at, 0)
	}
	return nil
}

func (s *pebbleStore) Get(key []byte) ([]byte, error) {
	b, closer, err := s.c.db.Get(s.key(kindValue, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	defer closer.Close()
	if b == nil {
		return []byte{}, nil
	}
	return bytes.Clone(b), nil
}

func (s *pebbleStore) Apply(kvs []KV, next int64) error {
	b := s.c.db.NewBatch()
	defer b.Close()
	for _, kv := range kvs {
		var err error
		if key := s.key(kindValue, kv.Key); kv.Value == nil {
			err = b.Delete(key, nil)
		} else {
			err = b.Set(key, kv.Value, nil)
		}
		if err != nil {
			return fmt.Errorf("write state: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(b, head{next, s.head.mark})
}

// commit writes a batch and the head with it.
func (s *pebbleStore) commit(b *pebble.Batch, h head) error {
	v := binary.BigEndian.AppendUint64(make([]byte, 0, headBytes), uint64(h.next)) //nolint:gosec // offsets are not negative
	v = append(v, h.mark.Topic[:]...)
	var current int64
	if !h.mark.Current.IsZero() {
		current = h.mark.Current.Unix()
	}
	v = binary.BigEndian.AppendUint64(v, uint64(current))
	err := b.Set(s.key(kindHead, nil), v, nil)
	if err == nil {
		err = s.c.db.Apply(b, pebble.NoSync)
	}
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	s.head = h
	return nil
}

func (s *pebbleStore) Position() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head.next
}

func (s *pebbleStore) Mark() Mark {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head.mark
}

func (s *pebbleStore) SetMark(m Mark) error {
	b := s.c.db.NewBatch()
	defer b.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(b, head{s.head.next, m})
}

func (s *pebbleStore) Wipe() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wipe()
}

func (s *pebbleStore) wipe() error {
	if err := s.c.db.DeleteRange(s.key(kindHead, nil), s.key(kindEnd, nil), pebble.NoSync); err != nil {
		return fmt.Errorf("wipe state: %w", err)
	}
	s.head = head{}
	return nil
}

func (s *pebbleStore) Close() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	delete(s.c.open, string(s.prefix))
	return nil
}

// pebbleLog passes on what a person can use: Pebble tells of each file it writes.
type pebbleLog struct{ c *pebbleCache }

func (l pebbleLog) Infof(format string, args ...any) {
	l.c.log.Debug("pebble", "message", fmt.Sprintf(format, args...))
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.c.log.Warn("pebble", "message", fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble calls it where it cannot go on, e.g. when the disk is full in the middle of its own records.
func (l pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.c.unreadable(err)
	panic(fmt.Sprintf("state cache in %s: %v", l.c.dir, err))
}
