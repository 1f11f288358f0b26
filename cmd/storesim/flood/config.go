package flood

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"millrace/schemas/secret"
)

// Config is what a user may set.
type Config struct {
	URL         string        `mapstructure:"url"         help:"Where webhooks are posted, e.g. http://127.0.0.1:8080/webhooks."`
	Secret      secret.Secret `mapstructure:"secret"      help:"Client secret that signs the bodies; never empty."`
	Connections int           `mapstructure:"connections" help:"Kept-alive connections, each with one request in flight, at least 1."`
	Duration    time.Duration `mapstructure:"duration"    help:"Measured time, after the warm-up."`
	Warmup      time.Duration `mapstructure:"warmup"      help:"Time of full load that is not measured; 0 means none."`
	BodySize    int           `mapstructure:"body_size"   help:"Length of each body in bytes, at least 512."`
	Bodies      int           `mapstructure:"bodies"      help:"Distinct bodies made beforehand, at least 1; all are held in memory."`
	Rate        float64       `mapstructure:"rate"        help:"Requests per second over all connections, sent on time whatever the answers do; 0 means each connection waits for its answer."`
	Timeout     time.Duration `mapstructure:"timeout"     help:"Wait for one answer before the connection is given up."`
}

// DefaultConfig returns 64 connections for 30 s with bodies of 2 KB. URL and Secret are left empty.
func DefaultConfig() Config {
	return Config{Connections: 64, Duration: 30 * time.Second, Warmup: 3 * time.Second, BodySize: 2 << 10, Bodies: 4096, Timeout: 10 * time.Second}
}

// minBody is the least that an order body can have and still look like one.
const minBody = 512

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
	bad(c.Connections < 1 || c.Connections > 100_000, "connections must be between 1 and 100000, is %d", c.Connections)
	bad(c.Duration <= 0, "duration must be above 0, is %v", c.Duration)
	bad(c.Warmup < 0, "warmup must not be negative, is %v", c.Warmup)
	bad(c.BodySize < minBody || c.BodySize > 64<<20, "body_size must be between %d and %d bytes, is %d", minBody, 64<<20, c.BodySize)
	bad(c.Bodies < 1, "bodies must be at least 1, is %d", c.Bodies)
	bad(!(c.Rate >= 0 && c.Rate <= 1e7), "rate must be between 0 and 10000000, is %v", c.Rate)
	bad(c.Timeout <= 0, "timeout must be above 0, is %v", c.Timeout)
	return errors.Join(errs...)
}
