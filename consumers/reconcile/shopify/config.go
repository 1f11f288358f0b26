package shopify

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"millrace/consumers/internal/check"
)

// Config is how stores are reached.
type Config struct {
	URL        string        `mapstructure:"url" help:"Address of a store's Admin API; {shop} stands for its domain, and /admin/api/… comes after it. Another one than the default is for a proxy, or for 'storesim send --admin-listen': http://127.0.0.1:8096/shops/{shop}."`
	APIVersion string        `mapstructure:"api_version" help:"Version of the Admin API, e.g. 2026-10. It should be the one that the webhooks have."`
	Timeout    time.Duration `mapstructure:"timeout" help:"Longest time for one answer; at least 100ms."`
	MaxWait    time.Duration `mapstructure:"max_wait" help:"How long one question is asked again while the store does not answer, fails or throttles; at least a second."`
}

// shopPlace stands for the shop in Config.URL.
const shopPlace = "{shop}"

// DefaultConfig reaches Shopify itself.
func DefaultConfig() Config {
	return Config{URL: "https://" + shopPlace, APIVersion: "2026-10", Timeout: 30 * time.Second, MaxWait: 5 * time.Minute}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	u, err := url.Parse(strings.ReplaceAll(c.URL, shopPlace, "shop.myshopify.com"))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || !strings.Contains(c.URL, shopPlace) {
		p.Report("url must be http://… or https://… with %s in it and without user and query", shopPlace)
	}
	if !regexp.MustCompile(`^(\d{4}-(01|04|07|10)|unstable)$`).MatchString(c.APIVersion) {
		p.Report("api_version must be a year and the month of a quarter, e.g. 2026-10, is %q", c.APIVersion)
	}
	p.AtLeast("timeout", c.Timeout, 100*time.Millisecond)
	p.AtLeast("max_wait", c.MaxWait, time.Second)
	return p.Err()
}
