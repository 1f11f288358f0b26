package shopify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"millrace/schemas"
)

// store answers requests in the place of a shop.
type store func(query string, vars map[string]any) (code int, header map[string]string, body string)

func (f store) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var q struct {
		Query     string
		Variables map[string]any
	}
	if err := json.Unmarshal(text, &q); err != nil {
		return nil, err
	}
	code, header, body := f(q.Query, q.Variables)
	if code == 0 {
		return nil, errors.New("connection reset")
	}
	resp := &http.Response{StatusCode: code, Status: fmt.Sprint(code), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
	for k, v := range header {
		resp.Header.Set(k, v)
	}
	return resp, nil
}

func open(t *testing.T, f store) *Store {
	t.Helper()
	c, err := New(DefaultConfig(), Deps{Logger: slog.New(slog.DiscardHandler), Transport: f})
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	return c.Store("acme.myshopify.com", "hush")
}

const noLocations = `{"data":{"locations":{"nodes":[],"pageInfo":{"hasNextPage":false}}}}`

func TestAStoreThatMayAnswerLaterIsAskedAgain(t *testing.T) {
	throttled := `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],
		"extensions":{"cost":{"requestedQueryCost":700,"actualQueryCost":null,"throttleStatus":{"maximumAvailable":1000,"currentlyAvailable":200,"restoreRate":50}}}}`
	for name, tc := range map[string]struct {
		code   int
		header map[string]string
		body   string
		least  time.Duration // that is waited
	}{
		"no answer":           {code: 0},
		"an error of its own": {code: 502, body: "Bad Gateway"},
		"too many requests":   {code: 429, header: map[string]string{"Retry-After": "7.0"}, least: 7 * time.Second},
		"throttled":           {code: 200, body: throttled, least: 10 * time.Second},
		"an internal error":   {code: 200, body: `{"errors":[{"message":"Internal error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}`},
		"half a page of HTML": {code: 200, body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				s := open(t, func(string, map[string]any) (int, map[string]string, string) {
					if asked++; asked == 1 {
						return tc.code, tc.header, tc.body
					}
					return 200, nil, noLocations
				})
				start := time.Now()
				if _, err := s.Locations(t.Context()); err != nil || asked != 2 {
					t.Errorf("Locations() error: %v after %d requests", err, asked)
				}
				if took := time.Since(start); took < max(tc.least, firstPause/2) || took > tc.least+firstPause*2 {
					t.Errorf("asked again after %s, want %s", took, tc.least)
				}
			})
		})
	}
}

func TestAStoreThatRefusesIsNotAskedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		code int
		body string
		want error
	}{
		"a bad token":      {401, `{"errors":"[API] Invalid API key"}`, ErrDenied},
		"a missing scope":  {200, `{"data":{"locations":null},"errors":[{"message":"Access denied","extensions":{"code":"ACCESS_DENIED"}}]}`, ErrDenied},
		"no such shop":     {404, `{"errors":"Not Found"}`, ErrNotFound},
		"a frozen shop":    {402, "", ErrRefused},
		"a redirect":       {301, "", ErrRefused},
		"an unknown field": {200, `{"errors":[{"message":"Field 'x' doesn't exist"}]}`, ErrRefused},
	} {
		asked := 0
		s := open(t, func(string, map[string]any) (int, map[string]string, string) {
			asked++
			return tc.code, map[string]string{"Location": "https://elsewhere.example/"}, tc.body
		})
		if _, err := s.Locations(t.Context()); !errors.Is(err, tc.want) || asked != 1 {
			t.Errorf("%s: %v after %d requests, want %v after one", name, err, asked, tc.want)
		}
	}
}

func TestAStoreThatStaysAwayIsGivenUpAndAStopEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, func(string, map[string]any) (int, map[string]string, string) { return 503, nil, "" })
		start := time.Now()
		_, err := s.Locations(t.Context())
		if took := time.Since(start); !errors.Is(err, errPassing) || took > DefaultConfig().MaxWait || took < DefaultConfig().MaxWait/2 {
			t.Errorf("given up after %s: %v", took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := s.Locations(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("stopped after %s: %v", time.Since(start), err)
		}
	})
}

// TestTheRateLimitIsKept asks for more than the bucket restores; the store never has to throttle.
func TestTheRateLimitIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, restore, requested, actual = 1000.0, 50.0, 400.0, 300.0
		has, at, throttled := most, time.Now(), 0
		s := open(t, func(string, map[string]any) (int, map[string]string, string) {
			now := time.Now()
			has, at = min(most, has+now.Sub(at).Seconds()*restore), now
			status := func() string {
				return fmt.Sprintf(`"throttleStatus":{"maximumAvailable":%v,"currentlyAvailable":%d,"restoreRate":%v}`, most, int(has), restore)
			}
			if requested > has {
				throttled++
				return 200, nil, fmt.Sprintf(`{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":{"requestedQueryCost":%v,"actualQueryCost":null,%s}}}`, requested, status())
			}
			has -= actual
			return 200, nil, fmt.Sprintf(`{"data":{"locations":{"nodes":[],"pageInfo":{"hasNextPage":false}}},"extensions":{"cost":{"requestedQueryCost":%v,"actualQueryCost":%v,%s}}}`, requested, actual, status())
		})
		start := time.Now()
		for range 20 {
			if _, err := s.Locations(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		took := time.Since(start).Seconds()
		if throttled != 0 {
			t.Errorf("throttled %d times", throttled)
		}
		if least := (20*actual - most) / restore; took < least || took > least+10 {
			t.Errorf("20 queries took %.0f s, want little more than %.0f", took, least)
		}
	})
}

// TestAListingGoesBeyondWhatOneCanPage lists more orders than Shopify pages, some of them changed in the same second.
func TestAListingGoesBeyondWhatOneCanPage(t *testing.T) {
	const orders, perSecond, page = 45_000, 30, 50
	base := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	s := open(t, func(_ string, vars map[string]any) (int, map[string]string, string) {
		var from string
		_, _ = fmt.Sscanf(fmt.Sprint(vars["filter"]), "updated_at:>=%s", &from)
		since, err := time.Parse("'2006-01-02T15:04:05Z'", from)
		if err != nil {
			return 400, nil, err.Error()
		}
		first := max(0, int(since.Sub(base)/time.Second)*perSecond)
		at := 0
		if after, ok := vars["after"].(string); ok {
			_, _ = fmt.Sscan(after, &at)
		}
		if at >= 25_000 {
			return 200, nil, `{"errors":[{"message":"too deep"}]}`
		}
		var nodes []string
		end := min(first+at+page, orders)
		for n := first + at; n < end; n++ {
			nodes = append(nodes, fmt.Sprintf(`{"id":"gid://shopify/Order/%d","updatedAt":%q}`, n+1, base.Add(time.Duration(n/perSecond)*time.Second).Format(time.RFC3339)))
		}
		return 200, nil, fmt.Sprintf(`{"data":{"orders":{"nodes":[%s],"pageInfo":{"hasNextPage":%v,"endCursor":"%d"}}}}`, strings.Join(nodes, ","), end < orders, at+page)
	})
	seen := map[schemas.ID]int{}
	for batch, err := range s.Orders(t.Context(), base, base.Add(time.Hour)) {
		if err != nil {
			t.Fatalf("Orders() error: %v", err)
		}
		for _, o := range batch {
			seen[o.ID]++
		}
	}
	if len(seen) != orders {
		t.Errorf("%d orders listed, want %d", len(seen), orders)
	}
	for id, n := range seen {
		if n != 1 {
			t.Fatalf("order %s came %d times", id, n)
		}
	}
}
