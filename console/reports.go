package console

import (
	"context"
	"time"

	"millrace/consumers/analytics/reports"
	"millrace/consumers/orderstate"
)

// Orders returns what the event store says of an order: all of it, or what was known at a time that is not zero. Its errors are those of
// package reports, and orderstate.ErrUnknownOrder. It is called from many goroutines.
type Orders func(ctx context.Context, shop, orderID string, at time.Time) (orderstate.View, error)

// Reports are the questions that the page asks; *reports.Reports answers them. Every method honours its context and is called
// from many goroutines. A shop is exact, and empty for all shops. Errors are those of package reports.
type Reports interface {
	Ping(ctx context.Context) error
	// Throughput returns events per point and Shopify topic, at most limit topics and the rest in one.
	Throughput(ctx context.Context, r reports.Range, shop string, limit int) (reports.Throughput, error)
	// Totals returns the figures of the range.
	Totals(ctx context.Context, r reports.Range, shop string) (reports.Totals, error)
	// Sales returns orders and revenue per point and currency.
	Sales(ctx context.Context, r reports.Range, shop string) (reports.Sales, error)
	// SalesByShop returns the same per shop and currency, of the limit shops with the most orders.
	SalesByShop(ctx context.Context, r reports.Range, limit int) (reports.Sales, error)
	// TopProducts returns the products with the most units, the most first, and as of when; nil for now.
	TopProducts(ctx context.Context, r reports.Range, shop string, limit int) ([]reports.Product, *time.Time, error)
	// Delays returns the quantiles of both delays per point.
	Delays(ctx context.Context, r reports.Range, shop string) (reports.Delays, error)
	// Shops returns shops whose domain begins with prefix, the ones with the most events first.
	Shops(ctx context.Context, prefix string, limit int) ([]reports.Shop, error)
	// Events returns the newest events that match.
	Events(ctx context.Context, q reports.EventQuery) (reports.EventPage, error)
	// Event returns one event whole; ErrNotFound where it is not stored. near is what it is about, where that is known.
	Event(ctx context.Context, p reports.Place, near reports.Entity) (reports.EventDetail, error)
	// Story returns the oldest limit events of one entity and what was done with them; ErrNotFound where there are none.
	Story(ctx context.Context, e reports.Entity, limit int) (reports.Story, error)
}
