package database

import (
	"fmt"
	"strings"
	"testing"

	"millrace/schemas/secret"
)

func TestTheDefaultConfigurationIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("DefaultConfig().Validate() error: %v", err)
	}
}

func TestClickHouseURLs(t *testing.T) {
	for url, want := range map[string]endpoint{
		"http://127.0.0.1:8123":     {address: "127.0.0.1:8123"},
		"http://ch":                 {address: "ch:8123"},
		"https://ch/proxy":          {address: "ch:8443", path: "/proxy", tls: true},
		"clickhouse://ch":           {address: "ch:9000", native: true},
		"clickhouses://[::1]:1234/": {address: "[::1]:1234", native: true, tls: true},
	} {
		c := DefaultConfig()
		c.URL = url
		if got, err := c.endpoint(); err != nil || got != want {
			t.Errorf("endpoint(%s) = %+v, %v; want %+v", url, got, err, want)
		}
		db, err := c.Open()
		if err != nil {
			t.Errorf("Open(%s) error: %v", url, err)
			continue
		}
		if err := db.Close(); err != nil {
			t.Errorf("Close() error: %v", err)
		}
	}
}

func TestConfigReportsEveryProblemAndNoSecret(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(c *Config)
		want   string
	}{
		"no scheme":          {func(c *Config) { c.URL = "127.0.0.1:8123" }, "url "},
		"another scheme":     {func(c *Config) { c.URL = "ftp://x" }, "url must begin with"},
		"no host":            {func(c *Config) { c.URL = "http://" }, "url has no host"},
		"credentials in it":  {func(c *Config) { c.URL = "http://me:hush@x" }, "url must not hold credentials"},
		"unreadable":         {func(c *Config) { c.URL = "http://me:hush@x:%zz" }, "url is not a URL"},
		"a query":            {func(c *Config) { c.URL = "http://x?a=b" }, "url must not have a query"},
		"a native path":      {func(c *Config) { c.URL = "clickhouse://x/db" }, "url must not have a path"},
		"database":           {func(c *Config) { c.Database = "a-b" }, "database: "},
		"cluster":            {func(c *Config) { c.Cluster = "a'b" }, "cluster: "},
		"compression":        {func(c *Config) { c.Compression = "rar" }, "compression must be"},
		"dial timeout":       {func(c *Config) { c.DialTimeout = 0 }, "dial_timeout must be"},
		"half a certificate": {func(c *Config) { c.URL = "https://x"; c.TLS.CertFile = "x" }, "tls.cert_file and tls.key_file"},
		"tls without tls":    {func(c *Config) { c.TLS.CAFile = "x" }, "tls is set"},
	} {
		t.Run(name, func(t *testing.T) {
			c := DefaultConfig()
			tc.change(&c)
			err := c.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("Validate() error = %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows the password: %v", err)
			}
			if _, err := c.Open(); err == nil {
				t.Error("Open() accepted it")
			}
		})
	}
	c := DefaultConfig()
	c.Password = secret.Secret("hush")
	if text := fmt.Sprintf("%+v", c); strings.Contains(text, "hush") {
		t.Errorf("the password shows: %s", text)
	}
}

func TestOpenNamesTheTLSFileThatItCannotRead(t *testing.T) {
	c := DefaultConfig()
	c.URL, c.TLS.CAFile = "https://x", "/nonexistent/ca.pem"
	if _, err := c.Open(); err == nil || !strings.Contains(err.Error(), "tls.ca_file") {
		t.Errorf("Open() error = %v, want it to name tls.ca_file", err)
	}
}
