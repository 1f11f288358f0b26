package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
)

// shop is a simulated store. Its domain, currency and time zone depend on its number alone, so that another run, whatever
// its seed, goes on selling in the same stores.
type shop struct {
	id        int64
	domain    string
	name      string
	currency  *currency
	zone      *time.Location
	taxBP     int64 // sales tax in 1/10 000
	included  bool  // prices contain the tax
	compact   bool  // its subscriptions leave the money sets out, as include_fields can
	location  int64
	products  []*product
	customers []*customer // the most recent ones, for repeat buyers
	orders    int64
}

type product struct {
	entity
	id                               int64
	title, kind, vendor, handle, tag string
	created                          time.Time
	variants                         []*variant
}

type variant struct {
	entity      // of its inventory item
	id, item    int64
	title, sku  string
	base, price money // price moves around base
	grams       int
	available   int64
	changed     time.Time // when available did
	product     *product
}

type customer struct {
	entity
	id          int64
	first, last string
	email       string
	phone       string
	address     *address
	addressID   int64
	created     time.Time
	orders      int64
	spent       money
	lastOrder   int64
	lastName    string
}

// maxCustomers bounds the repeat buyers that a shop remembers: a simulator may run for weeks.
const maxCustomers = 200

// ids hands out numbers that no other run with another seed hands out (within one kind of thing, and as far as a slot of
// ten million per seed reaches), so that two runs into one receiver do not write to each other's orders.
type ids struct {
	slot int64
	next map[idKind]int64
}

type idKind int64

const (
	idOrder idKind = iota + 1
	idLine
	idCustomer
	idProduct
	idVariant
	idItem
	idAddress
	idTransaction
	idFulfillment
	idRefund
	idShipping
	idCheckout
)

const (
	slots    = 1_000_000
	slotSize = 10_000_000
	// firstID puts ids where Shopify's are today.
	firstID = 4_000_000_000_000
	// bigID lifts an id above 2^53, where a JSON number no longer survives a float64.
	bigID = 820_000_000_000_000_000
)

func newIDs(seed uint64) *ids {
	// The multiplier spreads neighbouring seeds (1, 2, 3 …) over the slots.
	return &ids{slot: int64(seed * 0x9e3779b97f4a7c15 % slots), next: map[idKind]int64{}}
}

func (i *ids) take(k idKind, big bool) int64 {
	i.next[k]++
	id := firstID + i.slot*slotSize + i.next[k]
	if big {
		id += bigID
	}
	return id
}

// uuidFrom draws a version 4 UUID from r.
func uuidFrom(r *rand.Rand) string {
	var u uuid.UUID
	for i := range u {
		u[i] = byte(r.Uint32()) //nolint:gosec // the low byte is what is wanted
	}
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}

// token draws 32 hex digits, the shape of cart and checkout tokens.
func token(r *rand.Rand) string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// chance is true in per cent of cases.
func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// shop returns store number n (from 0), built at its first use.
func (g *generator) shop(n int) *shop {
	if s := g.shops[n]; s != nil {
		return s
	}
	own := rand.New(rand.NewPCG(uint64(n), 0x5109)) //nolint:gosec // a shop's traits come from its number
	zones := []int{-8 * 3600, -5 * 3600, 0, 3600, 5*3600 + 1800, 9 * 3600}
	s := g.frame(n)
	s.currency = g.currencies[0]
	s.zone = time.FixedZone("", pick(own, zones))
	s.taxBP = int64(pick(own, []int{0, 600, 825, 1900, 2000}))
	s.compact = chance(own, 25)
	if n%3 != 0 {
		s.currency = pick(own, g.currencies)
	}
	s.included = s.currency.code != "USD" && s.currency.code != "CAD"
	for range 6 + own.IntN(20) {
		s.products = append(s.products, g.newProduct(s, own))
	}
	g.shops[n] = s
	if g.catalogue != nil {
		g.stockShop(s)
	}
	return s
}

