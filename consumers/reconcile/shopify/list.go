package shopify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"millrace/schemas"
)

// Summary is an order as a listing shows it: enough to tell whether it is known as it is.
type Summary struct {
	ID                schemas.ID
	Created, Updated  time.Time
	Cancelled         time.Time // zero: it is not
	FinancialStatus   string    // as a webhook has them
	FulfillmentStatus string
	Fulfillments      []Part
	Refunds           []Part
}

// Part is a fulfilment or a refund of an order.
type Part struct {
	ID      schemas.ID
	Created time.Time
	Updated time.Time // of a refund: Created
}

// Level is the stock of an item at a location.
type Level struct {
	Item, Location schemas.ID
	Available      *int64 // nil where the store does not say
	Updated        time.Time
}

type pageInfo struct {
	HasNextPage bool   `json:"hasNextPage"`
	EndCursor   string `json:"endCursor"`
}

type connection[T any] struct {
	Nodes    []T      `json:"nodes"`
	PageInfo pageInfo `json:"pageInfo"`
}

type partNode struct {
	ID        schemas.ID `json:"id"`
	CreatedAt time.Time  `json:"createdAt"`
	UpdatedAt time.Time  `json:"updatedAt"`
}

func (n partNode) part() Part {
	p := Part{ID: n.ID, Created: n.CreatedAt, Updated: n.UpdatedAt}
	if p.Updated.IsZero() {
		p.Updated = p.Created
	}
	return p
}

type summaryNode struct {
	ID                schemas.ID   `json:"id"`
	CreatedAt         time.Time    `json:"createdAt"`
	UpdatedAt         time.Time    `json:"updatedAt"`
	CancelledAt       schemas.Time `json:"cancelledAt"`
	FinancialStatus   string       `json:"displayFinancialStatus"`
	FulfillmentStatus string       `json:"displayFulfillmentStatus"`
	Fulfillments      []partNode   `json:"fulfillments"`
	Refunds           []partNode   `json:"refunds"`
}

// maxListed is where a listing is begun anew, short of the 25 000 objects that Shopify pages.
const maxListed = 20_000

// errDense is returned when more changed within a second than can be listed.
var errDense = errors.New("more changed within one second than the store can list")

// span is the filter of what changed from one instant up to, but without, another.
func span(from, to time.Time) string {
	const layout = "2006-01-02T15:04:05Z"
	return fmt.Sprintf("updated_at:>='%s' AND updated_at:<'%s'", from.UTC().Format(layout), to.UTC().Format(layout))
}

// Orders yields the pages of all orders that changed last from from up to, but without, to, both whole seconds, in the order of
// change. An order that changes meanwhile may come twice, or leave the span. After an error it ends.
func (s *Store) Orders(ctx context.Context, from, to time.Time) iter.Seq2[[]Summary, error] {
	return func(yield func([]Summary, error) bool) {
		var edge []schemas.ID // those of the last second, which the listing that is begun anew shows again
		for {
			last, listed := from, 0
			for nodes, err := range pages[summaryNode](ctx, s, "orders", queryOrders, map[string]any{"filter": span(from, to)}, ordersOf) {
				if err != nil {
					yield(nil, err)
					return
				}
				fresh, err := s.summaries(ctx, nodes, edge)
				if err != nil || (len(fresh) > 0 && !yield(fresh, nil)) {
					if err != nil {
						yield(nil, err)
					}
					return
				}
				listed += len(nodes)
				last = nodes[len(nodes)-1].UpdatedAt
				edge = edgeOf(edge, nodes, last)
				if listed >= maxListed {
					break
				}
			}
			if listed < maxListed {
				return
			}
			if !last.After(from) {
				yield(nil, errDense)
				return
			}
			from = last
		}
	}
}

// edgeOf are the ids of the orders that changed in the second of last.
func edgeOf(edge []schemas.ID, nodes []summaryNode, last time.Time) []schemas.ID {
	if !nodes[0].UpdatedAt.Equal(last) {
		edge = nil
	}
	for i := range nodes {
		if nodes[i].UpdatedAt.Equal(last) {
			edge = append(edge, nodes[i].ID)
		}
	}
	return edge
}

type ordersData struct {
	Orders connection[summaryNode] `json:"orders"`
}

func ordersOf(d *ordersData) *connection[summaryNode] { return &d.Orders }

// pages yields the pages of a connection that are not empty. of finds it in the answer; nil is none.
func pages[N, D any](ctx context.Context, s *Store, name, query string, vars map[string]any, of func(*D) *connection[N]) iter.Seq2[[]N, error] {
	return func(yield func([]N, error) bool) {
		for {
			var d D
			if err := s.ask(ctx, name, query, vars, &d); err != nil {
				yield(nil, err)
				return
			}
			c := of(&d)
			if c == nil {
				return
			}
			if len(c.Nodes) > 0 && !yield(c.Nodes, nil) {
				return
			}
			if !c.PageInfo.HasNextPage {
				return
			}
			vars["after"] = c.PageInfo.EndCursor
		}
	}
}

