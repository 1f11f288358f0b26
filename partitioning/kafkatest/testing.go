package kafkatest

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ServicesEnv names the environment variable that, set to "required", turns a missing service from a skip into a failure.
const ServicesEnv = "MILLRACE_TEST_SERVICES"

// toolTimeout bounds a Java tool run by Java.
const toolTimeout = 2 * time.Minute

// Start starts a cluster that ends with the test. It skips the test when Kafka cannot be had here, or fails it when
// MILLRACE_TEST_SERVICES=required. When the test fails, the last complaints in each broker's log are printed.
func Start(tb testing.TB, opts ...Option) *Cluster {
	tb.Helper()
	cfg := Config{Progress: tbWriter{tb}}
	for _, opt := range opts {
		opt(&cfg)
	}
	c, err := New(tb.Context(), cfg)
	SkipUnavailable(tb, err)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			for _, b := range c.brokers {
				tb.Logf("kafka broker %d complained:\n%s", b.index, b.complaints())
			}
		}
		if err := c.Close(); err != nil {
			tb.Errorf("close kafka: %v", err)
		}
	})
	return c
}

// SkipUnavailable skips the test, or fails it when MILLRACE_TEST_SERVICES=required, if err wraps ErrUnavailable.
func SkipUnavailable(tb testing.TB, err error) {
	tb.Helper()
	if !errors.Is(err, ErrUnavailable) {
		return
	}
	if os.Getenv(ServicesEnv) == "required" {
		tb.Fatalf("%s=required, but %v", ServicesEnv, err)
	}
	tb.Skip(err)
}

// RequireLibs is Libs for a test that needs Kafka's classes but no broker, with Start's rules for a missing part.
func RequireLibs(tb testing.TB) string {
	tb.Helper()
	libs, err := Libs(tb.Context(), tbWriter{tb})
	SkipUnavailable(tb, err)
	if err != nil {
		tb.Fatal(err)
	}
	return libs
}

// Java runs `java -cp <libs> args...` with stdin (nil: none) and returns its standard output; a failure, or two minutes, ends
// the test.
func Java(tb testing.TB, libs string, stdin io.Reader, args ...string) []byte {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), toolTimeout)
	defer cancel()
	out, err := RunJava(ctx, libs, stdin, args...)
	if err != nil {
		tb.Fatalf("%v\nstandard output:\n%s", err, out)
	}
	return out
}

// Java runs a class of Kafka with its arguments and returns its standard output; a failure, or two minutes, ends the test.
func (c *Cluster) Java(tb testing.TB, class string, args ...string) []byte {
	tb.Helper()
	return Java(tb, c.libs, nil, append([]string{class}, args...)...)
}

// Client returns a client of the PLAINTEXT listener that is closed with the test. Later options win over the seed brokers.
func (c *Cluster) Client(tb testing.TB, opts ...kgo.Opt) *kgo.Client {
	tb.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Brokers()...)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cl.Close)
	return cl
}

// CreateTopic creates a topic replicated to every broker, with the configs given (nil: the brokers' defaults).
func (c *Cluster) CreateTopic(tb testing.TB, topic string, partitions int32, configs map[string]string) {
	tb.Helper()
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = &v
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...))
	if err != nil {
		tb.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(tb.Context(), toolTimeout)
	defer cancel()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, int16(len(c.brokers)), values, topic); err != nil { //nolint:gosec // one or three
		tb.Fatalf("create topic %s: %v", topic, err)
	}
}

// tbWriter writes lines to a test's log.
type tbWriter struct{ tb testing.TB }

func (w tbWriter) Write(p []byte) (int, error) {
	w.tb.Helper()
	w.tb.Logf("%s", p)
	return len(p), nil
}
