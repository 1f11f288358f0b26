package sim

import (
	"maps"
	"sync"
)

// Stats is what a run has done so far.
type Stats struct {
	Seed       uint64        `json:"seed"`       // gives the same events again
	Orders     int64         `json:"orders"`     // begun
	Events     int64         `json:"events"`     // distinct events made
	Acked      int64         `json:"acked"`      // distinct events answered 2xx
	GivenUp    int64         `json:"given_up"`   // distinct events whose retries were used up
	Abandoned  int64         `json:"abandoned"`  // distinct events that waited for a retry when the run was stopped
	Unsent     int64         `json:"unsent"`     // made, but never tried before the run was stopped; not in the ledger
	Duplicates int64         `json:"duplicates"` // events delivered twice on purpose
	Late       int64         `json:"late"`       // events delivered behind a later one of their entity
	Forgotten  int64         `json:"forgotten"`  // events that were never sent, on purpose; in the ledger
	Attempts   int64         `json:"attempts"`   // HTTP requests
	Retries    int64         `json:"retries"`    // of those, repeated ones
	Pending    int64         `json:"pending"`    // deliveries waiting for their turn, an answer or a retry
	Bytes      int64         `json:"bytes"`      // of bodies, over all attempts
	Statuses   map[int]int64 `json:"statuses"`   // attempts by HTTP status; 0 is no answer
}

// tally is a Stats that goroutines share. Its lock is taken a few times per HTTP request, which is not worth atomics.
type tally struct {
	mu sync.Mutex
	s  Stats
}

func (t *tally) update(f func(*Stats)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.s)
}

func (t *tally) snapshot() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.s
	s.Statuses = maps.Clone(t.s.Statuses)
	return s
}
