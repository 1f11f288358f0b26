package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"millrace/consumers/analytics/reports"
)

// question is one thing that the console asks, as one of its pages asks it.
type question struct {
	name  string
	span  string // "" where there is no range
	whose string // "" where there is no shop
	ask   func(ctx context.Context) error
}

// subject is what the questions about one thing are about: found in the data.
type subject struct {
	shop    string
	order   string // id
	name    string // of an order
	webhook string
	place   reports.Place
}

// questions are all that is measured.
func (b *bench) questions(r *reports.Reports, all []subject) []question {
	var out []question
	for _, span := range spans() {
		to := b.set.End
		if span.length >= reports.WholeDays {
			// People ask for days up to now, which is the end of the data on the day that they are made and later on is not.
			to = to.Add(day - 1).Truncate(day)
		}
		rg := reports.Range{From: to.Add(-span.length), To: to}
		for i, whose := range []string{"a small shop", "the largest shop", "all shops"} {
			shop := ""
			if i < len(all) {
				shop = all[i].shop
			}
			out = append(out, ranged(r, rg, span.name, whose, shop)...)
		}
		out = append(out, question{"revenue per shop", span.name, "all shops", func(ctx context.Context) error { return second(r.SalesByShop(ctx, rg, 10)) }})
	}
	for i, whose := range []string{"a small shop", "the largest shop"} {
		out = append(out, pointed(r, all[i], whose)...)
	}
	out = append(out, question{"search what is not there", "", "all shops", func(ctx context.Context) error {
		return second(r.Events(ctx, reports.EventQuery{Search: "not-there"}))
	}})
	return append(out, question{"shops for the picker", "", "all shops", func(ctx context.Context) error { return second(r.Shops(ctx, "", 50)) }})
}

// span is a range that the time picker offers.
type span struct {
	name   string
	length time.Duration
}

const day = 24 * time.Hour

func spans() []span {
	return []span{{"1 h", time.Hour}, {"24 h", day}, {"7 d", 7 * day}, {"30 d", 30 * day}, {"90 d", 90 * day}}
}

// second drops the answer.
func second[T any](_ T, err error) error { return err }

// ranged are the questions of the overview page.
func ranged(r *reports.Reports, rg reports.Range, span, whose, shop string) []question {
	return []question{
		{"events per topic", span, whose, func(ctx context.Context) error { return second(r.Throughput(ctx, rg, shop, 8)) }},
		{"totals", span, whose, func(ctx context.Context) error { return second(r.Totals(ctx, rg, shop)) }},
		{"orders and revenue", span, whose, func(ctx context.Context) error { return second(r.Sales(ctx, rg, shop)) }},
		{"top products", span, whose, func(ctx context.Context) error {
			_, _, err := r.TopProducts(ctx, rg, shop, 10)
			return err
		}},
		{"delays", span, whose, func(ctx context.Context) error { return second(r.Delays(ctx, rg, shop)) }},
		{"latest events", span, whose, func(ctx context.Context) error {
			return second(r.Events(ctx, reports.EventQuery{Range: rg, Shop: shop}))
		}},
		{"latest events of orders/paid", span, whose, func(ctx context.Context) error {
			return second(r.Events(ctx, reports.EventQuery{Range: rg, Shop: shop, Topic: "orders/paid"}))
		}},
	}
}

// pointed are the questions about one order or event.
func pointed(r *reports.Reports, s subject, whose string) []question {
	search := func(text, shop string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return second(r.Events(ctx, reports.EventQuery{Shop: shop, Search: text}))
		}
	}
	order := reports.Entity{Shop: s.shop, Kind: "order", ID: s.order}
	return []question{
		{"story of an order", "", whose, func(ctx context.Context) error { return second(r.Story(ctx, order, 200)) }},
		{"one event with its body", "", whose, func(ctx context.Context) error { return second(r.Event(ctx, s.place, order)) }},
		{"search a webhook id in all shops", "", whose, search(s.webhook, "")},
		{"search an order id in all shops", "", whose, search(s.order, "")},
		{"search an order name in all shops", "", whose, search(s.name, "")},
		{"search an order name in its shop", "", whose, search(s.name, s.shop)},
	}
}

// subjects finds the small and the largest shop and an order of each.
func (b *bench) subjects(ctx context.Context) ([]subject, error) {
	var out []subject
	for _, shop := range []string{"shop-03000.myshopify.com", "shop-00000.myshopify.com"} {
		s := subject{shop: shop}
		var order uint64
		err := b.db.Conn().QueryRow(ctx, b.named("SELECT order_id, name, id, _topic, _partition, _offset FROM %.events WHERE shop = ? AND entity_kind = 'order' AND shopify_topic = 'orders/paid' ORDER BY received_time LIMIT 1"), shop).
			Scan(&order, &s.name, &s.webhook, &s.place.Topic, &s.place.Partition, &s.place.Offset)
		if err != nil {
			return nil, fmt.Errorf("find an order of %s: %w", shop, err)
		}
		s.order = strconv.FormatUint(order, 10)
		out = append(out, s)
	}
	return out, nil
}
