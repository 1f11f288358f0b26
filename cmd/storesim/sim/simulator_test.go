package sim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"millrace/cmd/storesim/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDeliveriesAreSignedAndNamedAsShopifyDoes(t *testing.T) {
	cfg := testConfig()
	cfg.Events = 100
	v := &receiver{}
	run(t, cfg, v)
	if len(v.calls) != 100 {
		t.Fatalf("%d requests, want 100", len(v.calls))
	}
	topics := map[string]map[string]bool{} // by event id
	for _, c := range v.calls {
		mac := hmac.New(sha256.New, []byte("hush"))
		mac.Write([]byte(c.body))
		if got, want := c.header.Get("X-Shopify-Hmac-Sha256"), base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("signature %q, want %q", got, want)
		}
		if err := uuid.Validate(c.header.Get("X-Shopify-Webhook-Id")); err != nil {
			t.Errorf("webhook id %q: %v", c.header.Get("X-Shopify-Webhook-Id"), err)
		}
		if !strings.HasSuffix(c.header.Get("X-Shopify-Shop-Domain"), ".myshopify.com") || c.header.Get("X-Shopify-Api-Version") != APIVersion {
			t.Errorf("headers %v", c.header)
		}
		if c.header.Get("Content-Type") != "application/json" || c.header.Get("User-Agent") != "Shopify-Captain-Hook" {
			t.Errorf("headers %v", c.header)
		}
		if _, err := time.Parse(time.RFC3339Nano, c.header.Get("X-Shopify-Triggered-At")); err != nil {
			t.Errorf("triggered-at: %v", err)
		}
		id := c.header.Get("X-Shopify-Event-Id")
		if topics[id] == nil {
			topics[id] = map[string]bool{}
		}
		topics[id][c.header.Get("X-Shopify-Topic")] = true
	}
	shared := 0
	for _, set := range topics {
		if len(set) > 1 {
			shared++
		}
	}
	if shared == 0 {
		t.Error("no event id is shared by two topics of one action")
	}
}

// TestAFlakyReceiver fails a tenth of the requests and holds every entry of the ledger against what the receiver saw.
func TestAFlakyReceiverGetsEveryEventInTheOrderOfItsEntity(t *testing.T) {
	cfg := testConfig()
	cfg.Events, cfg.Duplicates, cfg.Disorder, cfg.TimeScale = 1000, 0.1, 0.1, 1e6
	v := &receiver{decide: func(n int, _ *http.Request) int {
		if n%10 == 3 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}}
	stats, b := run(t, cfg, v)
	if stats.Events != 1000 || stats.Acked != 1000 || len(b.entries) != 1000 || stats.GivenUp+stats.Abandoned+stats.Unsent+stats.Pending != 0 {
		t.Fatalf("stats %+v, %d lines in the ledger", stats, len(b.entries))
	}
	if stats.Attempts != int64(len(v.calls)) || stats.Retries == 0 || stats.Statuses[200]+stats.Statuses[503] != stats.Attempts {
		t.Errorf("stats %+v for %d requests", stats, len(v.calls))
	}
	first, acks, calls := map[string]int{}, map[string]int{}, map[string]int{}
	for n, c := range v.calls {
		id := c.header.Get("X-Shopify-Webhook-Id")
		calls[id]++
		if c.code == http.StatusOK {
			if acks[id] == 0 {
				first[id] = n
			}
			acks[id]++
		}
	}
	checkLines(t, b.entries, v.calls, acks, calls)
	checkOrder(t, b.entries, first)
}

// checkLines compares the ledger with what the receiver saw.
func checkLines(t *testing.T, entries []ledger.Entry, seen []call, acks, calls map[string]int) {
	t.Helper()
	bodies := map[string]string{}
	for _, c := range seen {
		id := c.header.Get("X-Shopify-Webhook-Id")
		if old, known := bodies[id]; known && old != c.body {
			t.Errorf("webhook %s came with two bodies", id)
		}
		bodies[id] = c.body
	}
	doubled := 0
	for _, e := range entries {
		sum := sha256.Sum256([]byte(bodies[e.WebhookID]))
		want := 1
		if e.Duplicate {
			want, doubled = 2, doubled+1
		}
		if e.Status != ledger.StatusAcked || acks[e.WebhookID] != want || len(e.Deliveries) != want || e.Attempts != calls[e.WebhookID] || e.Storable != e.Attempts {
			t.Errorf("%s: %d acknowledged of %d requests; ledger %+v", e.WebhookID, acks[e.WebhookID], calls[e.WebhookID], e)
		}
		if e.BodySHA256 != hex.EncodeToString(sum[:]) || e.Bytes != len(bodies[e.WebhookID]) {
			t.Errorf("%s: body hash or length differs", e.WebhookID)
		}
	}
	if doubled == 0 {
		t.Error("no duplicates")
	}
}

