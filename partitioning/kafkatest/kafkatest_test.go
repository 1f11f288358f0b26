package kafkatest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"go.uber.org/goleak"

	"millrace/partitioning/kafkatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// withDeadline bounds what a test waits for; a healthy cluster needs a tenth of it.
func withDeadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func produce(t *testing.T, cl *kgo.Client, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Key: []byte("key"), Value: []byte(v)}
		if err := cl.ProduceSync(withDeadline(t), r).FirstErr(); err != nil {
			t.Fatalf("produce %q: %v", v, err)
		}
	}
}

// consume returns the first n values of the topic.
func consume(t *testing.T, c *kafkatest.Cluster, topic string, n int) []string {
	t.Helper()
	cl := c.Client(t, kgo.ConsumeTopics(topic), kgo.FetchMaxBytes(16<<20))
	var values []string
	for ctx := withDeadline(t); len(values) < n; {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("got %d of %d records: %v", len(values), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

func TestOneBrokerKeepsRecordsThroughKillAndStop(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	c := kafkatest.Start(t)
	t.Logf("started in %s", time.Since(begin).Round(time.Millisecond))
	c.CreateTopic(t, "events", 3, nil)
	cl := c.Client(t, kgo.ProducerBatchMaxBytes(11<<20))

	produce(t, cl, "events", "before the kill")
	if err := c.Kill(0); err != nil {
		t.Fatal(err)
	}
	if pid := c.Pid(0); pid != 0 {
		t.Fatalf("the killed broker has pid %d", pid)
	}
	restart(t, c, 0)
	produce(t, cl, "events", "before the stop")
	if err := c.Stop(0); err != nil {
		t.Fatal(err)
	}
	restart(t, c, 0)
	// A body of the greatest size, and what its headers may add.
	big := strings.Repeat("x", 10<<20+64<<10)
	produce(t, cl, "events", big)

	want := []string{"before the kill", "before the stop", big}
	if got := consume(t, c, "events", 3); !slices.Equal(got, want) {
		t.Errorf("got %d records that differ from the 3 written", len(got))
	}
}

func restart(t *testing.T, c *kafkatest.Cluster, i int) {
	t.Helper()
	begin := time.Now()
	if err := c.Restart(withDeadline(t), i); err != nil {
		t.Fatal(err)
	}
	t.Logf("broker %d was back after %s", i, time.Since(begin).Round(time.Millisecond))
}

func TestPausedBrokerDoesNotAnswerUntilResumed(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	cl := c.Client(t)
	if err := cl.Ping(withDeadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.Pause(0); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := cl.Ping(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ping of a paused broker: %v, want it to run into its deadline", err)
	}
	if err := c.Stop(0); err == nil {
		t.Error("Stop of a paused broker succeeded, though it cannot hear the signal")
	}
	if err := c.Resume(0); err != nil {
		t.Fatal(err)
	}
	if err := cl.Ping(withDeadline(t)); err != nil {
		t.Errorf("ping after Resume: %v", err)
	}
	if err := c.Restart(withDeadline(t), 0); err == nil {
		t.Error("Restart of a running broker succeeded")
	}
}

func TestThreeBrokersTakeWritesWithOneKilledAndRefuseWithTwo(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	c := kafkatest.Start(t, kafkatest.WithBrokers(3))
	t.Logf("started in %s", time.Since(begin).Round(time.Millisecond))
	c.CreateTopic(t, "events", 6, nil)
	cl := c.Client(t)
	produce(t, cl, "events", "three brokers")
	if err := c.Kill(0); err != nil {
		t.Fatal(err)
	}
	begin = time.Now()
	produce(t, cl, "events", "two brokers")
	t.Logf("took writes %s after the kill", time.Since(begin).Round(time.Millisecond))
	restart(t, c, 0)
	if err := c.WaitInSync(withDeadline(t)); err != nil {
		t.Fatal(err)
	}

	for _, i := range []int{1, 2} {
		if err := c.Kill(i); err != nil {
			t.Fatal(err)
		}
	}
	alone := c.Client(t, kgo.SeedBrokers(c.Brokers()[0]), kgo.RecordDeliveryTimeout(3*time.Second), kgo.RetryTimeout(3*time.Second))
	err := alone.ProduceSync(withDeadline(t), &kgo.Record{Topic: "events", Value: []byte("one broker")}).FirstErr()
	if err == nil {
		t.Error("one broker of three acknowledged a write, with min.insync.replicas 2")
	}
	for _, i := range []int{1, 2} {
		restart(t, c, i)
	}
	produce(t, cl, "events", "three again")
	got := consume(t, c, "events", 3)
	got = slices.DeleteFunc(got, func(v string) bool { return v == "one broker" }) // refused is not undone: it may be there
	slices.Sort(got)
	if !slices.Contains(got, "three brokers") || !slices.Contains(got, "two brokers") {
		t.Errorf("got %q, without what was acknowledged", got)
	}
}

func TestSecureListenersLetOnlyTheRightCredentialsIn(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, kafkatest.WithSASL(), kafkatest.WithClientAuth())
	user, pass := c.SASLUser(), c.SASLPassword()
	trust, wrongCA := clientTLS(t, c.CAFile()), clientTLS(t, c.OtherCAFile())
	withCert := clientTLS(t, c.CAFile())
	pair, err := tls.LoadX509KeyPair(c.ClientCertFile(), c.ClientKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	withCert.Certificates = []tls.Certificate{pair}

	scram256 := func(pass string) sasl.Mechanism { return scram.Auth{User: user, Pass: pass}.AsSha256Mechanism() }
	scram512 := func(pass string) sasl.Mechanism { return scram.Auth{User: user, Pass: pass}.AsSha512Mechanism() }
	plainAuth := func(pass string) sasl.Mechanism { return plain.Auth{User: user, Pass: pass}.AsMechanism() }
	unknownCA := func(err error) bool { return errors.As(err, new(x509.UnknownAuthorityError)) }
	refused := func(err error) bool { return errors.Is(err, kerr.SaslAuthenticationFailed) }
	anything := func(err error) bool { return err != nil }

	for name, tc := range map[string]struct {
		brokers []string
		opts    []kgo.Opt
		fails   func(error) bool // nil: it works
	}{
		"PLAIN with the right password":                        {c.SASLBrokers(), []kgo.Opt{kgo.SASL(plainAuth(pass))}, nil},
		"PLAIN with a wrong password":                          {c.SASLBrokers(), []kgo.Opt{kgo.SASL(plainAuth("wrong"))}, refused},
		"SCRAM-SHA-256 with the right password":                {c.SASLBrokers(), []kgo.Opt{kgo.SASL(scram256(pass))}, nil},
		"SCRAM-SHA-256 with a wrong password":                  {c.SASLBrokers(), []kgo.Opt{kgo.SASL(scram256("wrong"))}, refused},
		"SCRAM-SHA-512 with the right password":                {c.SASLBrokers(), []kgo.Opt{kgo.SASL(scram512(pass))}, nil},
		"SCRAM-SHA-512 with a wrong password":                  {c.SASLBrokers(), []kgo.Opt{kgo.SASL(scram512("wrong"))}, refused},
		"SASL listener without SASL":                           {c.SASLBrokers(), nil, anything},
		"TLS with the CA and a client certificate":             {c.TLSBrokers(), []kgo.Opt{kgo.DialTLSConfig(withCert)}, nil},
		"TLS without the client certificate that is wanted":    {c.TLSBrokers(), []kgo.Opt{kgo.DialTLSConfig(trust)}, anything},
		"TLS with a CA that signed nothing":                    {c.TLSBrokers(), []kgo.Opt{kgo.DialTLSConfig(wrongCA)}, unknownCA},
		"SCRAM-SHA-512 over TLS":                               {c.SASLTLSBrokers(), []kgo.Opt{kgo.DialTLSConfig(trust), kgo.SASL(scram512(pass))}, nil},
		"SCRAM-SHA-512 over TLS, wrong password":               {c.SASLTLSBrokers(), []kgo.Opt{kgo.DialTLSConfig(trust), kgo.SASL(scram512("wrong"))}, refused},
		"SCRAM-SHA-512 over TLS with a CA that signed nothing": {c.SASLTLSBrokers(), []kgo.Opt{kgo.DialTLSConfig(wrongCA), kgo.SASL(scram512(pass))}, unknownCA},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := append([]kgo.Opt{kgo.SeedBrokers(tc.brokers...), kgo.RequestRetries(0)}, tc.opts...)
			cl := c.Client(t, opts...)
			err := cl.Ping(withDeadline(t))
			if tc.fails == nil && err != nil {
				t.Errorf("ping: %v", err)
			}
			if tc.fails != nil && !tc.fails(err) {
				t.Errorf("ping: %v, want another error", err)
			}
		})
	}
}

func clientTLS(t *testing.T, caFile string) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("no certificate in %s", caFile)
	}
	return &tls.Config{RootCAs: roots}
}

func TestStartReportsTheLogOfABrokerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	kafkatest.RequireLibs(t)
	_, err := kafkatest.New(t.Context(), kafkatest.Config{Properties: map[string]string{"num.io.threads": "many"}})
	if err == nil || !strings.Contains(err.Error(), "num.io.threads") {
		t.Errorf("got %v, want the broker's own complaint", err)
	}
}

func TestNewRefusesConfigsThatMakeNoCluster(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]kafkatest.Config{
		"two brokers, which have no majority without both": {Brokers: 2},
		"client certificates without TLS":                  {ClientAuth: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := kafkatest.New(t.Context(), cfg); err == nil {
				t.Error("it was accepted")
			}
		})
	}
}
