package adminapi

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// timeLayout is how the Admin API writes a time.
const timeLayout = "2006-01-02T15:04:05Z"

// Time is t as a field shows it: whole seconds in UTC.
func Time(t time.Time) string { return t.UTC().Format(timeLayout) }

// GID is the global id of a resource.
func GID(kind string, id int64) string {
	return "gid://shopify/" + kind + "/" + strconv.FormatInt(id, 10)
}

// maxOrders is how many orders of one shop are kept: a simulator may run for weeks. The oldest go first, as they do at Shopify,
// where an app sees 60 days.
const maxOrders = 50_000

// Catalogue is what the shops know. It is safe for concurrent use.
type Catalogue struct {
	mu    sync.RWMutex
	shops map[string]*shelf
}

// shelf is one shop's part.
type shelf struct {
	shop     Object
	location Object
	orders   map[int64]*Order
	born     []int64 // ids of the orders, the oldest first
	parts    map[string]int64
	levels   map[int64]*Level
}

// Order is an order as it is now.
type Order struct {
	ID               int64
	Created, Updated time.Time
	Node             Object
	// Fulfillments and Refunds are found by themselves, and are in Node as well.
	Fulfillments, Refunds []Object
}

// Level is the stock of an item at the shop's location.
type Level struct {
	Item             int64
	Created, Updated time.Time
	Node             Object
}

// NewCatalogue returns one without shops.
func NewCatalogue() *Catalogue { return &Catalogue{shops: map[string]*shelf{}} }

// PutShop makes a shop known. Its location gets the inventory levels.
func (c *Catalogue) PutShop(domain string, shop, location Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shops[domain] != nil {
		return
	}
	s := &shelf{shop: shop, location: location, orders: map[int64]*Order{}, parts: map[string]int64{}, levels: map[int64]*Level{}}
	location["inventoryLevels"] = Resolver(func(args map[string]any) (any, error) { return c.listLevels(s, args) })
	c.shops[domain] = s
}

// PutOrder takes the present state of an order of a shop that was put before.
func (c *Catalogue) PutOrder(domain string, o Order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.shops[domain]
	if s.orders[o.ID] == nil {
		s.born = append(s.born, o.ID)
	}
	s.orders[o.ID] = &o
	for _, part := range append(append([]Object(nil), o.Fulfillments...), o.Refunds...) {
		s.parts[fmt.Sprint(part["id"])] = o.ID
	}
	for len(s.born) > maxOrders {
		old := s.orders[s.born[0]]
		for _, part := range append(append([]Object(nil), old.Fulfillments...), old.Refunds...) {
			delete(s.parts, fmt.Sprint(part["id"]))
		}
		delete(s.orders, old.ID)
		s.born = s.born[1:]
	}
}

// PutLevel takes the present stock of an item.
func (c *Catalogue) PutLevel(domain string, l Level) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shops[domain].levels[l.Item] = &l
}

// root returns the fields of QueryRoot for a shop, nil for one that is not known.
func (c *Catalogue) root(domain string) Object {
	c.mu.RLock()
	s := c.shops[domain]
	c.mu.RUnlock()
	if s == nil {
		return nil
	}
	return Object{
		"shop":   s.shop,
		"orders": Resolver(func(args map[string]any) (any, error) { return c.listOrders(s, args) }),
		"order": Resolver(func(args map[string]any) (any, error) {
			c.mu.RLock()
			defer c.mu.RUnlock()
			if o := s.orders[numberOf("Order", args)]; o != nil {
				return o.Node, nil
			}
			return nil, nil
		}),
		"fulfillment": Resolver(func(args map[string]any) (any, error) {
			return c.part(s, args, func(o *Order) []Object { return o.Fulfillments }), nil
		}),
		"refund": Resolver(func(args map[string]any) (any, error) {
			return c.part(s, args, func(o *Order) []Object { return o.Refunds }), nil
		}),
		"locations": Connection{s.location},
		"location": Resolver(func(args map[string]any) (any, error) {
			if id, _ := args["id"].(string); id != "" && id != s.location["id"] {
				return nil, nil
			}
			return s.location, nil
		}),
	}
}

// numberOf is the number in the gid that the argument id holds, 0 where it is another kind's.
func numberOf(kind string, args map[string]any) int64 {
	text, _ := args["id"].(string)
	digits, ok := strings.CutPrefix(text, "gid://shopify/"+kind+"/")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil {
		return 0
	}
	return n
}

// part finds a fulfilment or refund; nil, without a type, where there is none.
func (c *Catalogue) part(s *shelf, args map[string]any, of func(*Order) []Object) any {
	c.mu.RLock()
	defer c.mu.RUnlock()
	id, _ := args["id"].(string)
	o := s.orders[s.parts[id]]
	if o == nil {
		return nil
	}
	for _, part := range of(o) {
		if part["id"] == id {
			whole := make(Object, len(part)+1)
			for k, v := range part {
				whole[k] = v
			}
			whole["order"] = o.Node
			return whole
		}
	}
	return nil
}

func (c *Catalogue) listOrders(s *shelf, args map[string]any) (any, error) {
	text, _ := args["query"].(string)
	f, err := parseFilter(text)
	if err != nil {
		return nil, err
	}
	key, _ := args["sortKey"].(string)
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []entry
	for id, o := range s.orders {
		if f.updated.has(o.Updated.Truncate(time.Second)) && f.created.has(o.Created.Truncate(time.Second)) && (f.id == 0 || f.id == id) {
			e := entry{id: id, node: o.Node}
			switch key {
			case "UPDATED_AT":
				e.key = Time(o.Updated)
			case "CREATED_AT":
				e.key = Time(o.Created)
			}
			found = append(found, e)
		}
	}
	reverse, _ := args["reverse"].(bool)
	return cut(found, reverse, args)
}

func (c *Catalogue) listLevels(s *shelf, args map[string]any) (any, error) {
	text, _ := args["query"].(string)
	f, err := parseFilter(text)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []entry
	for id, l := range s.levels {
		if f.updated.has(l.Updated.Truncate(time.Second)) && f.created.has(l.Created.Truncate(time.Second)) && (f.id == 0 || f.id == id) {
			found = append(found, entry{id: id, node: l.Node})
		}
	}
	return cut(found, false, args)
}
