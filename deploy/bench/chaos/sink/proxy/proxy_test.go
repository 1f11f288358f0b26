package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// backend is an engine that remembers what it was sent in full.
type backend struct {
	mu   sync.Mutex
	got  []string
	came chan string
}

func newBackend(t *testing.T) (*backend, string) {
	t.Helper()
	b := &backend{came: make(chan string, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.got = append(b.got, string(text))
		b.mu.Unlock()
		b.came <- string(text)
		_, _ = io.WriteString(w, "answer to "+string(text))
	}))
	t.Cleanup(server.Close)
	return b, strings.TrimPrefix(server.URL, "http://")
}

func (b *backend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.got)
}

func open(t *testing.T, target string, rates Rates) (*Proxy, *Door) {
	t.Helper()
	p := New(target, rates, 1)
	d, err := p.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Wait(ctx); err != nil {
			t.Error(err)
		}
		d.Close()
	})
	return p, d
}

// send posts one insert and returns the answer.
func send(ctx context.Context, t *testing.T, d *Door, body string) (string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL()+"/?query=INSERT+INTO+t+FORMAT+Native", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func TestWhatIsNotHarmedGoesThrough(t *testing.T) {
	b, target := newBackend(t)
	p, d := open(t, target, Rates{})
	for range 5 {
		if text, err := send(t.Context(), t, d, "rows"); err != nil || text != "answer to rows" {
			t.Fatalf("%q, %v", text, err)
		}
	}
	if b.count() != 5 || p.Counts() != (Counts{Inserts: 5}) {
		t.Errorf("the backend has %d, counts %+v", b.count(), p.Counts())
	}
}

func TestAHeldInsertOutlivesItsSender(t *testing.T) {
	b, target := newBackend(t)
	_, d := open(t, target, Rates{})
	h := d.HoldNext()
	ctx, die := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := send(ctx, t, d, "late")
		failed <- err
	}()
	<-h.Held()
	die()
	if err := <-failed; err == nil {
		t.Fatal("the sender got an answer")
	}
	if text, err := send(t.Context(), t, d, "successor"); err != nil || text != "answer to successor" {
		t.Fatalf("%q, %v", text, err)
	}
	h.LetGo()
	<-h.Gone()
	if got := []string{<-b.came, <-b.came}; got[0] != "successor" || got[1] != "late" {
		t.Errorf("the backend got %q", got)
	}
}

func TestInsertsWithAKnownTokenAreCounted(t *testing.T) {
	_, target := newBackend(t)
	p, d := open(t, target, Rates{})
	for _, token := range []string{"a", "b", "a", ""} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL()+"/?insert_deduplication_token="+token, strings.NewReader("INSERT INTO t"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if got := p.Counts(); got.Repeated != 1 || got.Inserts != 4 {
		t.Errorf("%+v", got)
	}
}

func TestAForgottenHoldHoldsNothing(t *testing.T) {
	_, target := newBackend(t)
	_, d := open(t, target, Rates{})
	d.Forget(d.HoldNext())
	if _, err := send(t.Context(), t, d, "rows"); err != nil {
		t.Error(err)
	}
}

func TestEachHarm(t *testing.T) {
	for name, tc := range map[string]struct {
		rates   Rates
		arrives bool
		answer  bool
	}{
		"delay":   {Rates{Delay: 1}, true, true},
		"drop":    {Rates{Drop: 1}, true, false},
		"lose":    {Rates{Lose: 1}, false, false},
		"half":    {Rates{Half: 1}, false, false},
		"partial": {Rates{Partial: 1}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, target := newBackend(t)
			p, d := open(t, target, tc.rates)
			if _, err := send(t.Context(), t, d, strings.Repeat("rows", 100)); (err == nil) != tc.answer {
				t.Errorf("the sender got %v", err)
			}
			if arrived := b.count() == 1; arrived != tc.arrives {
				t.Errorf("arrived: %v", arrived)
			}
			p.Calm()
			if _, err := send(t.Context(), t, d, "rows"); err != nil {
				t.Errorf("calm, and yet %v", err)
			}
			if p.UnderWay() != 0 {
				t.Errorf("%d inserts under way at the end", p.UnderWay())
			}
		})
	}
}

func TestAQueryIsNeverHarmed(t *testing.T) {
	_, target := newBackend(t)
	p, d := open(t, target, Rates{Lose: 1})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL(), strings.NewReader("SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if p.Counts().Inserts != 0 {
		t.Error("a query was taken for an insert")
	}
}
