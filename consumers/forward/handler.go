package forward

import (
	"context"
	"errors"
	"log/slog"

	"golang.org/x/time/rate"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
)

// skipNotForUs is the reason of skipping an event whose topic is not chosen.
const skipNotForUs = "not_for_us"

type handler struct {
	chosen patterns
	target *target
	call   *outgoing.Client
	log    *slog.Logger
	// misplaced bounds the log of answers that are about the endpoint: they concern every event, so once a minute is enough.
	misplaced *rate.Sometimes
}

// Handle sends one event.
func (h *handler) Handle(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
	if !h.chosen.match(e.Topic) {
		return group.Skip(skipNotForUs)
	}
	err := h.call.Do(ctx, e.Shop, func(ctx context.Context) error { return h.target.send(ctx, e) })
	if err == nil {
		u.Note("forwarded")
		return nil
	}
	var answer *outgoing.HTTPError
	if errors.As(err, &answer) && (answer.Status < 400 || h.target.endpoints[answer.Status]) {
		h.misplaced.Do(func() {
			h.log.ErrorContext(ctx, "endpoint refuses every event, or is elsewhere", "settings", "forward.url, forward.token, forward.secret", "status", answer.Status, "shop", e.Shop, "err", err)
		})
	}
	return err
}
