package reconcile

import (
	"time"

	"millrace/consumers/internal/check"
	"millrace/consumers/reconcile/shopify"
	"millrace/schemas/secret"
)

// Config is the section "reconcile".
type Config struct {
	Shopify     shopify.Config `mapstructure:"shopify"`
	TokensFile  string         `mapstructure:"tokens_file" help:"YAML file with the Admin API access token of each store: shops: {name.myshopify.com: token}. They need the scopes read_orders (read_all_orders for what is older than 60 days), read_customers, read_fulfillments, read_inventory and read_locations. Read anew at each run."`
	Token       secret.Secret  `mapstructure:"token" help:"Access token for stores that are not in tokens_file; empty for none."`
	Shops       []string       `mapstructure:"shops" help:"Stores that --all-shops and --watch look at beside those in tokens_file, e.g. name.myshopify.com."`
	Every       time.Duration  `mapstructure:"every" help:"How often --watch looks at all stores; at least a second."`
	Lookback    time.Duration  `mapstructure:"lookback" help:"How far --watch looks back each time. Shopify retries a webhook for four hours, and speaks of delays up to a day."`
	Grace       time.Duration  `mapstructure:"grace" help:"What changed within this time is left alone: its webhook may still be on its way. At least 2s."`
	Window      time.Duration  `mapstructure:"window" help:"How much time is listed at once; after each such window a run that is ended can go on. At least 1m."`
	Concurrency int            `mapstructure:"concurrency" help:"Stores that are looked at at once; 1 to 64."`
}

// minGrace: updated_at has whole seconds, so what changes twice within one looks unchanged. Two seconds later that is over.
const minGrace = 2 * time.Second

// DefaultConfig knows no store.
func DefaultConfig() Config {
	return Config{
		Shopify: shopify.DefaultConfig(), Every: time.Hour, Lookback: 25 * time.Hour, Grace: 10 * time.Minute, Window: 6 * time.Hour, Concurrency: 4,
	}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	p.Part("shopify", c.Shopify.Validate())
	for i, shop := range c.Shops {
		if !isShop(shop) {
			p.Report("shops[%d] must be a domain like name.myshopify.com, is %q", i, shop)
		}
	}
	p.AtLeast("every", c.Every, time.Second)
	p.AtLeast("lookback", c.Lookback, c.Every)
	p.AtLeast("grace", c.Grace, minGrace)
	p.AtLeast("window", c.Window, time.Minute)
	p.Between("concurrency", c.Concurrency, 1, 64)
	return p.Err()
}
