package story

import (
	"fmt"
	"time"

	"github.com/shopspring/decimal"
)

// shop is one store.
type shop struct {
	domain    string
	currency  string
	decimals  int32
	zone      *time.Location
	products  []*product
	customers []*customer
	locations []int64
	sold      int // orders so far
}

type product struct {
	id       int64
	title    string
	created  time.Time
	updated  time.Time
	status   string
	variants []*variant
}

type variant struct {
	id, item  int64
	sku       string
	price     int64 // in the smallest unit
	available []int64
}

type customer struct {
	id      int64
	email   string
	created time.Time
	updated time.Time
	orders  int64
	spent   int64
	state   string
}

// text writes an amount as Shopify does.
func (s *shop) text(units int64) string {
	return decimal.New(units, -s.decimals).StringFixed(s.decimals)
}

// stamp writes a time as Shopify does: seconds, in the shop's zone.
func (s *shop) stamp(t time.Time) string { return t.In(s.zone).Format("2006-01-02T15:04:05-07:00") }

func (s *shop) stampOrNil(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := s.stamp(t)
	return &text
}

func (s *Story) newShop(n int) *shop {
	currencies := []struct {
		code     string
		decimals int32
	}{{"USD", 2}, {"EUR", 2}, {"GBP", 2}, {"JPY", 0}, {"KWD", 3}}
	c := currencies[n%len(currencies)]
	shop := &shop{
		domain: fmt.Sprintf("chaos-%03d.myshopify.com", n), currency: c.code, decimals: c.decimals,
		zone: time.FixedZone("", (s.dice.IntN(27)-12)*1800*2),
	}
	for range 1 + s.dice.IntN(3) {
		shop.locations = append(shop.locations, s.id())
	}
	for range 4 + s.dice.IntN(8) {
		s.addProduct(shop)
	}
	return shop
}

func (s *Story) addProduct(shop *shop) *product {
	at := s.past()
	p := &product{id: s.id(), title: fmt.Sprintf("Thing %d", len(shop.products)), created: at, updated: at, status: "active"}
	for i := range 1 + s.dice.IntN(3) {
		v := &variant{id: s.id(), item: s.id(), sku: fmt.Sprintf("SKU-%d-%d", len(shop.products), i), price: 1 + s.dice.Int64N(99_999), available: make([]int64, len(shop.locations))}
		p.variants = append(p.variants, v)
	}
	shop.products = append(shop.products, p)
	return p
}

// past is a time on the story's own clock.
func (s *Story) past() time.Time {
	return s.begin.Add(time.Duration(s.dice.Int64N(int64(20 * 24 * time.Hour)))).Truncate(time.Second)
}

// later is some time after t, often none at all: versions that tie are the hard ones. It ends some hours before the story began to
// be told, so that what depends on the time of a look, as whether a checkout is abandoned, does not change during a run.
func (s *Story) later(t time.Time) time.Time {
	next := t
	switch n := s.dice.IntN(10); {
	case n < 2:
	case n < 8:
		next = t.Add(time.Duration(1+s.dice.IntN(600)) * time.Second)
	default:
		next = t.Add(time.Duration(1+s.dice.IntN(30)) * time.Hour)
	}
	if next.After(s.begin.Add(21*24*time.Hour - 3*time.Hour)) {
		return t
	}
	return next
}

type inventoryBody struct {
	InventoryItemID int64  `json:"inventory_item_id"`
	LocationID      int64  `json:"location_id"`
	Available       *int64 `json:"available"`
	UpdatedAt       string `json:"updated_at"`
}

// stock tells a new level of one item at one place.
func (s *Story) stock(shop *shop) {
	p := shop.products[s.dice.IntN(len(shop.products))]
	v := p.variants[s.dice.IntN(len(p.variants))]
	at := s.dice.IntN(len(shop.locations))
	v.available[at] += s.dice.Int64N(41) - 18
	p.updated = s.later(p.updated)
	level := v.available[at]
	b := inventoryBody{InventoryItemID: v.item, LocationID: shop.locations[at], Available: &level, UpdatedAt: shop.stamp(p.updated)}
	s.tell(shop, "inventory_levels/update", b)
}

type variantBody struct {
	ID              int64  `json:"id"`
	ProductID       int64  `json:"product_id"`
	Title           string `json:"title"`
	SKU             string `json:"sku"`
	Price           string `json:"price"`
	InventoryItemID int64  `json:"inventory_item_id"`
	Quantity        int64  `json:"inventory_quantity"`
	CreatedAt       string `json:"created_at"`
	UpdatedAt       string `json:"updated_at"`
}

