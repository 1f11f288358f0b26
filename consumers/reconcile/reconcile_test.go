package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/reconcile/shopify"
	"millrace/partitioning"
	"millrace/schemas"
)

// nothing knows nothing.
type nothing struct{}

func (nothing) Orders(context.Context, string, []schemas.ID) (map[schemas.ID]Known, error) {
	return nil, nil
}

func (nothing) Levels(context.Context, string, []schemas.ID) (map[LevelKey]KnownLevel, error) {
	return nil, nil
}

// stores answers in the place of all shops: no orders, one location without levels.
type stores struct {
	mu      sync.Mutex
	filters map[string][]string // of the listings of orders, by shop
	refuse  string              // the shop that refuses
}

func (s *stores) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	shop := r.URL.Host
	answer, code := `{"data":{"locations":{"nodes":[],"pageInfo":{"hasNextPage":false}}}}`, http.StatusOK
	if strings.Contains(string(text), "query Orders") {
		answer = `{"data":{"orders":{"nodes":[],"pageInfo":{"hasNextPage":false}}}}`
		_, filter, _ := strings.Cut(string(text), `"filter":"`)
		filter, _, _ = strings.Cut(filter, `"`)
		s.filters[shop] = append(s.filters[shop], filter)
	}
	if shop == s.refuse || r.Header.Get("X-Shopify-Access-Token") != "token of "+shop {
		code = http.StatusUnauthorized
	}
	return &http.Response{StatusCode: code, Status: fmt.Sprint(code), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

const acme, other = "acme.myshopify.com", "other.myshopify.com"

func setup(t *testing.T, s *stores, change func(*Config)) *Reconciler {
	t.Helper()
	cfg := DefaultConfig()
	cfg.TokensFile = filepath.Join(t.TempDir(), "tokens.yaml")
	text := fmt.Sprintf("shops:\n  %s: token of %s\n  %s: token of %s\n", acme, acme, other, other)
	if err := os.WriteFile(cfg.TokensFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	r, err := New(cfg, Deps{
		Kafka: []kgo.Opt{kgo.SeedBrokers("127.0.0.1:1")}, State: nothing{}, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), Transport: s,
	})
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestASpanIsLookedAtWindowByWindowAndLeavesOutWhatIsYoung(t *testing.T) {
	s := &stores{filters: map[string][]string{}}
	r := setup(t, s, func(c *Config) { c.Window, c.Grace = time.Hour, 10*time.Minute })
	span := r.Span(noon, time.Time{}, noon.Add(2*time.Hour+30*time.Minute))
	var last, total time.Duration
	all, err := r.Run(t.Context(), []string{acme}, func(string) Span { return span }, Options{Progress: func(done, of time.Duration) { last, total = done, of }})
	if err != nil {
		t.Fatalf("Run() error: %v", err)
	}
	want := []string{
		"updated_at:\\u003e='2026-11-26T12:00:00Z' AND updated_at:\\u003c'2026-11-26T13:00:00Z'",
		"updated_at:\\u003e='2026-11-26T13:00:00Z' AND updated_at:\\u003c'2026-11-26T14:00:00Z'",
		"updated_at:\\u003e='2026-11-26T14:00:00Z' AND updated_at:\\u003c'2026-11-26T14:20:00Z'",
	}
	if got := s.filters[acme]; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked for\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !all[0].Through.Equal(span.Until) || last != total || total != 140*time.Minute {
		t.Errorf("through %s, progress %s of %s", all[0].Through, last, total)
	}
}

func TestAStoreThatRefusesStopsNoOther(t *testing.T) {
	s := &stores{filters: map[string][]string{}, refuse: acme}
	r := setup(t, s, nil)
	span := Span{noon, noon.Add(time.Hour)}
	all, err := r.Run(t.Context(), []string{acme, other, "third.myshopify.com"}, func(string) Span { return span }, Options{})
	if !errors.Is(err, shopify.ErrDenied) || !errors.Is(err, ErrNoToken) || strings.Contains(err.Error(), "token of") {
		t.Errorf("Run() error: %v", err)
	}
	if !all[0].Through.Equal(span.Since) || all[0].Error == "" || !all[1].Through.Equal(span.Until) || all[1].Error != "" {
		t.Errorf("summaries %+v, %+v", all[0], all[1])
	}
}

func TestARoundGoesBackToWhereTheStoresLastOneCame(t *testing.T) {
	s := &stores{filters: map[string][]string{}, refuse: acme}
	r := setup(t, s, func(c *Config) { c.Lookback, c.Every, c.Window = 2*time.Hour, time.Minute, 240*time.Hour })
	through := map[string]time.Time{}
	first := func(shop string) string {
		at := s.filters[shop][len(s.filters[shop])-1]
		return at[len("updated_at:\\u003e='"):len("updated_at:\\u003e='2026-11-26T12:00:00Z")]
	}
	r.round(t.Context(), through, noon.Add(-24*time.Hour), noon, Options{})
	if got := first(other); got != "2026-11-25T12:00:00Z" {
		t.Errorf("the first round goes back to %s", got)
	}
	s.refuse = ""
	r.round(t.Context(), through, noon.Add(-24*time.Hour), noon.Add(5*time.Hour), Options{})
	if got := first(other); got != "2026-11-26T11:50:00Z" { // grace before noon, since two hours back would leave a gap
		t.Errorf("a late round goes back to %s", got)
	}
	if got := first(acme); got != "2026-11-25T12:00:00Z" {
		t.Errorf("a store that refused is looked at from %s", got)
	}
	r.round(t.Context(), through, time.Time{}, noon.Add(5*time.Hour+time.Minute), Options{})
	if got := first(other); got != "2026-11-26T15:01:00Z" {
		t.Errorf("a round in time goes back to %s", got)
	}
}

func TestAnEventIsWrittenWhereAWebhookWouldBe(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(6, "shopify.orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p, err := newProducer([]kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	f := Finding{ID: "reconcile:refunds/create:gid://shopify/Refund/9:2026-11-26T12:00:00Z", Shop: acme, Topic: "refunds/create", Kind: KindRefund, Order: 1}
	body := []byte(`{"id":9,"order_id":1}`)
	if err := p.send(t.Context(), []made{{finding: f, read: noon, version: "2026-10", body: body}}); err != nil {
		t.Fatalf("send() error: %v", err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("shopify.orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	rec := cl.PollFetches(t.Context()).Records()[0]
	e, err := schemas.ParseHeaders(rec.Headers)
	if err != nil {
		t.Fatal(err)
	}
	key := acme + "|order/1"
	if e.ID != f.ID || e.Origin != schemas.OriginReconcile || e.Topic != f.Topic || e.Subject != "order/1" || e.PartitionKey != key || !e.Time.Equal(noon) || e.ShopifyAPIVersion != "2026-10" {
		t.Errorf("event %+v", e)
	}
	if string(rec.Key) != key || rec.Partition != partitioning.Partition([]byte(key), 6) || string(rec.Value) != string(body) {
		t.Errorf("record %s in partition %d: %s", rec.Key, rec.Partition, rec.Value)
	}
	f.Order = 2
	if err := p.send(t.Context(), []made{{finding: f, read: noon, body: body}}); !errors.Is(err, errKey) {
		t.Errorf("a body of another order: %v", err)
	}
}

func TestATokensFileIsReadWithoutShowingTokens(t *testing.T) {
	for text, want := range map[string]string{
		"shops: {acme.myshopify.com: shpat_x}":           "",
		"shops: {ACME.myshopify.com: shpat_x}":           "",
		"shops: {shpat_x: acme.myshopify.com}":           "a key is not",
		"shops: {acme.myshopify.com: ''}":                "is empty",
		"tokens: {acme.myshopify.com: shpat_x}":          "not YAML of the form",
		"shops:\n  acme.myshopify.com: [shpat_x, shpat]": "line 2",
	} {
		got, err := parseTokens([]byte(text))
		switch {
		case want == "" && (err != nil || got[acme] != "shpat_x"):
			t.Errorf("%s: %v, %v", text, got, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "shpat")):
			t.Errorf("%s: %v, want an error with %q and without the token", text, err, want)
		}
	}
}

func TestEveryProblemOfTheConfigurationIsReported(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	for key, change := range map[string]func(*Config){
		"shopify.url ":         func(c *Config) { c.Shopify.URL = "https://acme.myshopify.com" },
		"shopify.api_version ": func(c *Config) { c.Shopify.APIVersion = "2026-11" },
		"shopify.max_wait ":    func(c *Config) { c.Shopify.MaxWait = 0 },
		"shops[0] ":            func(c *Config) { c.Shops = []string{"acme"} },
		"grace ":               func(c *Config) { c.Grace = time.Second },
		"lookback ":            func(c *Config) { c.Lookback = time.Minute },
		"concurrency ":         func(c *Config) { c.Concurrency = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), key) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
