package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"millrace/cmd/storesim/adminapi"
)

// generator makes the sequence of events. It is one goroutine's: the sequence depends on the seed and on nothing that
// happens to the events later.
type generator struct {
	cfg        Config
	seed       uint64
	now        func() time.Time
	rng        *rand.Rand
	words      *vocabulary
	currencies []*currency
	ids        *ids
	shops      map[int]*shop
	weights    []float64 // cumulative, of the shops
	faults     faults
	catalogue  *adminapi.Catalogue // what the Admin API shows; nil: there is none
	active     []*story
	ready      []*parcel
	orders     int64
	events     int64
	forgotten  int64
	over       bool
}

// productPercent of turns are a change of a product instead of something about an order.
const productPercent = 1

func newGenerator(cfg Config, now func() time.Time) *generator {
	seed := cfg.Seed
	for seed == 0 {
		seed = rand.Uint64() >> 16 //nolint:gosec // not a secret; short enough to type again
	}
	rng := rand.New(rand.NewPCG(seed, 0x57025e)) //nolint:gosec // reproducible on purpose
	g := &generator{
		cfg: cfg, seed: seed, now: now, rng: rng, words: newVocabulary(), currencies: currencies(), ids: newIDs(seed), shops: map[int]*shop{},
		faults: faults{rng: rng, duplicates: cfg.Duplicates, disorder: cfg.Disorder},
	}
	sum := 0.0
	for n := range cfg.Shops {
		sum += math.Pow(float64(n+1), -cfg.Zipf)
		g.weights = append(g.weights, sum)
	}
	return g
}

// anyShop draws a shop, the first ones oftener: shop n with weight 1/n^Zipf.
func (g *generator) anyShop() *shop {
	at := g.rng.Float64() * g.weights[len(g.weights)-1]
	return g.shop(min(sort.SearchFloat64s(g.weights, at), g.cfg.Shops-1))
}

// next returns the next delivery, false when all there are to be are out.
func (g *generator) next() (*parcel, bool, error) {
	for len(g.ready) == 0 {
		if g.over {
			return nil, false, nil
		}
		if err := g.turn(); err != nil {
			return nil, false, err
		}
	}
	p := g.ready[0]
	g.ready = g.ready[1:]
	return p, true, nil
}

// end stops the making of events and lets out those held back; next goes on until they are through.
func (g *generator) end() {
	if g.over {
		return
	}
	g.over = true
	for _, t := range g.active {
		g.ship(g.faults.flush(&t.outbox))
	}
	g.active = nil
}

// turn makes at most one event: of a story in progress, of a new one, or of a product. A turn picks among OpenOrders
// places, of which those still empty mean a new story, so that stories start spread out.
func (g *generator) turn() error {
	if g.cfg.Events > 0 && g.events >= g.cfg.Events {
		g.end()
		return nil
	}
	if chance(g.rng, productPercent) && !g.full() {
		return g.changeProduct()
	}
	n := g.rng.IntN(g.cfg.OpenOrders)
	if n >= len(g.active) {
		switch {
		case !g.full():
			g.active = append(g.active, g.newStory(g.anyShop()))
			n = len(g.active) - 1
		case len(g.active) == 0:
			g.end()
			return nil
		default:
			n = g.rng.IntN(len(g.active))
		}
	}
	return g.tell(n)
}

// full tells whether no further order may begin.
func (g *generator) full() bool { return g.cfg.Orders > 0 && g.orders >= g.cfg.Orders }

// tell sends the next event of active story n, or ends the story.
func (g *generator) tell(n int) error {
	t := g.active[n]
	for len(t.queue) == 0 {
		if !t.advance() {
			g.ship(g.faults.flush(&t.outbox))
			last := len(g.active) - 1
			g.active[n], g.active[last] = g.active[last], nil
			g.active = g.active[:last]
			return nil
		}
	}
	d := t.queue[0]
	t.queue = t.queue[1:]
	e, err := g.write(&d)
	if err != nil {
		return err
	}
	if g.catalogue != nil {
		g.publish(t.o, &d)
	}
	if !g.forgets(e) {
		g.ship(g.faults.pass(&t.outbox, e, t.owns(d.entity)))
	}
	return nil
}

// forgets decides whether an event is never sent; then it goes out as something to account for alone. It passes by the outbox, so
// that nothing waits for it.
func (g *generator) forgets(e *Event) bool {
	if g.cfg.Forget == 0 || g.rng.Float64() >= g.cfg.Forget { // no draw where nothing is forgotten: the sequence stays what it was
		return false
	}
	e.Forgotten = true
	g.forgotten++
	g.ready = append(g.ready, &parcel{event: e})
	return true
}

// owns tells whether no other story writes to the entity.
func (t *story) owns(e *entity) bool { return e == &t.o.entity || e == &t.o.checkout || e == &t.o.cart }

func (g *generator) changeProduct() error {
	p := pick(g.rng, g.anyShop().products)
	v := pick(g.rng, p.variants)
	v.price = v.base.share(int64(8000 + 500*g.rng.IntN(9)))
	d := draft{topic: "products/update", entity: &p.entity, action: uuidFrom(g.rng), live: true, body: func() any { return p.body(p.shop.stamp(g.now())) }}
	e, err := g.write(&d)
	if err != nil {
		return err
	}
	if !g.forgets(e) {
		g.ship(g.faults.pass(&outbox{}, e, false))
	}
	return nil
}

// write turns a draft into an event.
func (g *generator) write(d *draft) (*Event, error) {
	body, err := json.Marshal(d.body())
	if err != nil {
		return nil, fmt.Errorf("encode %s body of %s: %w", d.topic, d.entity.subject, err)
	}
	if d.live {
		d.at = g.now()
	}
	g.events++
	d.entity.events++
	e := &Event{
		Seq: g.events, EntitySeq: d.entity.events, WebhookID: uuidFrom(g.rng), EventID: d.action, Shop: d.entity.shop.domain,
		Topic: d.topic, Entity: d.entity.subject, TriggeredAt: d.at, Body: body, entity: d.entity,
	}
	if d.account != nil {
		e.Order = d.account()
	}
	return e, nil
}

// ship gives each delivery its place in the order of its entity.
func (g *generator) ship(events []*Event) {
	for _, e := range events {
		e.entity.stamps++
		p := &parcel{event: e, copied: e.shipped > 0}
		e.shipped++
		p.delivery.Stamp = e.entity.stamps
		g.ready = append(g.ready, p)
	}
}
