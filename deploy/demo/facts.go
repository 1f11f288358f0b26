package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/storesim/backends"
	"millrace/cmd/storesim/ledger"
	"millrace/consumers/group"
	"millrace/consumers/group/deadletter"
	"millrace/consumers/group/reread"
	"millrace/consumers/orderstate"
	"millrace/deploy/demo/judge"
	"millrace/deploy/internal/ask"
	"millrace/schemas"
)

// facts collects what the run has left behind.
func (d *demo) facts(ctx context.Context) (*judge.Facts, error) {
	f := &judge.Facts{Told: map[judge.Order]*judge.Told{}, Wanted: map[judge.Order]*judge.Wanted{}, Views: map[judge.Order]*orderstate.View{}}
	err := d.entries(func(e *ledger.Entry) { tell(f, e) })
	if err != nil {
		return nil, err
	}
	if f.Services, err = worldOf(ctx, d.addr.services.admin); err != nil {
		return nil, err
	}
	if f.Saga, err = worldOf(ctx, d.addr.saga.admin); err != nil {
		return nil, err
	}
	kafka := []kgo.Opt{kgo.SeedBrokers(d.addr.kafka)}
	r, err := reread.Open(kafka)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := wanted(ctx, r, f); err != nil {
		return nil, err
	}
	if err := views(ctx, r, f); err != nil {
		return nil, err
	}
	return f, letters(ctx, kafka, f)
}

func (d *demo) entries(do func(*ledger.Entry)) error {
	file, err := os.Open(d.ledger())
	if err != nil {
		return fmt.Errorf("open the stores' ledger: %w", err)
	}
	defer file.Close()
	for e, err := range ledger.Read(file) {
		if err != nil {
			return err
		}
		do(e)
	}
	return nil
}

// shops are the stores that have something in the ledger.
func (d *demo) shops() ([]string, error) {
	all := map[string]bool{}
	err := d.entries(func(e *ledger.Entry) { all[e.Shop] = true })
	return slices.Sorted(maps.Keys(all)), err
}

// tell adds a line of the stores' ledger. Lines are in the order in which their fate became known, so the newest is told by its version.
func tell(f *judge.Facts, e *ledger.Entry) {
	if e.Order == nil {
		return
	}
	o := judge.Order{Shop: e.Shop, ID: strconv.FormatInt(e.Order.ID, 10)}
	t := f.Told[o]
	if t == nil {
		t = &judge.Told{}
		f.Told[o] = t
	}
	if newer(e.Order.UpdatedAt, t.UpdatedAt) || e.EntitySeq > t.Seq && !newer(t.UpdatedAt, e.Order.UpdatedAt) {
		t.Order, t.Seq = *e.Order, e.EntitySeq
	}
	t.Cancelled = t.Cancelled || e.Topic == "orders/cancelled"
	t.Late = t.Late || e.Topic == "orders/create" && (e.Late || e.Status == ledger.StatusForgotten)
}

func newer(a, b string) bool {
	x, _ := time.Parse(time.RFC3339, a)
	y, _ := time.Parse(time.RFC3339, b)
	return x.After(y)
}

func worldOf(ctx context.Context, admin string) (w judge.World, err error) {
	var done backends.Entries
	var refused backends.Refusals
	err = errors.Join(ask.Get(ctx, "http://"+admin+"/ledger?limit=0", &done), ask.Get(ctx, "http://"+admin+"/ledger/refused?limit=0", &refused))
	if err == nil && (len(done.Entries) != done.Total || len(refused.Refusals) != refused.Total) {
		err = fmt.Errorf("%s tells %d of %d effects and %d of %d refusals", admin, len(done.Entries), done.Total, len(refused.Refusals), refused.Total)
	}
	return judge.World{Effects: done.Entries, Refusals: refused.Refusals}, err
}

