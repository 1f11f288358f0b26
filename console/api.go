package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"millrace/consumers/analytics/reports"
	"millrace/consumers/orderstate"
)

// Limits of lists where the request gives none.
const (
	fewTopics   = 6
	fewShops    = 8
	fewProducts = 10
	fewEvents   = 50
	fewMatches  = 20
	mostOfStory = 200
)

// question is one path of the API below /api/v1/: it reads its parameters and gives what is written as JSON.
type question func(ctx context.Context, p *parameters) (any, error)

// questions are all there are.
func (s *Server) questions() map[string]question {
	return map[string]question{
		"status":      s.status,
		"services":    s.services,
		"throughput":  s.throughput,
		"totals":      s.totals,
		"sales":       s.sales,
		"sales/shops": s.salesByShop,
		"products":    s.products,
		"delays":      s.delays,
		"shops":       s.shops,
		"events":      s.events,
		"event":       s.event,
		"story":       s.story,
		"order":       s.orderOfStory,
	}
}

// Status is what the page's header shows.
type Status struct {
	Version    string    `json:"version"`
	Time       time.Time `json:"time"`
	ClickHouse bool      `json:"clickhouse"` // whether it answers
	Simulated  float64   `json:"simulated"`  // webhooks per second of the simulated store in this process
}

func (s *Server) status(ctx context.Context, _ *parameters) (any, error) {
	return Status{Version: s.deps.Version, Time: time.Now().UTC(), ClickHouse: s.deps.Reports.Ping(ctx) == nil, Simulated: s.deps.Simulated}, nil
}

func (s *Server) services(ctx context.Context, _ *parameters) (any, error) {
	if s.deps.Services == nil {
		return gin.H{"services": []Service{}}, nil
	}
	all, err := s.deps.Services(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errKafka, err)
	}
	if all == nil {
		all = []Service{}
	}
	return gin.H{"services": all}, nil
}

func (s *Server) throughput(ctx context.Context, p *parameters) (any, error) {
	r, shop, limit := p.span(), p.text("shop"), p.limit(fewTopics)
	if p.err != nil {
		return nil, p.err
	}
	return s.deps.Reports.Throughput(ctx, r, shop, limit)
}

func (s *Server) totals(ctx context.Context, p *parameters) (any, error) {
	r, shop := p.span(), p.text("shop")
	if p.err != nil {
		return nil, p.err
	}
	return s.deps.Reports.Totals(ctx, r, shop)
}

func (s *Server) sales(ctx context.Context, p *parameters) (any, error) {
	r, shop := p.span(), p.text("shop")
	if p.err != nil {
		return nil, p.err
	}
	return s.deps.Reports.Sales(ctx, r, shop)
}

func (s *Server) salesByShop(ctx context.Context, p *parameters) (any, error) {
	r, limit := p.span(), p.limit(fewShops)
	if p.err != nil {
		return nil, p.err
	}
	return s.deps.Reports.SalesByShop(ctx, r, limit)
}

func (s *Server) products(ctx context.Context, p *parameters) (any, error) {
	r, shop, limit := p.span(), p.text("shop"), p.limit(fewProducts)
	if p.err != nil {
		return nil, p.err
	}
	products, asOf, err := s.deps.Reports.TopProducts(ctx, r, shop, limit)
	return gin.H{"products": products, "as_of": asOf}, err
}

func (s *Server) delays(ctx context.Context, p *parameters) (any, error) {
	r, shop := p.span(), p.text("shop")
	if p.err != nil {
		return nil, p.err
	}
	return s.deps.Reports.Delays(ctx, r, shop)
}

func (s *Server) shops(ctx context.Context, p *parameters) (any, error) {
	prefix, limit := p.text("prefix"), p.limit(fewMatches)
	if p.err != nil {
		return nil, p.err
	}
	shops, err := s.deps.Reports.Shops(ctx, prefix, limit)
	return gin.H{"shops": shops}, err
}

func (s *Server) events(ctx context.Context, p *parameters) (any, error) {
	q := reports.EventQuery{
		Range: p.optionalSpan(), Shop: p.text("shop"), Topic: p.text("topic"), Search: p.text("q"), Before: p.text("before"), Limit: p.limit(fewEvents),
	}
	if p.err != nil {
		return nil, p.err
	}
	return s.deps.Reports.Events(ctx, q)
}

func (s *Server) event(ctx context.Context, p *parameters) (any, error) {
	place := reports.Place{Topic: p.required("topic"), Partition: uint32(p.number("partition", 32)), Offset: p.number("offset", 64)} //nolint:gosec // read with 32 bits
	near := reports.Entity{Shop: p.text("shop"), Kind: p.text("kind"), ID: p.text("id")}
	if p.err != nil {
		return nil, p.err
	}
	return s.deps.Reports.Event(ctx, place, near)
}

func (s *Server) story(ctx context.Context, p *parameters) (any, error) {
	e := reports.Entity{Shop: p.required("shop"), Kind: p.required("kind"), ID: p.required("id")}
	limit := p.limit(mostOfStory)
	if p.err != nil {
		return nil, p.err
	}
	return s.deps.Reports.Story(ctx, e, limit)
}

func (s *Server) order(ctx context.Context, p *parameters) (any, error) {
	shop, id, at := p.shop("shop"), p.id("id"), p.time("at")
	if p.err != nil {
		return nil, p.err
	}
	if s.deps.Orders == nil {
		return nil, orderstate.ErrUnknownOrder
	}
	return s.deps.Orders(ctx, shop, id, at)
}

// orderOfStory is for the page, which shows it beside a story: that nothing is known of an order is no failure there.
func (s *Server) orderOfStory(ctx context.Context, p *parameters) (any, error) {
	v, err := s.order(ctx, p)
	if errors.Is(err, orderstate.ErrUnknownOrder) {
		return gin.H{"order": nil}, nil
	}
	return gin.H{"order": v}, err
}

// serve turns a question into a handler: it bounds, counts, logs and writes.
func (s *Server) serve(name string, ask question) gin.HandlerFunc {
	return func(c *gin.Context) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(c.Request.Context(), s.cfg.Query.Timeout+requestGrace)
		defer cancel()
		values := c.Request.URL.Query()
		for _, part := range c.Params {
			values.Set(part.Key, part.Value)
		}
		answer, err := ask(ctx, &parameters{values: values, now: began})
		outcome := "ok"
		switch {
		case err == nil:
			c.JSON(http.StatusOK, answer)
		case errors.Is(c.Request.Context().Err(), context.Canceled):
			outcome = outcomeGone // nobody is there to read an answer
		default:
			var status int
			var message string
			status, outcome, message = classify(err)
			if status >= http.StatusInternalServerError {
				s.failed(c.Request.Context(), name, outcome, err)
			}
			if status == http.StatusServiceUnavailable {
				c.Header("Retry-After", "2")
			}
			c.JSON(status, newProblem(outcome, message))
		}
		s.metrics.answered(name, outcome, time.Since(began))
	}
}

// failed logs an answer that is not the asker's fault, a few a second at most: an open page asks all the time.
func (s *Server) failed(ctx context.Context, name, code string, err error) {
	if s.logged.Allow() {
		s.log.WarnContext(ctx, "question not answered", "question", name, "code", code, "err", err)
	}
}