// frame is what a shop's number alone makes.
func (g *generator) frame(n int) *shop {
	name := fmt.Sprintf("%s-%d", g.words.shopNames[n%len(g.words.shopNames)], n+1)
	return &shop{id: 60_000_000_000 + int64(n), domain: name + ".myshopify.com", name: name, location: 70_000_000_000 + int64(n)}
}

func (g *generator) newProduct(s *shop, own *rand.Rand) *product {
	base := pick(own, g.words.goods)
	p := &product{id: g.ids.take(idProduct, false), kind: base.kind, vendor: s.name, tag: pick(own, g.words.tags)}
	p.title = pick(own, g.words.adjectives) + " " + base.name
	p.handle = strings.ToLower(strings.NewReplacer(" ", "-", ",", "").Replace(p.title))
	p.entity = entity{shop: s, subject: fmt.Sprintf("product/%d", p.id)}
	p.created = g.now().Add(-time.Duration(own.IntN(300*24)) * time.Hour)
	price := s.currency.fromCents(base.cents * (70 + own.IntN(60)) / 100)
	colour := pick(own, g.words.colours)
	for i := range 1 + own.IntN(4) {
		v := &variant{
			id: g.ids.take(idVariant, false), item: g.ids.take(idItem, chance(own, 10)), product: p,
			title: colour + " / " + g.words.sizes[i], base: price, price: price, grams: base.grams, available: int64(50 + own.IntN(2000)),
		}
		v.sku = fmt.Sprintf("%.3s-%.3s-%s", strings.ToUpper(base.kind), strings.ToUpper(colour), g.words.sizes[i])
		v.entity = entity{shop: s, subject: fmt.Sprintf("inventory_item/%d", v.item)}
		p.variants = append(p.variants, v)
	}
	return p
}

// customer returns a buyer of s and whether it is a new one.
func (g *generator) customer(s *shop) (c *customer, isNew bool) {
	if len(s.customers) > 0 && chance(g.rng, 40) {
		return pick(g.rng, s.customers), false
	}
	r := g.rng
	c = &customer{
		id: g.ids.take(idCustomer, chance(r, 10)), addressID: g.ids.take(idAddress, false),
		first: pick(r, g.words.first), last: pick(r, g.words.last), created: g.now(),
	}
	c.entity = entity{shop: s, subject: fmt.Sprintf("customer/%d", c.id)}
	c.email = fmt.Sprintf("buyer.%d@%s", c.id%slotSize, pick(r, g.words.domains))
	if chance(r, 60) {
		c.phone = fmt.Sprintf("+1555%07d", r.IntN(10_000_000))
	}
	c.address = g.newAddress(c)
	if len(s.customers) < maxCustomers {
		s.customers = append(s.customers, c)
	} else {
		s.customers[r.IntN(maxCustomers)] = c
	}
	return c, true
}

func (g *generator) newAddress(c *customer) *address {
	at := pick(g.rng, g.words.places)
	a := &address{
		FirstName: &c.first, LastName: &c.last, Name: c.first + " " + c.last,
		Address1: fmt.Sprintf("%d %s", 1+g.rng.IntN(400), pick(g.rng, g.words.streets)),
		City:     at.city, Zip: at.zip, Province: text(at.province), ProvinceCode: text(at.provinceCode),
		Country: at.country, CountryCode: at.countryCode, Phone: text(c.phone),
	}
	if chance(g.rng, 20) {
		a.Address2 = text(fmt.Sprintf("Apt %d", 1+g.rng.IntN(60)))
	}
	if chance(g.rng, 15) {
		a.Company = text(c.last + " & Co")
	}
	if chance(g.rng, 50) {
		lat, lon := 45+g.rng.Float64(), -70-g.rng.Float64()
		a.Latitude, a.Longitude = &lat, &lon
	}
	return a
}

// text returns nil, JSON null, for an empty string.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
