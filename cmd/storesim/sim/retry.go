package sim

import "time"

// Shopify's delivery rules. Sources: "verify-deliveries" in the webhook documentation (timeouts, eight retries over four
// hours); the intervals are not published, only that they grow exponentially.
const (
	ConnectTimeout = time.Second
	RequestTimeout = 5 * time.Second
	MaxRetries     = 8
	RetryWindow    = 4 * time.Hour
)

// Backoff returns the wait before retry n (1 to MaxRetries) after the attempt before it failed: each is twice the one before,
// and all of them together are RetryWindow, so the first is 4 h / 255 = 56 s. scale divides the result. There is no
// jitter: receivers that come back after an outage are to meet the same burst on each run.
func Backoff(n int, scale float64) time.Duration {
	first := float64(RetryWindow) / float64(int(1)<<MaxRetries-1)
	return time.Duration(first * float64(int(1)<<(n-1)) / scale)
}
