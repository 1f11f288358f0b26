package console_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/console"
	"millrace/consumers/analytics/reports"
)

// fake answers every question with what was asked, or with err.
type fake struct {
	err  error
	hang bool // until the asker's time is over

	asked []any
}

func (f *fake) answer(ctx context.Context, asked ...any) error {
	f.asked = asked
	if f.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return f.err
}

func (f *fake) Ping(ctx context.Context) error { return f.answer(ctx) }

func (f *fake) Throughput(ctx context.Context, r reports.Range, shop string, limit int) (reports.Throughput, error) {
	return reports.Throughput{}, f.answer(ctx, r, shop, limit)
}

func (f *fake) Totals(ctx context.Context, r reports.Range, shop string) (reports.Totals, error) {
	return reports.Totals{Orders: 12}, f.answer(ctx, r, shop)
}

func (f *fake) Sales(ctx context.Context, r reports.Range, shop string) (reports.Sales, error) {
	return reports.Sales{}, f.answer(ctx, r, shop)
}

func (f *fake) SalesByShop(ctx context.Context, r reports.Range, limit int) (reports.Sales, error) {
	return reports.Sales{}, f.answer(ctx, r, limit)
}

func (f *fake) TopProducts(ctx context.Context, r reports.Range, shop string, limit int) ([]reports.Product, *time.Time, error) {
	return []reports.Product{}, nil, f.answer(ctx, r, shop, limit)
}

func (f *fake) Delays(ctx context.Context, r reports.Range, shop string) (reports.Delays, error) {
	return reports.Delays{}, f.answer(ctx, r, shop)
}

func (f *fake) Shops(ctx context.Context, prefix string, limit int) ([]reports.Shop, error) {
	return []reports.Shop{}, f.answer(ctx, prefix, limit)
}

func (f *fake) Events(ctx context.Context, q reports.EventQuery) (reports.EventPage, error) {
	return reports.EventPage{}, f.answer(ctx, q)
}

func (f *fake) Event(ctx context.Context, p reports.Place, near reports.Entity) (reports.EventDetail, error) {
	return reports.EventDetail{}, f.answer(ctx, p, near)
}

func (f *fake) Story(ctx context.Context, e reports.Entity, limit int) (reports.Story, error) {
	return reports.Story{}, f.answer(ctx, e, limit)
}

// newServer builds a console over f; change may alter its configuration and what it is given.
func newServer(t *testing.T, f *fake, change func(*console.Config, *console.Deps)) (*console.Server, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	cfg := console.DefaultConfig()
	d := console.Deps{Reports: f, Logger: slog.New(slog.DiscardHandler), Registerer: reg, Version: "1.2.3"}
	if change != nil {
		change(&cfg, &d)
	}
	s, err := console.New(cfg, d)
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	return s, reg
}

// get asks s as a browser on this machine does.
func get(t *testing.T, s *console.Server, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	req.Host = "127.0.0.1:8088"
	for _, f := range change {
		f(req)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req)
	return w
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
