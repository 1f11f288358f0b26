package kafkaconn_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"millrace/partitioning/kafkaconn"
	"millrace/partitioning/kafkatest"
	"millrace/schemas/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOptionsConnectToARealKafkaByEverySetting(t *testing.T) {
	t.Parallel()
	k := kafkatest.Start(t, kafkatest.WithSASL(), kafkatest.WithClientAuth())
	login := func(mechanism string) kafkaconn.SASL {
		return kafkaconn.SASL{Mechanism: mechanism, Username: k.SASLUser(), Password: secret.Secret(k.SASLPassword())}
	}
	wrong := login(kafkaconn.MechanismScramSHA256)
	wrong.Password = "wrong"
	ca := kafkaconn.TLS{Enabled: true, CAFile: k.CAFile()}
	mutual := ca
	mutual.CertFile, mutual.KeyFile = k.ClientCertFile(), k.ClientKeyFile()
	otherName, localhost := mutual, mutual
	otherName.ServerName, localhost.ServerName = "kafka.example", "localhost"
	otherCA := mutual
	otherCA.CAFile = k.OtherCAFile()
	unverified := otherCA
	unverified.InsecureSkipVerify = true

	for name, tc := range map[string]struct {
		brokers []string
		tls     kafkaconn.TLS
		sasl    kafkaconn.SASL
		fails   func(error) bool // nil: it works
	}{
		"plaintext":                            {brokers: k.Brokers()},
		"PLAIN":                                {brokers: k.SASLBrokers(), sasl: login("PLAIN")},
		"SCRAM-SHA-256":                        {brokers: k.SASLBrokers(), sasl: login("SCRAM-SHA-256")},
		"SCRAM-SHA-512":                        {brokers: k.SASLBrokers(), sasl: login("SCRAM-SHA-512")},
		"a wrong password":                     {brokers: k.SASLBrokers(), sasl: wrong, fails: isError(kerr.SaslAuthenticationFailed)},
		"TLS with a client certificate":        {brokers: k.TLSBrokers(), tls: mutual},
		"TLS, by a name the certificate has":   {brokers: k.TLSBrokers(), tls: localhost},
		"TLS, by a name the certificate lacks": {brokers: k.TLSBrokers(), tls: otherName, fails: asError[x509.HostnameError]},
		"TLS without the client certificate":   {brokers: k.TLSBrokers(), tls: ca, fails: func(err error) bool { return err != nil }},
		"TLS, with a CA that signed nothing":   {brokers: k.TLSBrokers(), tls: otherCA, fails: asError[x509.UnknownAuthorityError]},
		"TLS, unverified":                      {brokers: k.TLSBrokers(), tls: unverified},
		"TLS by the system's CAs":              {brokers: k.TLSBrokers(), tls: kafkaconn.TLS{Enabled: true}, fails: asError[x509.UnknownAuthorityError]},
		"SCRAM-SHA-512 over TLS":               {brokers: k.SASLTLSBrokers(), tls: ca, sasl: login("SCRAM-SHA-512")},
		"PLAIN over TLS with a wrong password": {brokers: k.SASLTLSBrokers(), tls: ca, sasl: kafkaconn.SASL{Mechanism: "PLAIN", Username: "u", Password: "p"}, fails: isError(kerr.SaslAuthenticationFailed)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := kafkaconn.DefaultConfig()
			c.Brokers, c.TLS, c.SASL = tc.brokers, tc.tls, tc.sasl
			err := ping(t, c)
			if tc.fails == nil && err != nil {
				t.Errorf("ping: %v", err)
			}
			if tc.fails != nil && !tc.fails(err) {
				t.Errorf("ping: %v, want another error", err)
			}
		})
	}
}

func isError(want error) func(error) bool {
	return func(err error) bool { return errors.Is(err, want) }
}

func asError[E error](err error) bool { return errors.As(err, new(E)) }

func ping(t *testing.T, c kafkaconn.Config) error {
	t.Helper()
	opts, err := c.Options(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(opts, kgo.RequestRetries(0))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return cl.Ping(ctx)
}

func TestOptionsNameTheFileThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		tls  kafkaconn.TLS
		want string
	}{
		"a missing CA file":          {kafkaconn.TLS{Enabled: true, CAFile: "/none/ca.pem"}, "tls.ca_file: open /none/ca.pem"},
		"a CA file without any":      {kafkaconn.TLS{Enabled: true, CAFile: empty}, "tls.ca_file: " + empty + " holds no"},
		"a certificate without text": {kafkaconn.TLS{Enabled: true, CertFile: empty, KeyFile: empty}, "tls.cert_file and tls.key_file: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := kafkaconn.DefaultConfig()
			c.TLS = tc.tls
			if _, err := c.Options(slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %q...", err, tc.want)
			}
		})
	}
}

func TestOptionsRefuseAnInvalidConfig(t *testing.T) {
	t.Parallel()
	if _, err := (kafkaconn.Config{}).Options(slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error for an empty config")
	}
}

func TestOptionsWarnOfWhatEndangersThePassword(t *testing.T) {
	t.Parallel()
	plain := kafkaconn.SASL{Mechanism: "PLAIN", Username: "u", Password: "hunter2"}
	for name, tc := range map[string]struct {
		tls  kafkaconn.TLS
		sasl kafkaconn.SASL
		want string // "" means no line at all
	}{
		"PLAIN without TLS": {kafkaconn.TLS{}, plain, "unencrypted"},
		"PLAIN over TLS":    {kafkaconn.TLS{Enabled: true}, plain, ""},
		"unverified TLS":    {kafkaconn.TLS{Enabled: true, InsecureSkipVerify: true}, kafkaconn.SASL{}, "not verified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := kafkaconn.DefaultConfig()
			c.TLS, c.SASL = tc.tls, tc.sasl
			var log bytes.Buffer
			if _, err := c.Options(slog.New(slog.NewTextHandler(&log, nil))); err != nil {
				t.Fatal(err)
			}
			if tc.want == "" && log.Len() > 0 || !strings.Contains(log.String(), tc.want) || strings.Contains(log.String(), "hunter2") {
				t.Errorf("logged %q, want %q", log.String(), tc.want)
			}
		})
	}
}

// The client's own lines are read from its logger, since the broker's absence makes it warn.
func TestClientLogsWarningsAndNothingBelow(t *testing.T) {
	t.Parallel()
	c := kafkaconn.DefaultConfig()
	c.Brokers = []string{"127.0.0.1:1"} // the port of a service that nobody runs
	var log bytes.Buffer
	opts, err := c.Options(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(opts, kgo.RequestRetries(0))...)
	if err != nil {
		t.Fatal(err)
	}
	err = cl.Ping(t.Context())
	cl.Close() // ends the client's goroutines, so that nobody writes to log any more
	if err == nil {
		t.Fatal("something answers on port 1")
	}
	if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "component=kafka_client") ||
		strings.Contains(text, "level=DEBUG") || strings.Contains(text, "level=INFO") {
		t.Errorf("logged:\n%s", text)
	}
}
