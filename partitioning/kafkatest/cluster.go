package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// User and password that the SASL listeners know.
const (
	saslUser     = "millrace"
	saslPassword = "millrace-test-password"
)

// errPortTaken means that somebody bound a chosen port before the broker did; New tries again with other ports.
var errPortTaken = errors.New("port taken by another process")

// Cluster is a running set of brokers. Its methods may be called from several goroutines. Broker numbers count from 0.
type Cluster struct {
	cfg   Config
	dir   string // holds everything of this cluster
	libs  string
	ports *portSet
	certs certFiles // zero without TLS

	mu      sync.Mutex
	brokers []*broker
	closed  bool
}

// New fetches Kafka if need be, starts a cluster and waits until every broker takes requests and has a leader for the
// metadata. The caller ends it with Close. ctx and cfg.StartTimeout bound the start only, not the cluster's life.
//
// The error wraps ErrUnavailable when Java, Maven or the jars are not to be had; a broker that does not come up is reported
// with the tail of its log.
func New(ctx context.Context, cfg Config) (*Cluster, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	libs, err := Libs(ctx, cfg.Progress)
	if err != nil {
		return nil, err
	}
	// The ports are reserved against other clusters, but a stranger may still bind one between our choice and the broker's.
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, cfg, libs)
		if err == nil || attempt == 3 || !errors.Is(err, errPortTaken) {
			return c, err
		}
	}
}

func start(ctx context.Context, cfg Config, libs string) (_ *Cluster, err error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.StartTimeout)
	defer cancel()
	dir, err := os.MkdirTemp(cfg.Dir, "millrace-kafka-")
	if err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	c := &Cluster{cfg: cfg, dir: dir, libs: libs}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if cfg.TLS {
		if c.certs, err = writeCerts(filepath.Join(dir, "tls")); err != nil {
			return nil, fmt.Errorf("start kafka: %w", err)
		}
	}
	if c.ports, err = reservePorts(cfg.Brokers * len(listeners)); err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	for i := range cfg.Brokers {
		c.brokers = append(c.brokers, newBroker(c, i))
	}
	if err := c.eachBroker(func(b *broker) error { return b.format(ctx) }); err != nil {
		return nil, err
	}
	if err := c.eachBroker(func(b *broker) error { return b.start(ctx) }); err != nil {
		return nil, err
	}
	return c, c.WaitReady(ctx)
}

// eachBroker runs f for all brokers at once and joins the errors.
func (c *Cluster) eachBroker(f func(*broker) error) error {
	errs := make([]error, len(c.brokers))
	var wg sync.WaitGroup
	for i, b := range c.brokers {
		wg.Go(func() { errs[i] = f(b) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Close kills the brokers, waits for their end, and removes their data. A second call does nothing.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	// The data are thrown away, so nobody gains from a controlled shutdown, which takes seconds.
	err := c.eachBroker((*broker).kill)
	c.ports.release()
	return errors.Join(err, os.RemoveAll(c.dir))
}

func (c *Cluster) broker(i int) (*broker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("the kafka cluster is closed")
	}
	if i < 0 || i >= len(c.brokers) {
		return nil, fmt.Errorf("there is no kafka broker %d among %d", i, len(c.brokers))
	}
	return c.brokers[i], nil
}

// Kill ends broker i as kill -9 does and waits for the process to be gone. It is no error if it was not running.
func (c *Cluster) Kill(i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	return b.kill()
}

// Stop ends broker i as an operator does (SIGTERM: it hands over its leaders and flushes) and waits up to 30 s for it; a
// broker that takes longer, e.g. because the others are down, is killed and reported.
func (c *Cluster) Stop(i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	return b.stop()
}

// Pause freezes broker i (SIGSTOP): its connections stay open and nothing answers.
func (c *Cluster) Pause(i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	return b.pause()
}

// Resume lets a paused broker go on.
func (c *Cluster) Resume(i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	return b.resume()
}

// Restart starts a killed or stopped broker i again, on its old data and ports, and waits until the running brokers all see
// it. It is an error if i is running.
func (c *Cluster) Restart(ctx context.Context, i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StartTimeout)
	defer cancel()
	if err := b.start(ctx); err != nil {
		return err
	}
	return c.WaitReady(ctx)
}

// Pid returns the process id of broker i, or 0 when it is not running.
func (c *Cluster) Pid(i int) int {
	b, err := c.broker(i)
	if err != nil {
		return 0
	}
	return b.pid()
}
