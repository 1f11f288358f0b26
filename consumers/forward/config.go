package forward

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"millrace/consumers/internal/check"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas/secret"
)

// Name of the service, to which Config.Name is added.
const Name = "forward"

// Config is the section "forward".
type Config struct {
	Consumer       group.Config    `mapstructure:"consumer"`
	Name           string          `mapstructure:"name" help:"Tells several forwards apart, each with settings of its own: the service is then called forward-<name> and its consumer group <consumer.group>-<name>. Empty for the only one."`
	URL            string          `mapstructure:"url" help:"Endpoint that gets the events, e.g. https://crm.example.com/shopify."`
	Topics         []string        `mapstructure:"topics" help:"Shopify topics whose events are sent; * stands for any text: orders/*, refunds/create, or * alone for all."`
	Secret         secret.Secret   `mapstructure:"secret" help:"Key of the signature of each body (X-Millrace-Signature: base64 of HMAC-SHA256, as Shopify signs); empty for no signature."`
	Token          secret.Secret   `mapstructure:"token" help:"Bearer token for the endpoint; empty for none."`
	EndpointErrors []string        `mapstructure:"endpoint_errors" help:"Statuses from 400 to 499 that are about the endpoint and not about the event, such as that of a wrong path: tried again, and a breaker stops all until they end. Other 4xx make a dead letter at once, but for 408, 409, 425 and 429, which are tried again in any case. Leave 404 out for an endpoint that answers it to an order it does not know."`
	Call           outgoing.Config `mapstructure:"call"`
}

// connections is how many events are sent at once: an endpoint may be a small program.
const connections = 16

// DefaultConfig sends all events of orders to the endpoint of `storesim backends`. Its schedule lasts for a quarter of an hour,
// which a mistake in a program takes to be mended. There is one endpoint for all shops, so there is no breaker per shop.
func DefaultConfig() Config {
	consumer := group.DefaultConfig("millrace-forward")
	consumer.Concurrency = connections
	consumer.Activity = true
	consumer.Retry.Schedule = []time.Duration{0, 2 * time.Second, 8 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
	call := outgoing.DefaultConfig()
	call.Concurrency, call.Timeout, call.Breaker.PerShop = connections, 10*time.Second, false
	return Config{
		Consumer:       consumer,
		URL:            "http://127.0.0.1:8095",
		Topics:         []string{"orders/*"},
		EndpointErrors: []string{"401", "403", "404", "405", "407"},
		Call:           call,
	}
}

// Service returns the name of the service: label of metrics and logs.
func (c Config) Service() string { return named(Name, c.Name) }

// Group returns the consumer group.
func (c Config) Group() string { return named(c.Consumer.Member.Group, c.Name) }

func named(base, name string) string {
	if name == "" {
		return base
	}
	return base + "-" + name
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	p.Part("consumer", c.Consumer.Validate())
	if c.Name != "" && !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`).MatchString(c.Name) {
		p.Report("name must be of lower-case letters, digits and dashes, at most 40, is %q", c.Name)
	}
	if err := (outgoing.HTTPConfig{URL: c.URL}).Validate(); err != nil {
		p = append(p, err)
	}
	p.Part("call", c.Call.Validate())
	if _, err := Topics(c.Topics); err != nil {
		p = append(p, err)
	}
	if _, err := statuses(c.EndpointErrors); err != nil {
		p = append(p, err)
	}
	if wait := c.Call.Timeout + c.Call.MaxWait; wait > c.Consumer.HandlerTimeout {
		p.Report("call.timeout and call.max_wait must together be at most consumer.handler_timeout (%s), are %s", c.Consumer.HandlerTimeout, wait)
	}
	return p.Err()
}

// statuses reads Config.EndpointErrors.
func statuses(texts []string) (map[int]bool, error) {
	var p check.Problems
	read := map[int]bool{}
	for i, text := range texts {
		status, err := strconv.Atoi(text)
		switch {
		case err != nil || status < 400 || status > 499:
			p.Report("endpoint_errors[%d] must be a status from 400 to 499, is %q", i, text)
		case status == http.StatusRequestTimeout || status == http.StatusConflict || status == http.StatusTooEarly || status == http.StatusTooManyRequests:
			p.Report("endpoint_errors[%d] must not be %s: it has a meaning of its own", i, fmt.Sprint(status, " ", http.StatusText(status)))
		default:
			read[status] = true
		}
	}
	return read, p.Err()
}
