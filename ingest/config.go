package ingest

import (
	"errors"
	"fmt"
	"net"
	"time"

	"millrace/schemas"
	"millrace/schemas/secret"
)

// Limits that configuration may not pass. Shopify gives a delivery five seconds from connection to answer
// (https://shopify.dev/docs/apps/build/webhooks/verify-deliveries). maxAckTimeout counts from the end of the headers, which
// take header_timeout at most: past it our answer would come too late to count.
const (
	maxAckTimeout = 4 * time.Second
	minAckTimeout = 10 * time.Millisecond
	maxLinger     = 100 * time.Millisecond
)

// Config is what an operator may change.
type Config struct {
	Listen           string          `mapstructure:"listen" help:"Address of the public listener that Shopify posts to, host:port."`
	Secrets          []secret.Secret `mapstructure:"secrets" help:"App client secrets; a delivery signed with any of them is authentic. List the old and the new one during a rotation, until an hour after the old one is revoked."`
	SecretsFile      string          `mapstructure:"secrets_file" help:"YAML file with more secrets, for all shops (secrets: [..]) and per shop (shops: {name.myshopify.com: [..]}). Re-read within two seconds of a change; a broken file keeps the old secrets."`
	MaxBodyBytes     int64           `mapstructure:"max_body_bytes" help:"Largest body accepted, in bytes; a larger one is answered 413. The Kafka topics must take it (see topics)."`
	AckTimeout       time.Duration   `mapstructure:"ack_timeout" help:"How long a delivery may wait for Kafka's acknowledgement before it is answered 503; at most 4s, since Shopify gives up after 5s."`
	Linger           time.Duration   `mapstructure:"linger" help:"How long the producer waits for more events of a partition before it sends, at most 100ms; every delivery waits that much longer. 0 suits a receiver with few connections at once."`
	MaxConnections   int             `mapstructure:"max_connections" help:"Connections open at once; more wait to be accepted. It bounds what clients that send slowly can hold."`
	MaxInFlight      int             `mapstructure:"max_in_flight" help:"Deliveries handled at once, counted from when their body is in; more are answered 503 at once."`
	MaxInFlightBytes int64           `mapstructure:"max_in_flight_bytes" help:"Bytes of bodies held at once, those that wait for Kafka included; more are answered 503 at once."`
	HeaderTimeout    time.Duration   `mapstructure:"header_timeout" help:"Time a client has to send its request headers."`
	BodyTimeout      time.Duration   `mapstructure:"body_timeout" help:"Time a client has to send a whole request, headers included."`
	IdleTimeout      time.Duration   `mapstructure:"idle_timeout" help:"How long an idle keep-alive connection is kept."`
	RetryAfter       time.Duration   `mapstructure:"retry_after" help:"Value of the Retry-After header of a 503, rounded up to seconds."`
	LogEvery         int             `mapstructure:"log_every" help:"One in this many accepted deliveries is logged; 1 logs all, 0 none. Refused ones are always logged, at most 10 lines a second per outcome."`
	ShutdownDelay    time.Duration   `mapstructure:"shutdown_delay" help:"How long to go on serving, not ready, after a stop is asked for, so that a load balancer can notice."`
	ShutdownGrace    time.Duration   `mapstructure:"shutdown_grace" help:"How long a stop waits for accepted requests to be answered."`
	TLS              TLSConfig       `mapstructure:"tls"`
}

// TLSConfig switches TLS on for the public listener. Both files are re-read when they change.
type TLSConfig struct {
	CertFile string `mapstructure:"cert_file" help:"PEM certificate chain; set with key_file to serve HTTPS. Re-read when it changes."`
	KeyFile  string `mapstructure:"key_file" help:"PEM private key of cert_file."`
}

// DefaultConfig returns settings that work for one Shopify app of any size, but for the secrets, which have no default.
func DefaultConfig() Config {
	return Config{
		Listen:           "127.0.0.1:8080",
		MaxBodyBytes:     schemas.MaxBodyBytes,
		AckTimeout:       3 * time.Second,
		Linger:           400 * time.Microsecond,
		MaxConnections:   8192,
		MaxInFlight:      2048,
		MaxInFlightBytes: 128 << 20,
		HeaderTimeout:    time.Second,
		BodyTimeout:      3500 * time.Millisecond,
		IdleTimeout:      90 * time.Second,
		RetryAfter:       5 * time.Second,
		LogEvery:         1000,
		ShutdownGrace:    5 * time.Second,
	}
}

// Validate returns all that is wrong, joined, each line beginning with its key.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("listen must be host:port, is %q", c.Listen)
	}
	if len(c.Secrets) == 0 && c.SecretsFile == "" {
		bad("secrets must hold the app's client secret (or set secrets_file): without one no delivery can be told from a forgery")
	}
	for i, s := range c.Secrets {
		if s == "" {
			bad("secrets[%d] must not be empty", i)
		}
	}
	if c.MaxBodyBytes < 1 || c.MaxBodyBytes > schemas.MaxBodyBytes {
		bad("max_body_bytes must be from 1 to %d, is %d", int64(schemas.MaxBodyBytes), c.MaxBodyBytes)
	}
	if c.AckTimeout < minAckTimeout || c.AckTimeout > maxAckTimeout {
		bad("ack_timeout must be from %v to %v, is %v", minAckTimeout, maxAckTimeout, c.AckTimeout)
	}
	if c.Linger < 0 || c.Linger > maxLinger {
		bad("linger must be from 0 to %v, is %v", maxLinger, c.Linger)
	}
	if c.MaxConnections < 1 {
		bad("max_connections must be at least 1, is %d", c.MaxConnections)
	}
	if c.MaxInFlight < 1 {
		bad("max_in_flight must be at least 1, is %d", c.MaxInFlight)
	}
	// Twice, since a large body is copied from one buffer into the next while it comes in.
	if least := max(2*c.MaxBodyBytes, 1); c.MaxInFlightBytes < least {
		bad("max_in_flight_bytes must be at least twice max_body_bytes (%d), is %d", least, c.MaxInFlightBytes)
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"header_timeout", c.HeaderTimeout},
		{"body_timeout", c.BodyTimeout},
		{"idle_timeout", c.IdleTimeout},
		{"retry_after", c.RetryAfter},
		{"shutdown_grace", c.ShutdownGrace},
	} {
		if d.value <= 0 {
			bad("%s must be more than 0, is %v", d.key, d.value)
		}
	}
	if c.ShutdownDelay < 0 {
		bad("shutdown_delay must not be negative, is %v", c.ShutdownDelay)
	}
	if c.LogEvery < 0 {
		bad("log_every must not be negative, is %d", c.LogEvery)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		bad("tls.cert_file and tls.key_file must be set together")
	}
	return errors.Join(errs...)
}
