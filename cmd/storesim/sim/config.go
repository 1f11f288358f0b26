package sim

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"millrace/cmd/storesim/ledger"
	"millrace/schemas/secret"
)

// Config is what a user may set.
type Config struct {
	URL         string        `mapstructure:"url"         help:"Where webhooks are posted, e.g. http://127.0.0.1:8080/webhooks."`
	Secret      secret.Secret `mapstructure:"secret"      help:"Client secret that signs the bodies; never empty."`
	Shops       int           `mapstructure:"shops"       help:"Number of stores, at least 1."`
	Orders      int64         `mapstructure:"orders"      help:"Stop after this many orders have run through their life; 0 means no bound."`
	Events      int64         `mapstructure:"events"      help:"Stop after exactly this many distinct events; 0 means no bound."`
	Rate        float64       `mapstructure:"rate"        help:"Distinct events per second; 0 means as fast as they are answered."`
	Duration    time.Duration `mapstructure:"duration"    help:"Stop making new events after this time; 0 means no bound."`
	Duplicates  float64       `mapstructure:"duplicates"  help:"Share of events delivered twice, 0 to 1."`
	Disorder    float64       `mapstructure:"disorder"    help:"Share of events delivered behind later ones of their entity, 0 to 0.2."`
	Forget      float64       `mapstructure:"forget"      help:"Share of events that are never sent, 0 to 1: they are in the ledger and in what the Admin API shows."`
	Zipf        float64       `mapstructure:"zipf"        help:"Exponent of the skew over shops: 0 means all alike, 1 is a usual web skew."`
	Seed        uint64        `mapstructure:"seed"        help:"Start of the random sequence; 0 means a new one on each run."`
	Concurrency int           `mapstructure:"concurrency" help:"Requests in flight at most, at least 1."`
	TimeScale   float64       `mapstructure:"time_scale"  help:"How many times faster than Shopify failed deliveries are repeated: 1 means eight retries over four hours, 1000 over 14 seconds."`
	OpenOrders  int           `mapstructure:"open_orders" help:"Orders whose lives run interleaved, at least 1."`
	MaxPending  int           `mapstructure:"max_pending" help:"Deliveries held in memory while they wait for their turn or a retry; making events pauses above it."`
	// The Admin API.
	AdminListen  string        `mapstructure:"admin_listen"  help:"Address of the stores' Admin API (GraphQL), host:port; port 0 takes a free one; empty for none."`
	AdminToken   secret.Secret `mapstructure:"admin_token"   help:"Access token that the Admin API asks for; empty takes any."`
	AdminPoints  float64       `mapstructure:"admin_points"  help:"Points in each store's bucket of the Admin API's rate limit, at least 1."`
	AdminRestore float64       `mapstructure:"admin_restore" help:"Points per second that fill it again, more than 0."`
}

// DefaultConfig returns the settings of a small, steady store front: no faults, 20 events per second, until stopped.
// URL and Secret are left empty.
func DefaultConfig() Config {
	return Config{
		Shops: 20, Rate: 20, Zipf: 1, Concurrency: 32, TimeScale: 1, OpenOrders: 64, MaxPending: 10_000,
		AdminPoints: 1000, AdminRestore: 50,
	}
}

// MaxDisorder bounds Config.Disorder: an event can be late only when a later one of its entity exists, and each late event
// needs an overtaker that is not late itself.
const MaxDisorder = 0.2

// Validate returns all mistakes at once, each with its key.
func (c Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	u, err := url.Parse(c.URL)
	bad(err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "", "url must be an http or https URL, is %q", c.URL)
	bad(c.Secret == "", "secret must not be empty")
	bad(c.Shops < 1 || c.Shops > 1_000_000, "shops must be between 1 and 1000000, is %d", c.Shops)
	bad(c.Orders < 0, "orders must not be negative, is %d", c.Orders)
	bad(c.Events < 0, "events must not be negative, is %d", c.Events)
	bad(!upTo(c.Rate, 1e6), "rate must be between 0 and 1000000, is %v", c.Rate)
	bad(c.Duration < 0, "duration must not be negative, is %v", c.Duration)
	bad(!upTo(c.Duplicates, 1), "duplicates must be between 0 and 1, is %v", c.Duplicates)
	bad(!upTo(c.Disorder, MaxDisorder), "disorder must be between 0 and %v, is %v", MaxDisorder, c.Disorder)
	bad(!upTo(c.Forget, 1), "forget must be between 0 and 1, is %v", c.Forget)
	bad(!upTo(c.Zipf, 10), "zipf must be between 0 and 10, is %v", c.Zipf)
	bad(c.Concurrency < 1 || c.Concurrency > 10_000, "concurrency must be between 1 and 10000, is %d", c.Concurrency)
	bad(c.TimeScale == 0 || !upTo(c.TimeScale, 1e12), "time_scale must be above 0 and at most 1e12, is %v", c.TimeScale)
	bad(c.OpenOrders < 1 || c.OpenOrders > 1_000_000, "open_orders must be between 1 and 1000000, is %d", c.OpenOrders)
	bad(c.MaxPending < 1, "max_pending must be at least 1, is %d", c.MaxPending)
	if c.AdminListen != "" {
		_, _, err := net.SplitHostPort(c.AdminListen)
		bad(err != nil, "admin_listen must be host:port, is %q", c.AdminListen)
		bad(c.AdminPoints < 1 || !upTo(c.AdminPoints, 1e9), "admin_points must be between 1 and 1e9, is %v", c.AdminPoints)
		bad(c.AdminRestore == 0 || !upTo(c.AdminRestore, 1e9), "admin_restore must be above 0 and at most 1e9, is %v", c.AdminRestore)
	}
	return errors.Join(errs...)
}

// upTo tells whether v is between 0 and high; NaN is not.
func upTo(v, high float64) bool { return v >= 0 && v <= high }

// Recorder keeps the account of what was sent. Record is called once per event, when its fate is known, from several
// goroutines; it must not keep the entry. Flush is called when the run ends. An error ends the run.
type Recorder interface {
	Record(e *ledger.Entry) error
	Flush() error
}

// Deps is what the program hands over.
type Deps struct {
	Logger    *slog.Logger      // required
	Recorder  Recorder          // nil: no account is kept
	Transport http.RoundTripper // nil: Shopify's connect timeout, keep-alive, as many connections as Concurrency
	Now       func() time.Time  // nil: time.Now; stamps the bodies
}
