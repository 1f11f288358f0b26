package database

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"millrace/schemas/ddl"
	"millrace/schemas/secret"
)

// Config is the section "clickhouse": how to reach the server and where the tables live.
type Config struct {
	URL         string        `mapstructure:"url" help:"Server address: http://host:8123, https://host:8443, clickhouse://host:9000 (native) or clickhouses://host:9440 (native over TLS); without credentials in it."`
	Database    string        `mapstructure:"database" help:"Database of the tables; letters, digits and underscores; created by the migrations where it is missing."`
	Cluster     string        `mapstructure:"cluster" help:"Cluster of the server's configuration to create the tables on, as replicas of one shard; {cluster} stands for the server's own; empty means this server alone. To be set before the first migration; url must then lead each process to one replica at a time, not to a balancer that spreads requests."`
	User        string        `mapstructure:"user" help:"User name; empty means the server's user default."`
	Password    secret.Secret `mapstructure:"password" help:"Password of the user; empty means none."`
	Compression string        `mapstructure:"compression" help:"Compression between program and server: lz4, zstd or none."`
	DialTimeout time.Duration `mapstructure:"dial_timeout" help:"Longest wait for a connection, e.g. 5s; at least 100ms."`
	Fsync       bool          `mapstructure:"fsync" help:"Force every inserted part to disk before the insert is acknowledged: what is committed then survives a power loss of the server, at the price of slower inserts."`
	TLS         TLSConfig     `mapstructure:"tls"`
}

// TLSConfig applies to https and clickhouses URLs.
type TLSConfig struct {
	CAFile             string `mapstructure:"ca_file" help:"PEM file of the authorities to trust; empty means the system's."`
	CertFile           string `mapstructure:"cert_file" help:"PEM file of the client certificate; empty means none; needs key_file."`
	KeyFile            string `mapstructure:"key_file" help:"PEM file of the client certificate's key; needs cert_file."`
	ServerName         string `mapstructure:"server_name" help:"Name to expect in the server's certificate; empty means the host of the URL."`
	InsecureSkipVerify bool   `mapstructure:"insecure_skip_verify" help:"Accept any server certificate; for trials only, the connection can then be intercepted."`
}

// DefaultConfig is a server on this machine.
func DefaultConfig() Config {
	return Config{
		URL:         "http://127.0.0.1:8123",
		Database:    "millrace",
		Compression: "lz4",
		DialTimeout: 5 * time.Second,
	}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var errs []error
	if _, err := c.endpoint(); err != nil {
		errs = append(errs, fmt.Errorf("url %w", err))
	}
	if _, err := ddl.Quote(c.Database); err != nil {
		errs = append(errs, fmt.Errorf("database: %w", err))
	}
	if c.Cluster != "" {
		if err := ddl.CheckCluster(c.Cluster); err != nil {
			errs = append(errs, fmt.Errorf("cluster: %w", err))
		}
	}
	if _, err := compression(c.Compression); err != nil {
		errs = append(errs, err)
	}
	if c.DialTimeout < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("dial_timeout must be at least 100ms, is %s", c.DialTimeout))
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("tls.cert_file and tls.key_file must be set together"))
	}
	if e, err := c.endpoint(); err == nil && !e.tls && c.TLS != (TLSConfig{}) {
		errs = append(errs, fmt.Errorf("tls is set but url %s does not use TLS: write https or clickhouses", c.URL))
	}
	return errors.Join(errs...)
}

// endpoint is a URL taken apart.
type endpoint struct {
	address string // host:port
	path    string
	native  bool
	tls     bool
}

func (c Config) endpoint() (endpoint, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		// The parser's own message repeats the text, which may hold a password.
		return endpoint{}, errors.New("is not a URL")
	}
	var e endpoint
	var port string
	switch u.Scheme {
	case "http":
		port = "8123"
	case "https":
		port, e.tls = "8443", true
	case "clickhouse":
		port, e.native = "9000", true
	case "clickhouses":
		port, e.native, e.tls = "9440", true, true
	default:
		return endpoint{}, fmt.Errorf("must begin with http, https, clickhouse or clickhouses, begins with %q", u.Scheme)
	}
	switch {
	case u.User != nil:
		return endpoint{}, errors.New("must not hold credentials: use the keys user and password, which are masked in dumps and logs")
	case u.Hostname() == "":
		return endpoint{}, errors.New("has no host")
	case u.RawQuery != "" || u.Fragment != "":
		return endpoint{}, errors.New("must not have a query: use the keys of this section")
	case e.native && u.Path != "" && u.Path != "/":
		return endpoint{}, errors.New("must not have a path: the database is the key database")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	e.address = net.JoinHostPort(u.Hostname(), port)
	if u.Path != "/" {
		e.path = u.Path
	}
	return e, nil
}

// client returns the TLS settings, reading the files now.
func (c TLSConfig) client() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName, InsecureSkipVerify: c.InsecureSkipVerify} //nolint:gosec // the operator's choice, documented as unsafe
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca_file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read tls.ca_file: no certificate in %s", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert_file and tls.key_file: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
