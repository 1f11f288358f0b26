package stock

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
)

// TestAHangingRequestEndsWithItsClient proves that clients which give up leave nothing behind, without any stop.
func TestAHangingRequestEndsWithItsClient(t *testing.T) {
	in, l := faults.NewInjector(faults.Stock, 1), effects.New(effects.Config{})
	in.Set(&faults.Set{Stock: faults.StockRules{Default: faults.Rule{TimeoutRate: 1}}})
	api := New(Deps{State: NewState(l, nil), Faults: in, Ledger: l, Logger: slog.New(slog.DiscardHandler), Stop: make(chan struct{})})
	ended := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		api.ServeHTTP(w, r)
	}))
	defer srv.Close()
	ctx, giveUp := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/v1/reservations", strings.NewReader(`{"shop":"s","order_id":"1","lines":[{"sku":"A","quantity":1}]}`))
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
	const patience = 20 * time.Second
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
