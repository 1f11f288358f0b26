package member

import (
	"sync"
	"time"
)

// ledger is what several members have accepted together.
type ledger struct {
	mu      sync.Mutex
	owner   map[TP]*shape
	offsets map[TP]map[int64]int
	last    map[TP]string // who accepted last
	at      map[TP]time.Time
}

func newLedger() *ledger {
	return &ledger{owner: map[TP]*shape{}, offsets: map[TP]map[int64]int{}, last: map[TP]string{}, at: map[TP]time.Time{}}
}

func (l *ledger) accept(s *shape, f Fetched) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.owner[f.TP]; o != nil && o != s {
		s.t.Errorf("%s accepts records of %s, which %s has not dropped", s.name, f.TP, o.name)
	}
	l.owner[f.TP], l.last[f.TP], l.at[f.TP] = s, s.name, time.Now()
	if l.offsets[f.TP] == nil {
		l.offsets[f.TP] = map[int64]int{}
	}
	for _, r := range f.Records {
		l.offsets[f.TP][r.Offset]++
	}
}

func (l *ledger) drop(s *shape, tp TP) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner[tp] == s {
		l.owner[tp] = nil
	}
}

// total returns how many records were accepted, and how many of them more than once.
func (l *ledger) total() (distinct, repeated int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.offsets {
		for _, n := range m {
			distinct++
			repeated += n - 1
		}
	}
	return distinct, repeated
}
