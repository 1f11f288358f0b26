package partner

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// body of the API of these tests: it takes one thing per order, and takes it back.
type body struct {
	Text  string
	Close bool
}

// api has three operations on one order, of which the ledger says how often they had their effect.
func api(t *testing.T, rule faults.Rule) (base string, l *effects.Ledger, client *http.Client, a *API) {
	t.Helper()
	in := faults.NewInjector(faults.Stock, 1)
	in.Set(&faults.Set{Stock: faults.ShopRules{Default: rule}})
	l = effects.New(effects.Config{})
	a = New(Deps{Backend: faults.Stock, Faults: in, Ledger: l, Logger: slog.New(slog.DiscardHandler), Stop: make(chan struct{})})
	taken := false
	Handle(a, "POST /take", func(_ *http.Request, b body) (Call, error) {
		return Call{Operation: faults.Reserve, Shop: "s", Order: "1", Content: b.Text, Opens: true, Do: func() Answer {
			taken = true
			return Did(http.StatusCreated, map[string]string{"took": b.Text}, effects.Entry{Kind: effects.Reserved})
		}}, nil
	})
	Handle(a, "POST /back", func(_ *http.Request, b body) (Call, error) {
		return Call{Operation: faults.Release, Shop: "s", Order: "1", Content: b.Text, Closes: b.Close, Do: func() Answer {
			switch {
			case !taken && b.Close:
				return Nothing(http.StatusOK, "nothing")
			case !taken:
				return Early("unknown")
			}
			return Did(http.StatusOK, "back", effects.Entry{Kind: effects.Released})
		}}, nil
	})
	a.HandleRead("GET /{shop}/{order}", func(of Order) Answer { return Tell(http.StatusOK, of.Shop+"/"+of.ID) })
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	return srv.URL, l, srv.Client(), a
}

func send(t *testing.T, client *http.Client, method, url, key, text string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", key)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(all))
}

func TestAKeyHasOneEffectAndAnOrderMayBeClosed(t *testing.T) {
	base, l, client, _ := api(t, faults.Rule{})
	for i, step := range []struct {
		path, key, body string
		status          int
		want            string
	}{
		{"/back", "b", `{}`, 404, `{"error":"unknown"}`}, // not remembered
		{"/take", "t", `{"text":"x"}`, 201, `{"took":"x"}`},
		{"/take", "t", ` {"Text" : "x"}`, 201, `{"took":"x"}`},
		{"/take", "t", `{"text":"y"}`, 422, `"key_reused"`},
		{"/back", "t", `{"text":"x"}`, 422, `"key_reused"`}, // another operation
		{"/back", "b", `{}`, 200, `"back"`},
		{"/take", "u", `{"text":"x"}`, 201, `{"took":"x"}`},
		{"/back", "b", `{"close":true}`, 200, `"back"`}, // a repeat that closes
		{"/take", "v", `{"text":"x"}`, 409, `{"error":"closed"}`},
		{"/take", "u", `{"text":"x"}`, 201, `{"took":"x"}`}, // what is done is done
		{"/take", "w", `[]`, 422, `"invalid_request"`},
		{"/take", "", `{}`, 422, `Idempotency-Key is missing`},
	} {
		if status, answer := send(t, client, http.MethodPost, base+step.path, step.key, step.body); status != step.status || !strings.Contains(answer, step.want) {
			t.Errorf("step %d: %d %s, want %d %s", i, status, answer, step.status, step.want)
		}
	}
	s := l.Summary().Stock
	if s.Reservations != 2 || s.Releases != 1 || s.Repeats != 3 || s.Unknown != 1 || s.Refused["key_reused"] != 2 || s.Refused["closed"] != 1 || s.Refused["invalid_request"] != 2 {
		t.Errorf("summary %+v", s)
	}
}

func TestClosingWhatNeverCameIsNoEffectAndHolds(t *testing.T) {
	base, l, client, _ := api(t, faults.Rule{})
	for range 2 {
		if status, answer := send(t, client, http.MethodPost, base+"/back", "b", `{"close":true}`); status != 200 || answer != `"nothing"` {
			t.Errorf("%d %s", status, answer)
		}
	}
	if status, answer := send(t, client, http.MethodPost, base+"/take", "t", `{}`); status != 409 || answer != `{"error":"closed"}` {
		t.Errorf("%d %s", status, answer)
	}
	found, _ := l.Entries(effects.Filter{})
	if len(found) != 1 || found[0].Kind != effects.Nothing || !found[0].Closed || found[0].Shop != "s" || found[0].Order != "1" {
		t.Errorf("entries %+v", found)
	}
	if s := l.Summary().Stock; s.Releases != 0 || s.Nothing != 1 || s.Repeats != 1 || s.Unknown != 0 {
		t.Errorf("summary %+v", s)
	}
}

func TestReadsNeedNoKeyAndAreNotRefused(t *testing.T) {
	base, l, client, _ := api(t, faults.Rule{Refuse: true})
	if status, answer := send(t, client, http.MethodGet, base+"/s/1", "", ""); status != 200 || answer != `"s/1"` {
		t.Errorf("%d %s", status, answer)
	}
	if s := l.Summary().Stock; s.Requests != 1 || len(s.Refused) != 0 {
		t.Errorf("summary %+v", s)
	}
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	base, _, client, a := api(t, faults.Rule{})
	for range maxCalls {
		a.slots <- struct{}{}
	}
	if status, answer := send(t, client, http.MethodGet, base+"/s/1", "", ""); status != 503 || answer != `{"error":"busy"}` {
		t.Errorf("%d %s", status, answer)
	}
	<-a.slots
	if status, answer := send(t, client, http.MethodGet, base+"/s/1", "", ""); status != 200 {
		t.Errorf("%d %s", status, answer)
	}
}

// TestAHangingRequestEndsWithItsClient proves that clients which give up leave nothing behind, without any stop.
func TestAHangingRequestEndsWithItsClient(t *testing.T) {
	_, l, _, a := api(t, faults.Rule{TimeoutRate: 1})
	ended := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		a.ServeHTTP(w, r)
	}))
	defer srv.Close()
	ctx, giveUp := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/take", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", "k")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if resp, err := srv.Client().Do(r); err == nil {
			resp.Body.Close()
			t.Error("answered")
		}
	}()
	for deadline := time.Now().Add(patience); l.Summary().Stock.Faults["timeout"] == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	giveUp()
	<-answered
	select {
	case <-ended:
	case <-time.After(patience):
		srv.CloseClientConnections()
		t.Errorf("the request hangs %v after its client has gone", patience)
	}
}
