package group

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/schedule"
	"millrace/schemas"
)

// transition logs what has become of a try, as one line with all that is needed to find the event again.
func (r *Runtime) transition(level slog.Level, message string, it *schedule.Item, u *unit, began time.Time, args ...any) {
	ctx := u.partition.ctx
	if !r.logger.Enabled(ctx, level) {
		return
	}
	attrs := append(eventAttrs(u), slog.Int("burned", it.Attempts), slog.Duration("duration", time.Since(began)))
	r.logger.With(attrs...).Log(context.WithoutCancel(ctx), level, message, args...) //nolint:sloglint // constants at the callers
}

func eventAttrs(u *unit) []any {
	e := &u.event
	return []any{
		slog.String("webhook_id", e.ID), slog.String("shop", e.Shop), slog.String("shopify_topic", e.Topic), slog.String("key", e.Key),
		slog.String("topic", e.KafkaTopic), slog.Int("partition", int(e.Partition)), slog.Int64("offset", e.Offset), slog.Int("attempt", e.Attempt),
	}
}

// class is the scheduler's class of a record.
func (r *Runtime) class(rec *kgo.Record) uint8 {
	for i := range rec.Headers {
		switch rec.Headers[i].Key {
		case schemas.HeaderShopifyTopic:
			return uint8(r.svc.Priority(string(rec.Headers[i].Value)))
		case schemas.HeaderType:
			if topic, ok := schemas.OrderEventTopicOf(string(rec.Headers[i].Value)); ok {
				return uint8(r.svc.Priority(topic))
			}
		}
	}
	return uint8(Normal)
}
