package reconcile

import (
	"context"
	"errors"
	"time"

	"millrace/consumers/reconcile/shopify"
	"millrace/schemas"
)

// run is a run over one store.
type run struct {
	*Reconciler
	store *shopify.Store
	shop  string
	span  Span
	opts  Options
	tell  *teller
	place int // of the store among those that are told of
	sum   *Summary
}

func (r *Reconciler) newRun(shop string, span Span, o Options, t *teller, place int) *run {
	return &run{Reconciler: r, shop: shop, span: span, opts: o, tell: t, place: place, sum: newSummary(shop, span, o.DryRun)}
}

// all looks at the span, window by window. What it has said of a window is complete.
func (r *run) all(ctx context.Context, t *tokens) error {
	token, err := t.of(r.shop)
	if err != nil {
		return err
	}
	r.store = r.client.Store(r.shop, token)
	locations, err := r.store.Locations(ctx)
	if err != nil {
		return err
	}
	for from := r.span.Since; from.Before(r.span.Until); from = r.sum.Through {
		to := from.Add(r.cfg.Window)
		if to.After(r.span.Until) {
			to = r.span.Until
		}
		if err := r.orders(ctx, from, to); err != nil {
			return err
		}
		for _, location := range locations {
			if err := r.levels(ctx, location, from, to); err != nil {
				return err
			}
		}
		r.sum.Through = to
		r.tell.progress(r.place, to.Sub(r.span.Since))
	}
	return nil
}

func (r *run) orders(ctx context.Context, from, to time.Time) error {
	for page, err := range r.store.Orders(ctx, from, to) {
		if err != nil {
			return err
		}
		ids := make([]schemas.ID, len(page))
		for i := range page {
			ids[i] = page[i].ID
		}
		known, err := r.deps.State.Orders(ctx, r.shop, ids)
		if err != nil {
			return err
		}
		for i := range page {
			if err := r.order(ctx, &page[i], known[page[i].ID]); err != nil {
				return err
			}
		}
		r.tell.progress(r.place, page[len(page)-1].Updated.Sub(r.span.Since))
	}
	return nil
}

// order does what one order asks for. The order is read whole only where something of it is not here, which is rare.
func (r *run) order(ctx context.Context, o *shopify.Summary, known Known) error {
	r.checked(KindOrder, 1)
	r.checked(KindFulfillment, len(o.Fulfillments))
	r.checked(KindRefund, len(o.Refunds))
	found := findings(r.shop, o, known)
	r.found(found)
	if len(found) == 0 {
		return nil
	}
	if r.opts.DryRun {
		r.tell.found(found)
		return nil
	}
	whole, err := r.store.Order(ctx, *o)
	if errors.Is(err, shopify.ErrGone) {
		r.sum.Gone++
		r.log.WarnContext(ctx, "order is gone from the store while it was looked at", "shop", r.shop, "order", o.ID, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	events := make([]made, 0, len(found))
	for _, f := range found {
		body, err := bodyOf(whole, &f)
		if err != nil {
			return err
		}
		events = append(events, made{finding: f, read: whole.Read, version: r.client.APIVersion(), body: body})
	}
	return r.send(ctx, events)
}

func bodyOf(o *shopify.Order, f *Finding) ([]byte, error) {
	switch f.Kind {
	case KindFulfillment:
		return o.FulfillmentBody(f.part)
	case KindRefund:
		return o.RefundBody(f.part)
	default:
		return o.Body()
	}
}

// levelsAsked is how many items are looked up at once.
const levelsAsked = 500

func (r *run) levels(ctx context.Context, location schemas.ID, from, to time.Time) error {
	for all, err := range r.store.Levels(ctx, location, from, to) {
		if err != nil {
			return err
		}
		for len(all) > 0 {
			n := min(levelsAsked, len(all))
			if err := r.levelPage(ctx, all[:n]); err != nil {
				return err
			}
			all = all[n:]
		}
	}
	return nil
}

func (r *run) levelPage(ctx context.Context, page []shopify.Level) error {
	read := time.Now().UTC()
	items := make([]schemas.ID, len(page))
	for i := range page {
		items[i] = page[i].Item
	}
	known, err := r.deps.State.Levels(ctx, r.shop, items)
	if err != nil {
		return err
	}
	r.checked(KindLevel, len(page))
	var found []Finding
	var events []made
	for i := range page {
		l := &page[i]
		have, exists := known[LevelKey{l.Item, l.Location}]
		f, wrong := levelFinding(r.shop, l, have, exists)
		if !wrong {
			continue
		}
		body, err := l.Body()
		if err != nil {
			return err
		}
		found = append(found, f)
		events = append(events, made{finding: f, read: read, version: r.client.APIVersion(), body: body})
	}
	r.found(found)
	if r.opts.DryRun {
		r.tell.found(found)
		return nil
	}
	return r.send(ctx, events)
}

func (r *run) checked(k Kind, n int) {
	r.sum.Kinds[k].Checked += n
	r.metrics.checked.WithLabelValues(string(k)).Add(float64(n))
}

func (r *run) found(all []Finding) {
	for i := range all {
		r.sum.found(&all[i])
		r.metrics.found.WithLabelValues(string(all[i].Kind), string(all[i].Problem)).Inc()
	}
}

func (r *run) send(ctx context.Context, events []made) error {
	if len(events) == 0 {
		return nil
	}
	if err := r.producer.send(ctx, events); err != nil {
		return err
	}
	sent := make([]Finding, len(events))
	for i := range events {
		f := events[i].finding
		sent[i] = f
		r.sum.Kinds[f.Kind].Sent++
		r.metrics.sent.WithLabelValues(string(f.Kind)).Inc()
		r.log.InfoContext(ctx, "event made for what the store has", "id", f.ID, "shop", f.Shop, "shopify_topic", f.Topic, "gid", f.GID, "problem", f.Problem, "by", r.opts.By)
	}
	r.tell.found(sent)
	return nil
}