func (s *Store) summaries(ctx context.Context, nodes []summaryNode, known []schemas.ID) ([]Summary, error) {
	out := make([]Summary, 0, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		if slices.Contains(known, n.ID) {
			continue
		}
		if len(n.Fulfillments) == summaryParts || len(n.Refunds) == summaryParts {
			if err := s.parts(ctx, n); err != nil {
				return nil, err
			}
		}
		sum := Summary{
			ID: n.ID, Created: n.CreatedAt, Updated: n.UpdatedAt, Cancelled: n.CancelledAt.Time,
			FinancialStatus: financial(n.FinancialStatus), FulfillmentStatus: delivery(n.FulfillmentStatus),
		}
		for _, f := range n.Fulfillments {
			sum.Fulfillments = append(sum.Fulfillments, f.part())
		}
		for _, r := range n.Refunds {
			sum.Refunds = append(sum.Refunds, r.part())
		}
		out = append(out, sum)
	}
	return out, nil
}

// parts fills in the fulfilments and refunds of an order that has more than a listing shows.
func (s *Store) parts(ctx context.Context, n *summaryNode) error {
	var d struct {
		Order *struct {
			Fulfillments []partNode `json:"fulfillments"`
			Refunds      []partNode `json:"refunds"`
		} `json:"order"`
	}
	if err := s.ask(ctx, "parts of an order", queryParts, map[string]any{"id": gid("Order", n.ID)}, &d); err != nil {
		return err
	}
	if d.Order != nil {
		n.Fulfillments, n.Refunds = d.Order.Fulfillments, d.Order.Refunds
	}
	return nil
}

func gid(kind string, id schemas.ID) string {
	return "gid://shopify/" + kind + "/" + strconv.FormatInt(int64(id), 10)
}

type levelNode struct {
	UpdatedAt time.Time `json:"updatedAt"`
	IsActive  *bool     `json:"isActive"`
	Item      struct {
		ID schemas.ID `json:"id"`
	} `json:"item"`
	Location struct {
		ID schemas.ID `json:"id"`
	} `json:"location"`
	Quantities []struct {
		Name     string `json:"name"`
		Quantity int64  `json:"quantity"`
	} `json:"quantities"`
}

func (n *levelNode) level() Level {
	l := Level{Item: n.Item.ID, Location: n.Location.ID, Updated: n.UpdatedAt}
	for _, q := range n.Quantities {
		if q.Name == "available" {
			l.Available = &q.Quantity
		}
	}
	return l
}

// Locations returns the store's locations, those that are closed as well.
func (s *Store) Locations(ctx context.Context) (ids []schemas.ID, err error) {
	type data struct {
		Locations connection[reference] `json:"locations"`
	}
	of := func(d *data) *connection[reference] { return &d.Locations }
	for nodes, err := range pages(ctx, s, "locations", queryLocations, map[string]any{}, of) {
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			ids = append(ids, n.ID)
		}
	}
	return ids, nil
}

// Levels yields the active levels of a location that changed last from from up to, but without, to, both whole seconds. The store does
// not sort them, so a span with too many is divided before any of it is yielded. After an error it ends.
func (s *Store) Levels(ctx context.Context, location schemas.ID, from, to time.Time) iter.Seq2[[]Level, error] {
	return func(yield func([]Level, error) bool) { s.levels(ctx, location, from, to, yield) }
}

func (s *Store) levels(ctx context.Context, location schemas.ID, from, to time.Time, yield func([]Level, error) bool) bool {
	type data struct {
		Location *struct {
			Levels connection[levelNode] `json:"inventoryLevels"`
		} `json:"location"`
	}
	of := func(d *data) *connection[levelNode] {
		if d.Location == nil {
			return nil
		}
		return &d.Location.Levels
	}
	var all []Level
	for nodes, err := range pages(ctx, s, "inventory levels", queryLevels, map[string]any{"id": gid("Location", location), "filter": span(from, to)}, of) {
		if err != nil {
			yield(nil, err)
			return false
		}
		for i := range nodes {
			if active := nodes[i].IsActive; active == nil || *active {
				all = append(all, nodes[i].level())
			}
		}
		if len(all) < maxListed {
			continue
		}
		middle := from.Add(to.Sub(from) / 2).Truncate(time.Second)
		if !middle.After(from) {
			yield(nil, errDense)
			return false
		}
		return s.levels(ctx, location, from, middle, yield) && s.levels(ctx, location, middle, to, yield)
	}
	return len(all) == 0 || yield(all, nil)
}