// body is what is read of a webhook about an order.
type body struct {
	ID           json.Number     `json:"id"`
	OrderID      json.Number     `json:"order_id"`
	Email        string          `json:"email"`
	ContactEmail string          `json:"contact_email"`
	Test         bool            `json:"test"`
	Address      json.RawMessage `json:"shipping_address"`
	Lines        []struct {
		Variant  json.Number `json:"variant_id"`
		Ship     bool        `json:"requires_shipping"`
		GiftCard bool        `json:"gift_card"`
		Quantity int64       `json:"current_quantity"`
		Open     int64       `json:"fulfillable_quantity"`
	} `json:"line_items"`
}

// wanted reads what the webhooks ask of partners.
func wanted(ctx context.Context, r *reread.Reader, f *judge.Facts) error {
	topic := schemas.DomainOrders.KafkaTopic()
	n, err := r.Partitions(ctx, topic)
	if err != nil {
		return err
	}
	for p := range n {
		err := r.Events(ctx, topic, p, func(e *group.Event) error {
			var b body
			if err := json.Unmarshal(e.Body, &b); err != nil {
				return fmt.Errorf("read %s of %s: %w", e.Topic, e.Subject, err)
			}
			id, about := strings.CutPrefix(e.Subject, "order/")
			if !about {
				return nil
			}
			o := judge.Order{Shop: e.Shop, ID: id}
			w := f.Wanted[o]
			if w == nil {
				w = &judge.Wanted{}
				f.Wanted[o] = w
			}
			want(w, e, &b)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forwarded are the groups of Shopify topics that forward sends on.
func forwarded() []string { return []string{"orders", "refunds", "fulfillments"} }

// want adds what one webhook asks for.
func want(w *judge.Wanted, e *group.Event, b *body) {
	if prefix, _, _ := strings.Cut(e.Topic, "/"); slices.Contains(forwarded(), prefix) {
		w.Events = append(w.Events, e.ID)
	}
	if !strings.HasPrefix(e.Topic, "orders/") {
		return
	}
	goods, ship := false, false
	for _, l := range b.Lines {
		goods = goods || l.Variant != ""
		ship = ship || l.Ship && !l.GiftCard && min(l.Quantity, l.Open) > 0
	}
	switch e.Topic {
	case "orders/create":
		w.Goods, w.Mail, w.Saga = goods && !b.Test, b.Email != "" || b.ContactEmail != "", !b.Test
	case "orders/paid":
		w.Ship = w.Ship || ship && !b.Test && len(b.Address) > 0 && string(b.Address) != "null"
	}
}

// views folds the event store.
func views(ctx context.Context, r *reread.Reader, f *judge.Facts) error {
	n, err := r.Partitions(ctx, schemas.OrderEventsTopic)
	if err != nil {
		return err
	}
	for p := range n {
		events := told{}
		err := r.Events(ctx, schemas.OrderEventsTopic, p, func(e *group.Event) error {
			e.Body = bytes.Clone(e.Body)
			id, _ := strings.CutPrefix(e.Subject, "order/")
			o := judge.Order{Shop: e.Shop, ID: id}
			events[o] = append(events[o], e)
			return nil
		})
		if err != nil {
			return err
		}
		for o := range events {
			h, err := orderstate.Tell(ctx, events, o.Shop, o.ID, time.Time{})
			if err != nil {
				return err
			}
			v := h.View()
			f.Views[o] = &v
		}
	}
	return nil
}

// told are the events of orders; an orderstate.Source.
type told map[judge.Order][]*group.Event

// OrderEvents implements orderstate.Source.
func (t told) OrderEvents(_ context.Context, shop, id string, f func(*group.Event) error) error {
	for _, e := range t[judge.Order{Shop: shop, ID: id}] {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

func letters(ctx context.Context, kafka []kgo.Opt, f *judge.Facts) error {
	groups, err := deadletter.Groups(ctx, kafka)
	if err != nil {
		return err
	}
	for _, name := range groups {
		b, err := deadletter.Open(ctx, kafka, name, deadletter.Options{})
		if err != nil {
			return err
		}
		err = b.List(ctx, deadletter.Filter{}, func(l deadletter.Letter) error {
			f.Letters = append(f.Letters, judge.Letter{Group: name, Shop: l.Shop, Entity: l.Entity, Topic: l.ShopifyTopic, Class: l.Class, Error: l.Error})
			return nil
		})
		b.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
