package outgoing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/consumers/group/grouptest"
)

func TestAnHTTPAnswerBecomesAVerdict(t *testing.T) {
	for _, tc := range []struct {
		status     int
		retryAfter string
		kind       grouptest.Kind
		after      time.Duration
		healthy    bool
	}{
		{status: 200, kind: grouptest.Done, healthy: true},
		{status: 204, kind: grouptest.Done, healthy: true},
		{status: 302, kind: grouptest.Retry},
		{status: 400, kind: grouptest.Permanent, healthy: true},
		{status: 401, kind: grouptest.Retry},
		{status: 403, kind: grouptest.Retry},
		{status: 404, kind: grouptest.Permanent, healthy: true},
		{status: 407, kind: grouptest.Retry},
		{status: 408, kind: grouptest.Retry},
		{status: 409, kind: grouptest.Permanent, healthy: true},
		{status: 422, kind: grouptest.Permanent, healthy: true},
		{status: 425, kind: grouptest.Retry, healthy: true},
		{status: 429, kind: grouptest.Unavailable, after: time.Second, healthy: true},
		{status: 429, retryAfter: "7", kind: grouptest.Unavailable, after: 7 * time.Second, healthy: true},
		{status: 429, retryAfter: "99999999999", kind: grouptest.Unavailable, after: time.Second, healthy: true}, // no int on some machines, a slip on all
		{status: 500, kind: grouptest.Retry},
		{status: 503, kind: grouptest.Retry},
		{status: 503, retryAfter: "7", kind: grouptest.Unavailable, after: 7 * time.Second},
		{status: 503, retryAfter: "soon", kind: grouptest.Retry},
		{status: 504, retryAfter: "7", kind: grouptest.Retry},
	} {
		rec := httptest.NewRecorder()
		if tc.retryAfter != "" {
			rec.Header().Set("Retry-After", tc.retryAfter)
		}
		rec.WriteHeader(tc.status)
		err := CheckHTTP(rec.Result())
		out := grouptest.Verdict(err)
		var answer *answered
		if healthy := err == nil || errors.As(err, &answer); out.Kind != tc.kind || healthy != tc.healthy {
			t.Errorf("%d %q: %s, healthy %v; want %s, %v", tc.status, tc.retryAfter, out.Kind, healthy, tc.kind, tc.healthy)
		}
		if tc.retryAfter != "99999999999" && out.After != tc.after {
			t.Errorf("%d %q: after %s, want %s", tc.status, tc.retryAfter, out.After, tc.after)
		}
		var he *HTTPError
		if err != nil && (!errors.As(err, &he) || he.Status != tc.status) {
			t.Errorf("%d: %v is no HTTPError of that status", tc.status, err)
		}
	}
}

func TestAnHTTPErrorShowsTheAnswerAndNoSecrets(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":"insufficient_stock"}`+strings.Repeat(" long", 1000), http.StatusConflict)
	}))
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(srv.URL, "://", "://user:hush@", 1)+"/v1/reservations?token=hush", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text := CheckHTTP(resp).Error()
	if want := "POST " + srv.URL + `/v1/reservations: 409 Conflict: {"error":"insufficient_stock"}`; !strings.HasPrefix(text, want) {
		t.Errorf("error %q, want it to begin with %q", text, want)
	}
	if strings.Contains(text, "hush") || len(text) > 700 {
		t.Errorf("error text leaks or is too long (%d bytes): %s", len(text), text)
	}
	srv.CloseClientConnections()
	srv.Client().CloseIdleConnections()
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"-5":                            0,
		"120":                           2 * time.Minute,
		"86400":                         maxRetryAfter,
		"x":                             0,
		"Mon, 23 Nov 2026 04:01:00 GMT": time.Minute,
		"Mon, 23 Nov 2026 03:00:00 GMT": 0,
		"Wed, 23 Nov 2033 04:01:00 GMT": maxRetryAfter,
	} {
		h := http.Header{}
		if value != "" {
			h.Set("Retry-After", value)
		}
		if got := retryAfter(h, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", value, got, want)
		}
	}
}

func TestAnsweredKeepsNilAndText(t *testing.T) {
	if Answered(nil) != nil {
		t.Error("Answered(nil) is an error")
	}
	if err := Answered(errBroken); err.Error() != "broken" || !errors.Is(err, errBroken) {
		t.Errorf("Answered changed its error: %v", err)
	}
	if !IsAnswer(fmt.Errorf("x: %w", Answered(errBroken))) || IsAnswer(errBroken) || IsAnswer(nil) {
		t.Error("IsAnswer does not know answers from failures")
	}
}

func BenchmarkDo(b *testing.B) {
	for name, change := range map[string]func(*Config){
		"whole":          func(c *Config) { c.Breaker.PerShop = false },
		"shops":          func(*Config) {},
		"shops and rate": func(c *Config) { c.Rate, c.Burst, c.ShopRate, c.ShopBurst = 1e9, 1e9, 1e9, 1e9 },
	} {
		client := func(b *testing.B) *Client {
			b.Helper()
			return setup(new(testing.T), change).Client
		}
		b.Run(name, func(b *testing.B) {
			c := client(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Do(context.Background(), "acme.myshopify.com", works); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+", parallel", func(b *testing.B) {
			c := client(b)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := c.Do(context.Background(), "acme.myshopify.com", works); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