type productBody struct {
	ID          int64         `json:"id"`
	Title       string        `json:"title"`
	Vendor      string        `json:"vendor"`
	ProductType string        `json:"product_type"`
	Handle      string        `json:"handle"`
	Status      string        `json:"status"`
	Tags        string        `json:"tags"`
	CreatedAt   string        `json:"created_at"`
	UpdatedAt   string        `json:"updated_at"`
	PublishedAt *string       `json:"published_at"`
	Variants    []variantBody `json:"variants"`
}

type deletedBody struct {
	ID int64 `json:"id"`
}

func (p *product) body(s *shop) productBody {
	published := s.stamp(p.created)
	b := productBody{
		ID: p.id, Title: p.title, Vendor: "Acme", ProductType: "thing", Handle: fmt.Sprintf("thing-%d", p.id), Status: p.status, Tags: "a, b",
		CreatedAt: s.stamp(p.created), UpdatedAt: s.stamp(p.updated), PublishedAt: &published, Variants: []variantBody{},
	}
	for i, v := range p.variants {
		b.Variants = append(b.Variants, variantBody{
			ID: v.id, ProductID: p.id, Title: fmt.Sprintf("Size %d", i), SKU: v.sku, Price: s.text(v.price), InventoryItemID: v.item, Quantity: v.available[0],
			CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt,
		})
	}
	return b
}

func (s *Story) changeProduct(shop *shop) {
	n := s.dice.IntN(len(shop.products))
	p := shop.products[n]
	switch k := s.dice.IntN(20); {
	case k < 3 && len(shop.products) < 40:
		p = s.addProduct(shop)
		s.tell(shop, "products/create", p.body(shop))
	case k == 3 && len(shop.products) > 4:
		shop.products = append(shop.products[:n], shop.products[n+1:]...)
		s.tell(shop, "products/delete", deletedBody{p.id})
	default:
		p.updated = s.later(p.updated)
		p.variants[s.dice.IntN(len(p.variants))].price = 1 + s.dice.Int64N(99_999)
		p.title = fmt.Sprintf("Thing v%d", s.action)
		if s.chance(0.1) {
			p.status = []string{"active", "draft", "archived"}[s.dice.IntN(3)]
		}
		s.tell(shop, "products/update", p.body(shop))
	}
}

type customerBody struct {
	ID          int64   `json:"id"`
	Email       string  `json:"email"`
	FirstName   string  `json:"first_name"`
	LastName    string  `json:"last_name"`
	OrdersCount *int64  `json:"orders_count,omitempty"` // not in the customer of an order
	TotalSpent  *string `json:"total_spent,omitempty"`
	State       string  `json:"state"`
	Currency    string  `json:"currency"`
	Tags        string  `json:"tags"`
	CreatedAt   string  `json:"created_at"`
	UpdatedAt   string  `json:"updated_at"`
}

func (c *customer) body(s *shop, full bool) *customerBody {
	b := &customerBody{
		ID: c.id, Email: c.email, FirstName: "Ada", LastName: fmt.Sprintf("No %d", c.id%97), State: c.state, Currency: s.currency,
		CreatedAt: s.stamp(c.created), UpdatedAt: s.stamp(c.updated),
	}
	if full {
		spent, orders := s.text(c.spent), c.orders
		b.TotalSpent, b.OrdersCount = &spent, &orders
	}
	return b
}

func (s *Story) newCustomer(shop *shop, at time.Time) *customer {
	c := &customer{id: s.id(), created: at, updated: at, state: "disabled"}
	c.email = fmt.Sprintf("c%d@example.com", c.id)
	shop.customers = append(shop.customers, c)
	s.tell(shop, "customers/create", c.body(shop, true))
	return c
}

func (s *Story) changeCustomer(shop *shop) {
	if len(shop.customers) == 0 {
		s.newCustomer(shop, s.past())
		return
	}
	n := s.dice.IntN(len(shop.customers))
	c := shop.customers[n]
	if s.chance(0.04) {
		shop.customers = append(shop.customers[:n], shop.customers[n+1:]...)
		s.tell(shop, "customers/delete", deletedBody{c.id})
		return
	}
	c.updated = s.later(c.updated)
	if s.chance(0.3) {
		c.state = []string{"disabled", "invited", "enabled"}[s.dice.IntN(3)]
	}
	s.tell(shop, "customers/update", c.body(shop, true))
}
