package story

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// Event is one webhook.
type Event struct {
	ID      string // webhook id; a repeat has that of its first
	EventID string // shared by the webhooks of one action
	Shop    string
	Topic   string // Shopify's
	Time    time.Time
	Body    []byte
}

// Config says which story.
type Config struct {
	Seed       uint64
	Shops      int
	Duplicates float64          // share of the events that come twice
	Disorder   float64          // share of the events that come behind later ones
	Now        func() time.Time // stamps Event.Time
}

// Story makes events, one after the other, without end. It is not for concurrent use.
type Story struct {
	cfg   Config
	dice  *rand.Rand
	shops []*shop
	begin time.Time // of the story's own clock

	lastID    int64
	seq       int64
	action    int64
	phantoms  int64
	orders    []*order
	checkouts []*order
	ready     []Event   // made and not yet told
	held      []holding // put off: repeats, and events that come late
	told      int64
}

// holding is an event that is told after some others.
type holding struct {
	after int64
	event Event
}

// New begins a story.
func New(cfg Config) *Story {
	s := &Story{
		cfg: cfg, dice: rand.New(rand.NewPCG(cfg.Seed, 17)), //nolint:gosec // repeatable on purpose
		// Three weeks ago, so that orders fall on many days.
		begin: cfg.Now().UTC().Truncate(time.Hour).Add(-21 * 24 * time.Hour),
	}
	for i := range cfg.Shops {
		s.shops = append(s.shops, s.newShop(i))
	}
	return s
}

// Next returns the next event.
func (s *Story) Next() Event {
	for i, h := range s.held {
		if h.after <= s.told {
			s.held = append(s.held[:i], s.held[i+1:]...)
			s.told++
			return h.event
		}
	}
	for {
		if len(s.ready) == 0 {
			s.act()
			continue
		}
		e := s.ready[0]
		s.ready = s.ready[1:]
		e.Time = s.cfg.Now()
		if s.chance(s.cfg.Duplicates) {
			s.held = append(s.held, holding{s.told + 1 + s.dice.Int64N(400), e})
		}
		if s.chance(s.cfg.Disorder) {
			s.held = append(s.held, holding{s.told + 1 + s.dice.Int64N(60), e})
			continue
		}
		s.told++
		return e
	}
}

// Phantom returns an event that is not part of the story and would spoil it: an order of the story with other money and the newest
// version of all. It is for transactions that are aborted.
func (s *Story) Phantom() Event {
	s.phantoms++
	e := Event{ID: fmt.Sprintf("%s%012x", phantomPrefix, s.phantoms), EventID: "phantom", Shop: s.shops[0].domain, Topic: "orders/updated", Time: s.cfg.Now()}
	o := &order{shop: s.shops[s.dice.IntN(len(s.shops))], id: 1 << 40}
	if len(s.orders) > 0 {
		shown := *s.orders[s.dice.IntN(len(s.orders))]
		o = &shown
	}
	e.Shop = o.shop.domain
	b := o.body()
	b.TotalPrice, b.CurrentTotalPrice, b.UpdatedAt = o.shop.text(99_999_999), o.shop.text(99_999_999), s.cfg.Now().Add(48*time.Hour).UTC().Format(time.RFC3339)
	e.Body = encode(b)
	return e
}

// IsPhantom tells whether an id is that of a phantom.
func IsPhantom(id string) bool {
	return len(id) > len(phantomPrefix) && id[:len(phantomPrefix)] == phantomPrefix
}

const phantomPrefix = "ffffffff-0000-4000-8000-"

func (s *Story) chance(p float64) bool { return s.dice.Float64() < p }

// id is a new id; some are above 2^53, where a float would round them.
func (s *Story) id() int64 {
	s.lastID++
	if s.lastID%11 == 0 {
		return 1<<60 + s.lastID
	}
	return 5_000_000_000_000 + s.lastID
}

// tell makes an event of the action under way.
func (s *Story) tell(shop *shop, topic string, body any) {
	s.seq++
	s.ready = append(s.ready, Event{
		ID:      fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(s.cfg.Seed)&0x7fffffff, s.seq), //nolint:gosec // cut on purpose
		EventID: fmt.Sprintf("%08x-1111-4000-8000-%012x", uint32(s.cfg.Seed), s.action),         //nolint:gosec // cut on purpose
		Shop:    shop.domain, Topic: topic, Body: encode(body),
	})
}

// encode is JSON of the package's own types, which always have one.
func encode(body any) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic("story: " + err.Error())
	}
	return text
}

// Bounds of what is under way at once.
const (
	mostOrders    = 600
	mostCheckouts = 150
)

// act lets one thing happen.
func (s *Story) act() {
	s.action++
	shop := s.pickShop()
	switch n := s.dice.IntN(100); {
	case n < 10:
		s.stock(shop)
	case n < 14:
		s.changeProduct(shop)
	case n < 19:
		s.changeCustomer(shop)
	case n < 27:
		s.beginCheckout(shop)
	case n < 42 && len(s.checkouts) > 0:
		s.goOnCheckout()
	case len(s.orders) < mostOrders && n < 62:
		s.place(s.newOrder(shop))
	case len(s.orders) > 0:
		s.live(s.dice.IntN(len(s.orders)))
	default:
		s.place(s.newOrder(shop))
	}
}

// pickShop picks the first ones much more often.
func (s *Story) pickShop() *shop {
	f := s.dice.Float64()
	return s.shops[int(f*f*float64(len(s.shops)))]
}
