package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"millrace/cmd/storesim/ledger"
)

// TestWhatIsForgottenIsKnownToTheLedgerAndTheAdminAPI forgets a fifth of the events and holds what the stores say of each order
// against the newest event of the ledger, sent or not.
func TestWhatIsForgottenIsKnownToTheLedgerAndTheAdminAPI(t *testing.T) {
	cfg := testConfig()
	cfg.Orders, cfg.Forget, cfg.Duplicates, cfg.Disorder = 120, 0.2, 0.1, 0.1
	cfg.AdminListen, cfg.AdminToken, cfg.AdminPoints, cfg.AdminRestore = "127.0.0.1:0", "hush", 1e6, 1e6
	v := &receiver{}
	srv := httptest.NewServer(v)
	t.Cleanup(srv.Close)
	cfg.URL = srv.URL
	b := &book{}
	s, err := New(cfg, Deps{Logger: quiet(), Recorder: b})
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	api, err := s.AdminAPI()
	if err != nil {
		t.Fatalf("AdminAPI() error: %v", err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatalf("Run() error: %v", err)
	}
	sent := map[string]bool{}
	for _, c := range v.calls {
		sent[c.header.Get("X-Shopify-Webhook-Id")] = true
	}
	forgotten := int64(0)
	newest := map[string]ledger.Entry{} // of orders/*, by shop and order
	for _, e := range b.entries {
		if e.Status == ledger.StatusForgotten {
			forgotten++
			if e.Attempts != 0 || len(e.Deliveries) != 0 || e.Acked {
				t.Errorf("forgotten, but delivered: %+v", e)
			}
		}
		if sent[e.WebhookID] == (e.Status == ledger.StatusForgotten) {
			t.Errorf("webhook %s is %s, sent: %v", e.WebhookID, e.Status, sent[e.WebhookID])
		}
		if key := e.Shop + "|" + e.Entity; e.Order != nil && e.EntitySeq > newest[key].EntitySeq {
			newest[key] = e
		}
	}
	if st := s.Stats(); st.Forgotten != forgotten || forgotten*10 < st.Events || forgotten*10 > 3*st.Events || int64(len(b.entries)) != st.Events {
		t.Errorf("stats %+v; %d of %d lines are forgotten, want a fifth", st, forgotten, len(b.entries))
	}
	for key, e := range newest {
		shop, _, _ := strings.Cut(key, "|")
		got := lookUp(t, api, shop, e.Order.ID)
		delivery := map[string]string{"": "UNFULFILLED", "partial": "PARTIALLY_FULFILLED", "fulfilled": "FULFILLED"}[e.Order.FulfillmentStatus]
		if o := got.Data.Order; o == nil || o.Status != strings.ToUpper(e.Order.FinancialStatus) || o.Delivery != delivery {
			t.Errorf("%s is %+v in the Admin API, want %+v", key, o, e.Order)
		}
	}
}

type lookedUp struct {
	Data struct {
		Order *struct {
			Status   string `json:"displayFinancialStatus"`
			Delivery string `json:"displayFulfillmentStatus"`
		}
	}
	Errors []any
}

func lookUp(t *testing.T, api http.Handler, shop string, id int64) (v lookedUp) {
	t.Helper()
	query := fmt.Sprintf(`{"query":"{ order(id: \"gid://shopify/Order/%d\") { displayFinancialStatus displayFulfillmentStatus } }"}`, id)
	r := httptest.NewRequest(http.MethodPost, "/shops/"+shop+"/admin/api/"+APIVersion+"/graphql.json", strings.NewReader(query))
	r.Header.Set("X-Shopify-Access-Token", "hush")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || len(v.Errors) > 0 {
		t.Fatalf("status %d, %s: %v", w.Code, w.Body, err)
	}
	return v
}
