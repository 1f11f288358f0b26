package shopify

import (
	"sync"
	"time"
)

// cost is what an answer says of the rate limit.
type cost struct {
	Requested float64  `json:"requestedQueryCost"`
	Actual    *float64 `json:"actualQueryCost"` // null when throttled
	Throttle  struct {
		Maximum   float64 `json:"maximumAvailable"`
		Available float64 `json:"currentlyAvailable"`
		Restore   float64 `json:"restoreRate"`
	} `json:"throttleStatus"`
}

// pace keeps a store's rate limit: a bucket that restores at a rate, as the last answer had it.
type pace struct {
	mu        sync.Mutex
	asked     map[string]int // what each query asked for the last time
	available float64
	restore   float64 // 0: nothing is known yet
	at        time.Time
}

// learn takes what an answer says, and returns how long a query that was throttled has to wait.
func (p *pace) learn(name string, c *cost) time.Duration {
	if c == nil || c.Throttle.Restore <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[name] = int(c.Requested)
	p.available, p.restore, p.at = c.Throttle.Available, c.Throttle.Restore, time.Now()
	if c.Actual != nil {
		return 0
	}
	return p.until(c.Requested)
}

// wait returns how long to wait before a query, so that the bucket can pay it.
func (p *pace) wait(name string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.restore == 0 {
		return 0
	}
	return p.until(float64(p.asked[name]))
}

func (p *pace) until(points float64) time.Duration {
	has := p.available + time.Since(p.at).Seconds()*p.restore
	if has >= points {
		return 0
	}
	return time.Duration((points - has) / p.restore * float64(time.Second))
}