// checkOrder wants the first acknowledgements of each entity in the order of their stamps.
func checkOrder(t *testing.T, entries []ledger.Entry, first map[string]int) {
	t.Helper()
	at := map[string]map[int64]int{} // entity → stamp → position
	for _, e := range entries {
		key := e.Shop + "|" + e.Entity
		if at[key] == nil {
			at[key] = map[int64]int{}
		}
		at[key][e.AckStamp()] = first[e.WebhookID]
	}
	for key, positions := range at {
		last := -1
		for stamp := int64(1); len(positions) > 0; stamp++ {
			n, ok := positions[stamp]
			if ok && n < last {
				t.Fatalf("%s: stamp %d was acknowledged at %d, before the stamp ahead of it at %d", key, stamp, n, last)
			}
			if ok {
				last = n
				delete(positions, stamp)
			}
		}
	}
}

func TestNoTwoDeliveriesOfAnEntityOverlapWhileDifferentOnesDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Events, cfg.Shops, cfg.Duplicates = 1000, 2, 0.2
		var mu sync.Mutex
		busy, most := map[string]bool{}, 0
		entities := map[string]string{}
		_, all := deliveries(t, cfg)
		for _, p := range all {
			entities[p.event.WebhookID] = p.event.Shop + "|" + p.event.Entity
		}
		v := &receiver{}
		v.decide = func(_ int, r *http.Request) int {
			key := entities[r.Header.Get("X-Shopify-Webhook-Id")]
			mu.Lock()
			if key == "" || busy[key] {
				t.Errorf("two deliveries of entity %q at once", key)
			}
			busy[key] = true
			most = max(most, len(busy))
			mu.Unlock()
			time.Sleep(time.Second) // fake time: every request in flight is in here now
			mu.Lock()
			delete(busy, key)
			mu.Unlock()
			return http.StatusOK
		}
		s, err := New(cfg, Deps{Logger: quiet(), Transport: pipeTransport(t, v), Now: fixedNow})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if most < cfg.Concurrency*3/4 || most > cfg.Concurrency {
			t.Errorf("at most %d requests in flight, want nearly %d", most, cfg.Concurrency)
		}
	})
}

func TestRetriesAreEightOverFourHoursWithTheSameIDAndBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		v := &receiver{}
		v.decide = func(int, *http.Request) int {
			at = append(at, time.Since(start))
			return http.StatusFound // a redirect is a failure
		}
		cfg := testConfig()
		cfg.Events, cfg.TimeScale = 1, 1
		b := &book{}
		s, err := New(cfg, Deps{Logger: quiet(), Recorder: b, Transport: pipeTransport(t, v)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(at) != 1+MaxRetries {
			t.Fatalf("%d attempts at %v, want 9", len(at), at)
		}
		if total := at[MaxRetries].Round(time.Second); total != RetryWindow {
			t.Errorf("the last attempt came after %v, want %v", total, RetryWindow)
		}
		for n := 2; n <= MaxRetries; n++ {
			before, wait := at[n-1]-at[n-2], at[n]-at[n-1]
			if ratio := wait.Seconds() / before.Seconds(); ratio < 1.99 || ratio > 2.01 {
				t.Errorf("retry %d came after %v, the one before after %v: want twice", n, wait, before)
			}
		}
		for _, c := range v.calls {
			if c.body != v.calls[0].body || c.header.Get("X-Shopify-Webhook-Id") != v.calls[0].header.Get("X-Shopify-Webhook-Id") {
				t.Error("a retry has another id or body")
			}
		}
		e := b.entries[0]
		if e.Status != ledger.StatusGivenUp || e.Acked || e.Attempts != 9 || e.Storable != 0 || e.Deliveries[0].Code != http.StatusFound {
			t.Errorf("ledger %+v", e)
		}
		if st := s.Stats(); st.GivenUp != 1 || st.Retries != 8 || st.Acked != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestAnAnswerAfterFiveSecondsIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n int
		v := &receiver{}
		v.decide = func(int, *http.Request) int {
			n++
			if n == 1 {
				time.Sleep(RequestTimeout + time.Second) // fake time: the answer comes too late
			}
			return http.StatusOK
		}
		cfg := testConfig()
		cfg.Events, cfg.TimeScale = 1, 1
		b := &book{}
		s, err := New(cfg, Deps{Logger: quiet(), Recorder: b, Transport: pipeTransport(t, v)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		e := b.entries[0]
		if !e.Acked || e.Attempts != 2 || e.Storable != 2 || s.Stats().Statuses[0] != 1 {
			t.Errorf("ledger %+v, stats %+v; want a second attempt after a timeout that may have been stored", e, s.Stats())
		}
	})
}

func TestTheRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Rate, cfg.Duration = 100, 10*time.Second
		start := time.Now()
		s, err := New(cfg, Deps{Logger: quiet(), Transport: pipeTransport(t, &receiver{})})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		st := s.Stats()
		if st.Events < 980 || st.Events > 1020 || st.Acked != st.Events || time.Since(start) > 11*time.Second {
			t.Errorf("%d events, %d acknowledged in %v, want 1000 in 10 s", st.Events, st.Acked, time.Since(start))
		}
	})
}

