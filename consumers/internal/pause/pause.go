// Package pause waits between tries.
package pause

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff returns how long to wait before try n+1 (n from 0): doubling from least to most, the upper half of it random, so that what
// failed together does not come back together.
func Backoff(n int, least, most time.Duration) time.Duration {
	d := most
	if n < 30 && least<<n < most && least<<n > 0 {
		d = least << n
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}

// Bounds of ByAge.
const (
	minByAge = time.Second
	maxByAge = time.Minute
)

// ByAge returns how long an event that is out of order waits for what it needs. The longer ago it came the longer it waits: most of
// what is missing is a second behind, and what is an hour behind need not be asked for every second.
func ByAge(received time.Time) time.Duration {
	return min(max(time.Since(received)/4, minByAge), maxByAge)
}

// Sleep waits for d and returns nil, or ctx's error when that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
