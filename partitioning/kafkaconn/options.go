package kafkaconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/plugin/kslog"
)

// Options returns the options of a client that connects as c says, and logs warnings and errors to log. The slice is new with
// every call: the caller may append to it. It connects to nothing.
//
// The error is Validate's, or tells which certificate file cannot be used. A setting that endangers a password or the
// connection is logged as a warning.
func (c Config) Options(log *slog.Logger) ([]kgo.Opt, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	log = log.With("component", "kafka_client")
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.DialTimeout(c.DialTimeout),
		// Below a warning the client tells each step of its metadata and group work: that is for its developers.
		kgo.WithLogger(kslog.New(slog.New(minLevel{log.Handler(), slog.LevelWarn}))),
	}
	if c.TLS.Enabled {
		config, err := c.TLS.config()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(config))
		if c.TLS.InsecureSkipVerify {
			log.Warn("kafka's certificates are not verified, because tls.insecure_skip_verify is set")
		}
	}
	if mechanism := c.SASL.mechanism(); mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
		if c.SASL.Mechanism == MechanismPlain && !c.TLS.Enabled {
			log.Warn("kafka's password travels unencrypted, because sasl.mechanism is PLAIN and tls.enabled is false")
		}
	}
	return opts, nil
}

func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: t.ServerName,
		// The operator's explicit wish, and warned of.
		InsecureSkipVerify: t.InsecureSkipVerify, //nolint:gosec // see above
	}
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("tls.cert_file and tls.key_file: %w", err)
			}
			return &pair, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return config, nil
}

// mechanism returns nil when nobody logs in. Validate has seen the name.
func (s SASL) mechanism() sasl.Mechanism {
	user, password := s.Username, s.Password.Reveal()
	switch s.Mechanism {
	case MechanismPlain:
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	case MechanismScramSHA256:
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	case MechanismScramSHA512:
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	default:
		return nil
	}
}

// minLevel drops what is below its level. The client asks for the level once per line, so a dropped line costs nothing.
type minLevel struct {
	slog.Handler

	least slog.Level
}

func (h minLevel) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.least && h.Handler.Enabled(ctx, l)
}

func (h minLevel) WithAttrs(attrs []slog.Attr) slog.Handler {
	return minLevel{h.Handler.WithAttrs(attrs), h.least}
}

func (h minLevel) WithGroup(name string) slog.Handler {
	return minLevel{h.Handler.WithGroup(name), h.least}
}
