package state

import (
	"context"
	"time"
)

// KV is a write: a nil Value removes the key.
type KV struct{ Key, Value []byte }

// Store holds committed values of one partition. It is safe for concurrent use.
type Store interface {
	// Get returns the value, or nil when there is none. It must not be changed.
	Get(key []byte) ([]byte, error)
	// Apply makes writes, the last one of a key wins, and sets the position after them, all in one step. It keeps nothing of kvs.
	Apply(kvs []KV, next int64) error
	// Position is the offset of the changelog to restore from; 0 for an empty store.
	Position() int64
	// Mark returns what SetMark has set last, or the zero value.
	Mark() Mark
	// SetMark sets the mark.
	SetMark(m Mark) error
	// Wipe removes everything, position and mark too.
	Wipe() error
	// Close gives the store back. What it holds may be found again by the next Open of its cache.
	Close() error
}

// Mark says what a store is a copy of.
type Mark struct {
	// Topic is the id of the changelog: a topic that was deleted and made again has another.
	Topic [16]byte
	// Current is a time at which Position was the changelog's end, in seconds of precision. Compaction removes the notes of removals
	// some time after they were written; a store that is older than that would never hear of them.
	Current time.Time
}

// Cache opens stores.
type Cache interface {
	// Open returns the store of a partition of a changelog, which may hold what it held when it was last closed. A partition must
	// not be opened twice at once.
	Open(ctx context.Context, topic string, partition int32) (Store, error)
	// Close is called after all stores have been closed.
	Close() error
}
