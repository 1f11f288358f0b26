package console_test

import (
	"net/http"
	"strings"
	"testing"

	"millrace/console"
)

func TestAPasswordIsAskedForOffLoopback(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		listen, auth string
		asks         bool
	}{
		"loopback":          {"127.0.0.1:8088", "auto", false},
		"loopback of IPv6":  {"[::1]:8088", "auto", false},
		"localhost":         {"localhost:8088", "auto", false},
		"loopback, if told": {"127.0.0.1:8088", "on", true},
		"all addresses":     {":8088", "auto", true},
		"an address":        {"10.0.0.5:8088", "auto", true},
		"a name":            {"console.internal:8088", "auto", true},
		"off, if told":      {":8088", "off", false},
	} {
		cfg := console.DefaultConfig()
		cfg.Listen, cfg.Auth = c.listen, c.auth
		err := cfg.Validate()
		if asks := err != nil && strings.HasPrefix(err.Error(), "password must be set"); asks != c.asks {
			t.Errorf("%s: Validate() = %v, want a password to be asked for: %v", name, err, c.asks)
		}
		if cfg.Password = "hush"; cfg.Validate() != nil {
			t.Errorf("%s: with a password: %v", name, cfg.Validate())
		}
	}
}

func TestOnlyWhoKnowsThePasswordComesIn(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, &fake{}, func(c *console.Config, _ *console.Deps) {
		c.Listen, c.User, c.Password = ":8088", "ann", "hush"
	})
	for name, c := range map[string]struct {
		user, password string
		status         int
	}{
		"right":          {"ann", "hush", 200},
		"wrong password": {"ann", "hus", 401},
		"longer":         {"ann", "hushh", 401},
		"wrong user":     {"bob", "hush", 401},
		"empty":          {"", "", 401},
	} {
		for _, path := range []string{"/", "/app.js", "/api/v1/totals", "/healthz"} {
			w := get(t, s, path, func(r *http.Request) { r.SetBasicAuth(c.user, c.password); r.Host = "console.example" })
			if w.Code != c.status {
				t.Errorf("%s: GET %s = %d, want %d", name, path, w.Code, c.status)
			}
		}
	}
	w := get(t, s, "/api/v1/totals")
	if w.Code != 401 || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") || !strings.Contains(w.Body.String(), "unauthorized") {
		t.Errorf("without credentials: %d %v %s, want to be asked", w.Code, w.Header(), w.Body)
	}
}

// A page elsewhere can point its own name at this machine; the browser then sends that name.
func TestAStrangeNameIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, &fake{}, func(c *console.Config, _ *console.Deps) { c.Hosts = []string{"Console.Internal"} })
	for host, status := range map[string]int{
		"127.0.0.1:8088": 200, "localhost:8088": 200, "localhost": 200, "[::1]:8088": 200, "LOCALHOST.": 200, "console.internal": 200, "192.168.1.4:8088": 200,
		"evil.example": 403, "evil.example:8088": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "": 403,
	} {
		if w := get(t, s, "/api/v1/totals", func(r *http.Request) { r.Host = host }); w.Code != status {
			t.Errorf("Host %q: %d, want %d", host, w.Code, status)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, &fake{}, nil)
	for _, path := range []string{"/", "/app.js", "/api/v1/totals", "/nothing", "/api/v1/nothing", "/../server.go", "/web/index.html"} {
		w := get(t, s, path)
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("GET %s has headers %v", path, w.Header())
		}
		if strings.Contains(path, "nothing") || strings.Contains(path, "server.go") || strings.Contains(path, "web/") {
			if w.Code != 404 {
				t.Errorf("GET %s = %d, want 404", path, w.Code)
			}
		} else if w.Code != 200 {
			t.Errorf("GET %s = %d, want 200", path, w.Code)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if w := get(t, s, "/api/v1/totals", func(r *http.Request) { r.Method = method }); w.Code != 405 || w.Header().Get("Allow") == "" {
			t.Errorf("%s = %d, want 405", method, w.Code)
		}
	}
	if w := get(t, s, "/api/v1/totals", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); w.Code != 403 {
		t.Errorf("asked by another site's page: %d, want 403", w.Code)
	}
	if w := get(t, s, "/", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); w.Code != 200 {
		t.Errorf("a link from another site: %d, want 200", w.Code)
	}
}
