package adminapi

import (
	"math"
	"sync"
	"time"
)

// bucket is a shop's allowance: points that queries take out, refilled by time.
type bucket struct {
	mu      sync.Mutex
	max     float64
	restore float64 // per second
	has     float64
	at      time.Time
}

// status is the bucket as an answer shows it.
type status struct {
	Maximum   float64 `json:"maximumAvailable"`
	Available int     `json:"currentlyAvailable"`
	Restore   float64 `json:"restoreRate"`
}

// take takes out n points, or nothing where there are fewer.
func (b *bucket) take(n int, now time.Time) (ok bool, s status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	if float64(n) <= b.has {
		b.has -= float64(n)
		ok = true
	}
	return ok, b.status()
}

// giveBack returns n points.
func (b *bucket) giveBack(n int, now time.Time) status {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	b.has = min(b.max, b.has+float64(n))
	return b.status()
}

func (b *bucket) refill(now time.Time) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.has = min(b.max, b.has+passed*b.restore)
	}
	b.at = now
}

func (b *bucket) status() status {
	return status{Maximum: b.max, Available: int(math.Floor(b.has)), Restore: b.restore}
}