func TestAStopFinishesWhatIsInFlightAndAccountsForTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var n int
		var mu sync.Mutex
		v := &receiver{}
		v.decide = func(int, *http.Request) int {
			mu.Lock()
			n++
			k := n
			mu.Unlock()
			switch {
			case k == 40:
				cancel()
				return http.StatusOK
			case k%4 == 0:
				return http.StatusInternalServerError
			}
			return http.StatusOK
		}
		cfg := testConfig()
		cfg.TimeScale, cfg.Duplicates, cfg.Disorder = 1, 0.2, 0.1
		b := &book{}
		s, err := New(cfg, Deps{Logger: quiet(), Recorder: b, Transport: pipeTransport(t, v)})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := s.Run(ctx); err != nil {
			t.Fatalf("Run() error: %v", err)
		}
		if took := time.Since(start); took > RequestTimeout {
			t.Errorf("the stop took %v", took)
		}
		acked := map[string]bool{}
		for _, c := range v.calls {
			if c.code == http.StatusOK {
				acked[c.header.Get("X-Shopify-Webhook-Id")] = true
			}
		}
		abandoned := 0
		for _, e := range b.entries {
			if e.Acked != acked[e.WebhookID] {
				t.Errorf("%s: ledger says acknowledged %v, the receiver %v", e.WebhookID, e.Acked, acked[e.WebhookID])
			}
			delete(acked, e.WebhookID)
			if e.Status == ledger.StatusAbandoned {
				abandoned++
			}
		}
		if len(acked) > 0 {
			t.Errorf("%d acknowledged events are not in the ledger", len(acked))
		}
		st := s.Stats()
		if abandoned == 0 || st.Abandoned != int64(abandoned) || st.Acked+st.Abandoned != int64(len(b.entries)) {
			t.Errorf("%d abandoned, %d lines, stats %+v", abandoned, len(b.entries), st)
		}
	})
}

func TestARunWhoseLedgerFailsEnds(t *testing.T) {
	srv := httptest.NewServer(&receiver{})
	defer srv.Close()
	cfg := testConfig()
	cfg.URL = srv.URL
	full := errors.New("disk full")
	s, err := New(cfg, Deps{Logger: quiet(), Recorder: &book{err: full}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); !errors.Is(err, full) {
		t.Errorf("Run() error: %v, want the ledger's", err)
	}
}

func TestNobodyListening(t *testing.T) {
	cfg := testConfig()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.URL, cfg.Events, cfg.TimeScale = "http://"+l.Addr().String(), 5, 1e9
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b := &book{}
	s, err := New(cfg, Deps{Logger: quiet(), Recorder: b})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range b.entries {
		if e.Storable != 0 || e.Attempts != 9 || e.Status != ledger.StatusGivenUp {
			t.Errorf("ledger %+v; a refused connection stores nothing", e)
		}
	}
}
