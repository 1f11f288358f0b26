package kafkaconn

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/schemas/secret"
)

// SASL mechanisms, as Kafka names them.
const (
	MechanismPlain       = "PLAIN"
	MechanismScramSHA256 = "SCRAM-SHA-256"
	MechanismScramSHA512 = "SCRAM-SHA-512"
)

// Config is how to reach Kafka.
type Config struct {
	Brokers     []string      `mapstructure:"brokers" help:"Addresses of some Kafka brokers, host:port; the others are learned from them."`
	ClientID    string        `mapstructure:"client_id" help:"Name that brokers see in their logs, metrics and quotas."`
	DialTimeout time.Duration `mapstructure:"dial_timeout" help:"Time to connect to a broker, the TLS handshake included; at least 100ms."`
	TLS         TLS           `mapstructure:"tls"`
	SASL        SASL          `mapstructure:"sasl"`
}

// TLS is how the connection is encrypted and who proves what by certificate.
type TLS struct {
	Enabled            bool   `mapstructure:"enabled" help:"Encrypt connections to Kafka."`
	CAFile             string `mapstructure:"ca_file" help:"PEM file of the certificate authorities that may sign the brokers' certificates; empty for the system's."`
	CertFile           string `mapstructure:"cert_file" help:"PEM client certificate chain, where brokers ask for one; read at each connection, so that it can be renewed in place."`
	KeyFile            string `mapstructure:"key_file" help:"PEM private key of cert_file."`
	ServerName         string `mapstructure:"server_name" help:"Name that the brokers' certificates must bear; empty for the host that is dialled."`
	InsecureSkipVerify bool   `mapstructure:"insecure_skip_verify" help:"Accept any certificate: anybody on the way can then read and change everything. For experiments only."`
}

// SASL is how the client proves who it is.
type SASL struct {
	Mechanism string        `mapstructure:"mechanism" help:"How to log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, or empty for not at all."`
	Username  string        `mapstructure:"username" help:"User of the login."`
	Password  secret.Secret `mapstructure:"password" help:"Password of the login. PLAIN sends it as it is, so it needs tls."`
}

const (
	defaultDialTimeout = 10 * time.Second
	minDialTimeout     = 100 * time.Millisecond
)

// DefaultConfig returns the settings for a broker on this machine, such as the embedded one.
func DefaultConfig() Config {
	return Config{Brokers: []string{"127.0.0.1:9092"}, ClientID: "millrace", DialTimeout: defaultDialTimeout}
}

// Validate returns all that is wrong, joined, each line beginning with its key. It looks at the values alone; files are read,
// and reported, by Options.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Brokers) == 0 {
		bad("brokers must name at least one broker, host:port")
	}
	for i, b := range c.Brokers {
		if !validAddress(b) {
			bad("brokers[%d] must be host:port, is %q", i, b)
		}
	}
	if c.ClientID == "" {
		bad("client_id must not be empty")
	}
	if c.DialTimeout < minDialTimeout {
		bad("dial_timeout must be at least %s, is %s", minDialTimeout, c.DialTimeout)
	}
	errs = append(errs, c.TLS.problems()...)
	errs = append(errs, c.SASL.problems()...)
	return errors.Join(errs...)
}

func validAddress(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// problems also reports settings that would be silently without effect: whoever names a CA believes to be talking TLS.
func (t TLS) problems() []error {
	var errs []error
	for _, f := range []struct {
		key string
		set bool
	}{
		{"ca_file", t.CAFile != ""},
		{"cert_file", t.CertFile != ""},
		{"key_file", t.KeyFile != ""},
		{"server_name", t.ServerName != ""},
		{"insecure_skip_verify", t.InsecureSkipVerify},
	} {
		if f.set && !t.Enabled {
			errs = append(errs, fmt.Errorf("tls.%s has no effect unless tls.enabled is true", f.key))
		}
	}
	if t.CertFile != "" && t.KeyFile == "" {
		errs = append(errs, errors.New("tls.key_file must be set, since tls.cert_file is"))
	}
	if t.KeyFile != "" && t.CertFile == "" {
		errs = append(errs, errors.New("tls.cert_file must be set, since tls.key_file is"))
	}
	return errs
}

func (s SASL) problems() []error {
	if s.Mechanism == "" {
		if s.Username != "" || s.Password != "" {
			return []error{fmt.Errorf("sasl.mechanism must be one of %s when there is a username or a password", strings.Join(mechanisms(), ", "))}
		}
		return nil
	}
	var errs []error
	if !slices.Contains(mechanisms(), s.Mechanism) {
		errs = append(errs, fmt.Errorf("sasl.mechanism must be empty or one of %s, is %q", strings.Join(mechanisms(), ", "), s.Mechanism))
	}
	if s.Username == "" {
		errs = append(errs, fmt.Errorf("sasl.username must be set for %s", s.Mechanism))
	}
	if s.Password == "" {
		errs = append(errs, fmt.Errorf("sasl.password must be set for %s", s.Mechanism))
	}
	return errs
}

func mechanisms() []string {
	return []string{MechanismPlain, MechanismScramSHA256, MechanismScramSHA512}
}
