package console

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"millrace/consumers/analytics/reports"
	"millrace/schemas/secret"
)

// Values of Config.Auth.
const (
	authAuto = "auto"
	authOn   = "on"
	authOff  = "off"
)

// Config is what an operator may change.
type Config struct {
	Listen   string         `mapstructure:"listen" help:"Address of the console's web page, host:port; on loopback unless you move it."`
	Auth     string         `mapstructure:"auth" help:"Whether the console asks for user and password: on, off, or auto, which is on unless the listener is on loopback."`
	User     string         `mapstructure:"user" help:"User name that the console asks for."`
	Password secret.Secret  `mapstructure:"password" help:"Password that the console asks for; it must be set wherever the console asks."`
	Hosts    []string       `mapstructure:"hosts" help:"More host names under which the page may be asked for without a password, e.g. behind a proxy; those of the machine itself always may. A name that is not known here is refused, so that a strange web page cannot read the console through a name of its own."`
	TLS      TLSConfig      `mapstructure:"tls"`
	Query    reports.Config `mapstructure:"query"`
}

// TLSConfig switches HTTPS on.
type TLSConfig struct {
	CertFile string `mapstructure:"cert_file" help:"PEM certificate chain; set with key_file to serve HTTPS. Read at the start."`
	KeyFile  string `mapstructure:"key_file" help:"PEM private key of cert_file."`
}

// DefaultConfig is a page on this machine, for whoever is on it.
func DefaultConfig() Config {
	return Config{Listen: "127.0.0.1:8088", Auth: authAuto, User: "millrace", Query: reports.DefaultConfig()}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("listen must be host:port, is %q", c.Listen))
	}
	switch c.Auth {
	case authAuto, authOn, authOff:
	default:
		errs = append(errs, fmt.Errorf("auth must be auto, on or off, is %q", c.Auth))
	}
	if c.asks() {
		if c.Password == "" {
			errs = append(errs, fmt.Errorf("password must be set (or password_file): the console asks for one on %s; auth off serves it to everybody who reaches it", c.Listen))
		}
		if c.User == "" || strings.Contains(c.User, ":") {
			errs = append(errs, fmt.Errorf("user must be set and have no colon, is %q", c.User))
		}
	}
	for i, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/ ") {
			errs = append(errs, fmt.Errorf("hosts[%d] must be a host name, is %q", i, h))
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("tls.cert_file and tls.key_file must be set together"))
	}
	if err := c.Query.Validate(); err != nil {
		for _, one := range flat(err) {
			errs = append(errs, fmt.Errorf("query.%w", one))
		}
	}
	return errors.Join(errs...)
}

// flat are the single errors of a joined one.
func flat(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, flat(one)...)
	}
	return all
}

// asks tells whether a password is asked for.
func (c Config) asks() bool {
	return c.Auth == authOn || (c.Auth == authAuto && !c.loopback())
}

// loopback tells whether only this machine reaches the listener. A name other than localhost may be anything.
func (c Config) loopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
