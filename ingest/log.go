package ingest

import (
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"
)

// Bounds of the request log for refused deliveries, per outcome: a flood of forgeries must not become a flood of lines.
const (
	refusedPerSecond = 10
	refusedBurst     = 20
)

// logOutcome writes one wide line for a request: for a sample of the stored ones, and for refused ones up to a rate.
// The counters, not the log, say how many there were.
func (s *Server) logOutcome(c *gin.Context, out outcome, d *delivery) {
	level := slog.LevelInfo
	switch {
	case out == accepted:
		if s.cfg.LogEvery == 0 || s.logged.Add(1)%int64(s.cfg.LogEvery) != 0 {
			return
		}
	case !s.limits[out].Allow():
		return
	case out != quarantined:
		level = slog.LevelWarn
	}
	if d.event.ID == "" {
		// Refused before it was known to be authentic: what the request claims is all there is, and what one looks for when a
		// rotation of secrets goes wrong.
		h := c.Request.Header
		d.event.ID, d.event.Shop = printable(shopifyHeader(h, headerWebhookID)), printable(shopifyHeader(h, headerShop))
		d.event.Topic = printable(shopifyHeader(h, headerTopic))
	}
	attrs := []slog.Attr{
		slog.String("outcome", string(out)),
		slog.String("webhook_id", d.event.ID),
		slog.String("shop", d.event.Shop),
		slog.String("shopify_topic", d.event.Topic),
		slog.String("topic", d.route.Topic),
		slog.String("key", d.route.Key),
		slog.Int("partition", int(d.at.partition)),
		slog.Int64("offset", d.at.offset),
		slog.Int("bytes", d.bytes),
		slog.Duration("duration", time.Since(d.start)),
		slog.String("remote", c.Request.RemoteAddr),
	}
	if d.err != nil {
		attrs = append(attrs, slog.Any("err", d.err))
	}
	s.log.LogAttrs(c.Request.Context(), level, "webhook", attrs...)
}

// newLimits returns a limiter for every outcome but accepted, which is sampled instead.
func newLimits(answers map[outcome]answer) map[outcome]*rate.Limiter {
	limits := map[outcome]*rate.Limiter{quarantined: rate.NewLimiter(refusedPerSecond, refusedBurst)}
	for o := range answers {
		limits[o] = rate.NewLimiter(refusedPerSecond, refusedBurst)
	}
	return limits
}
