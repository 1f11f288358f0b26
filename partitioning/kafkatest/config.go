package kafkatest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"time"
)

// Config says what cluster New starts. The zero value is one broker with a PLAINTEXT listener.
type Config struct {
	Brokers    int               // 1 (the default) or 3; three replicate everything thrice with min.insync.replicas 2
	SASL       bool              // adds a SASL_PLAINTEXT listener: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512
	TLS        bool              // adds an SSL listener; together with SASL also a SASL_SSL one
	ClientAuth bool              // the SSL listener demands a client certificate of the cluster's CA
	Properties map[string]string // server.properties added to or replacing ours, on every broker
	// Heap is the JVM's maximum, in its own notation; "" means 512m for a single broker and 384m for each of three.
	Heap string
	// FullJIT lets the JVM use its optimising compiler. Without it a broker starts a third faster and serves slower, which
	// suits tests; a bench wants it.
	FullJIT bool
	// Dir is where the cluster's directory is made ("" = the system's temporary directory); Close removes that directory.
	Dir string
	// StartTimeout bounds the start of the cluster and every Restart; 0 means 90 s, for machines that run other tests too.
	StartTimeout time.Duration
	// Progress gets a line when the jars have to be fetched; nil means silence.
	Progress io.Writer
}

const (
	defaultStartTimeout = 90 * time.Second
	stopTimeout         = 30 * time.Second
	killTimeout         = 10 * time.Second
)

func (c Config) withDefaults() (Config, error) {
	if c.Brokers == 0 {
		c.Brokers = 1
	}
	if c.Brokers != 1 && c.Brokers != 3 {
		return c, fmt.Errorf("start kafka: a cluster has 1 or 3 brokers, not %d", c.Brokers)
	}
	if c.ClientAuth && !c.TLS {
		return c, errors.New("start kafka: ClientAuth needs TLS")
	}
	if c.Heap == "" {
		c.Heap = "512m"
		if c.Brokers > 1 {
			c.Heap = "384m"
		}
	}
	if c.StartTimeout <= 0 {
		c.StartTimeout = defaultStartTimeout
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	c.Properties = maps.Clone(c.Properties)
	return c, nil
}

// Option changes the Config of Start.
type Option func(*Config)

// WithBrokers sets the number of brokers, 1 or 3.
func WithBrokers(n int) Option { return func(c *Config) { c.Brokers = n } }

// WithSASL adds the SASL listener.
func WithSASL() Option { return func(c *Config) { c.SASL = true } }

// WithTLS adds the TLS listener.
func WithTLS() Option { return func(c *Config) { c.TLS = true } }

// WithClientAuth adds the TLS listener and makes it demand a client certificate.
func WithClientAuth() Option { return func(c *Config) { c.TLS, c.ClientAuth = true, true } }

// WithProperty sets one line of server.properties on every broker.
func WithProperty(key, value string) Option {
	return func(c *Config) {
		if c.Properties == nil {
			c.Properties = map[string]string{}
		}
		c.Properties[key] = value
	}
}

// WithHeap sets the JVM's maximum heap, e.g. "768m".
func WithHeap(size string) Option { return func(c *Config) { c.Heap = size } }
