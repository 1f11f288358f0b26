package database

import (
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/deploy/embedded/engine"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas/secret"
)

// User, password and TLS are settings that work: the engine asks for a password, and a proxy puts TLS in front of it, as a
// load balancer does.
func TestClickHouseIsReachedWithAPasswordAndOverTLS(t *testing.T) {
	e := enginetest.Start(t, enginetest.WithConfig(func(c *engine.Config) { c.User, c.Password = "millrace", "hush" }))
	target, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	t.Cleanup(proxy.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		url, ca  string
		password secret.Secret
		fails    string // part of the error, "" when it must work
	}{
		"password":                          {e.URL, "", "hush", ""},
		"wrong password":                    {e.URL, "", "loud", "password"},
		"password over TLS":                 {proxy.URL, ca, "hush", ""},
		"wrong password over TLS":           {proxy.URL, ca, "loud", "password"},
		"TLS with an authority not trusted": {proxy.URL, "", "hush", "certificate"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.URL, cfg.User, cfg.Password, cfg.TLS.CAFile = tt.url, "millrace", tt.password, tt.ca
			db, err := cfg.Open()
			if err != nil {
				t.Fatalf("Open() error: %v", err)
			}
			defer db.Close()
			_, err = Migrate(t.Context(), db, MigrateOptions{Logger: slog.New(slog.DiscardHandler)})
			switch {
			case tt.fails == "" && err != nil:
				t.Errorf("Migrate() error: %v", err)
			case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
				t.Errorf("Migrate() = %v, want an error about %s", err, tt.fails)
			}
		})
	}
}
