package reconcile

import (
	"context"
	"time"
)

// Watch looks at all stores every Config.Every, each time back by Config.Lookback, or to where the store's last run came, whichever is
// longer ago, until ctx ends. A run that fails is logged and made good by the next. first is how far the first round looks back;
// zero for Config.Lookback.
func (r *Reconciler) Watch(ctx context.Context, first time.Time, o Options) error {
	through := map[string]time.Time{}
	for ctx.Err() == nil {
		began := time.Now()
		r.round(ctx, through, first, began, o)
		wait := time.NewTimer(max(0, r.cfg.Every-time.Since(began)))
		select {
		case <-ctx.Done():
			wait.Stop()
		case <-wait.C:
		}
	}
	return nil
}

// round looks at all stores once and notes in through how far each came. A store that is new begins at first.
func (r *Reconciler) round(ctx context.Context, through map[string]time.Time, first, now time.Time, o Options) {
	shops, err := r.Shops()
	if err != nil {
		r.metrics.runs.WithLabelValues(resultFailed).Inc()
		r.log.ErrorContext(ctx, "stores not reconciled", "err", err)
		return
	}
	if len(shops) == 0 {
		r.log.WarnContext(ctx, "no store to reconcile", "setting", "reconcile.tokens_file")
	}
	spanOf := func(shop string) Span {
		since := now.Add(-r.cfg.Lookback)
		at, known := through[shop]
		switch {
		case known && at.Before(since):
			since = at
		case !known && !first.IsZero() && first.Before(since):
			since = first
		}
		return r.Span(since, time.Time{}, now)
	}
	all, err := r.Run(ctx, shops, spanOf, o)
	if all == nil {
		r.log.ErrorContext(ctx, "stores not reconciled", "err", err)
		return
	}
	behind := now
	for _, s := range all {
		through[s.Shop] = s.Through
		if s.Through.Before(behind) {
			behind = s.Through
		}
	}
	if len(all) > 0 {
		r.metrics.through.Set(float64(behind.Unix()))
	}
}
