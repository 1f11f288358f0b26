package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group/member"
	"millrace/schemas/secret"
)

func TestDefaultConfigurationsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("DefaultConfig().Validate() error: %v", err)
	}
	if err := DefaultClickHouseConfig().Validate(); err != nil {
		t.Errorf("DefaultClickHouseConfig().Validate() error: %v", err)
	}
}

func TestEverySettingThatCanBeWrongIsReportedWithItsKey(t *testing.T) {
	var c Config // the zero value is wrong everywhere, except where 0 has a meaning
	c.BatchLinger, c.StopGrace, c.RetryBackoffMax, c.BatchBytes = -1, -1, -1, 1<<30
	c.InstanceID = "a b"
	err := c.Validate()
	if err == nil {
		t.Fatal("Validate() = nil")
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if f.Type == reflect.TypeFor[member.Config]() { // its fields are listed as well, as they are squashed
			continue
		}
		key := f.Tag.Get("mapstructure")
		if key == "" || !strings.HasSuffix(f.Tag.Get("help"), ".") {
			t.Errorf("field %s needs a mapstructure tag and a help sentence", f.Name)
		}
		if !strings.Contains("\n"+err.Error(), "\n"+key+" ") {
			t.Errorf("Validate() does not complain about %s: %v", key, err)
		}
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
		c := DefaultClickHouseConfig()
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

func TestClickHouseConfigReportsEveryProblemAndNoSecret(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(c *ClickHouseConfig)
		want   string
	}{
		"no scheme":          {func(c *ClickHouseConfig) { c.URL = "127.0.0.1:8123" }, "url "},
		"another scheme":     {func(c *ClickHouseConfig) { c.URL = "ftp://x" }, "url must begin with"},
		"no host":            {func(c *ClickHouseConfig) { c.URL = "http://" }, "url has no host"},
		"credentials in it":  {func(c *ClickHouseConfig) { c.URL = "http://me:hush@x" }, "url must not hold credentials"},
		"unreadable":         {func(c *ClickHouseConfig) { c.URL = "http://me:hush@x:%zz" }, "url is not a URL"},
		"a query":            {func(c *ClickHouseConfig) { c.URL = "http://x?a=b" }, "url must not have a query"},
		"a native path":      {func(c *ClickHouseConfig) { c.URL = "clickhouse://x/db" }, "url must not have a path"},
		"database":           {func(c *ClickHouseConfig) { c.Database = "a-b" }, "database: "},
		"compression":        {func(c *ClickHouseConfig) { c.Compression = "rar" }, "compression must be"},
		"dial timeout":       {func(c *ClickHouseConfig) { c.DialTimeout = 0 }, "dial_timeout must be"},
		"half a certificate": {func(c *ClickHouseConfig) { c.URL = "https://x"; c.TLS.CertFile = "x" }, "tls.cert_file and tls.key_file"},
		"tls without tls":    {func(c *ClickHouseConfig) { c.TLS.CAFile = "x" }, "tls is set"},
	} {
		t.Run(name, func(t *testing.T) {
			c := DefaultClickHouseConfig()
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
	c := DefaultClickHouseConfig()
	c.Password = secret.Secret("hush")
	if text := fmt.Sprintf("%+v", c); strings.Contains(text, "hush") {
		t.Errorf("the password shows: %s", text)
	}
}

func TestOpenNamesTheTLSFileThatItCannotRead(t *testing.T) {
	c := DefaultClickHouseConfig()
	c.URL, c.TLS.CAFile = "https://x", "/nonexistent/ca.pem"
	if _, err := c.Open(); err == nil || !strings.Contains(err.Error(), "tls.ca_file") {
		t.Errorf("Open() error = %v, want it to name tls.ca_file", err)
	}
}

func TestNewRefusesWhatCannotRun(t *testing.T) {
	ok := Deps{ClickHouse: &DB{}, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()}
	if _, err := New(DefaultConfig(), ok); err != nil {
		t.Errorf("New() error: %v", err)
	}
	for name, change := range map[string]func(c *Config, d *Deps){
		"configuration": func(c *Config, _ *Deps) { c.Group = "" },
		"clickhouse":    func(_ *Config, d *Deps) { d.ClickHouse = nil },
		"logger":        func(_ *Config, d *Deps) { d.Logger = nil },
		"registerer":    func(_ *Config, d *Deps) { d.Registerer = nil },
		"kafka options": func(c *Config, _ *Deps) { c.SessionTimeout = time.Hour; c.CommitTimeout = 0 },
	} {
		c, d := DefaultConfig(), ok
		d.Registerer = prometheus.NewPedanticRegistry()
		change(&c, &d)
		if _, err := New(c, d); err == nil {
			t.Errorf("New() accepted a bad %s", name)
		}
	}
}

func TestFailuresAreClassifiedByWhatToLookAt(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want failure
	}{
		{fmt.Errorf("x: %w", context.DeadlineExceeded), failTimeout},
		{errors.New("connection refused"), failUnavailable},
		{&clickhouse.HTTPError{StatusCode: 502, Err: errors.New("bad gateway")}, failUnavailable},
		{&clickhouse.HTTPError{StatusCode: 500, Err: &clickhouse.Exception{Code: codeTooManyParts}}, failOverloaded},
		{&clickhouse.Exception{Code: codeSocketTimeout}, failTimeout},
		{&clickhouse.Exception{Code: codeAborted}, failUnavailable},
		{&clickhouse.Exception{Code: codeAuthentication}, failDenied},
		{fmt.Errorf("x: %w", &clickhouse.Exception{Code: codeUnknownTable}), failSchema},
		{&clickhouse.Exception{Code: 6}, failOther},
	} {
		if got := classify(tc.err); got != tc.want {
			t.Errorf("classify(%v) = %s, want %s", tc.err, got, tc.want)
		}
	}
}

func TestBackoffGrowsToItsLimitAndNeverBeyond(t *testing.T) {
	for n := range 200 {
		d := pause.Backoff(n, 100*time.Millisecond, 5*time.Second)
		least, most := 50*time.Millisecond, 5*time.Second
		if n < 5 {
			least, most = 50*time.Millisecond<<n, 100*time.Millisecond<<n
		} else if n > 6 {
			least = 2500 * time.Millisecond
		}
		if d < least || d > most {
			t.Errorf("pause.Backoff(%d) = %s, want from %s to %s", n, d, least, most)
		}
	}
}
