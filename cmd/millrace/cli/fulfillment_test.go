package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/millrace/cli"
	"millrace/schemas"
)

// parcels is a carrier whose shipments move on each time they are asked for; it is away until it is said to be back.
type parcels struct {
	mu     sync.Mutex
	back   bool
	failed int // requests
	status map[string]string
	twice  int
}

func startParcels(t *testing.T) (*parcels, string) {
	t.Helper()
	p := &parcels{status: map[string]string{}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	told := func(id string) map[string]string {
		return map[string]string{"shipment_id": "shp-" + id, "status": p.status[id]}
	}
	mux.HandleFunc("POST /v1/shipments", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			ID string `json:"order_id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Idempotency-Key") != "ship:acme.myshopify.com:"+body.ID {
			t.Errorf("order %s under key %s, %v", body.ID, r.Header.Get("Idempotency-Key"), err)
		}
		if p.status[body.ID] != "" {
			p.twice++
		}
		p.status[body.ID] = "accepted"
		answer(w, http.StatusCreated, told(body.ID))
	})
	mux.HandleFunc("POST /v1/shipments/{shop}/{order}/cancel", func(w http.ResponseWriter, r *http.Request) {
		p.status[r.PathValue("order")] = "cancelled"
		answer(w, http.StatusOK, map[string]string{"status": "cancelled"})
	})
	mux.HandleFunc("GET /v1/shipments/{shop}/{order}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("order")
		switch p.status[id] {
		case "accepted":
			p.status[id] = "shipped"
		case "shipped":
			p.status[id] = "delivered"
		}
		answer(w, http.StatusOK, told(id))
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.back {
			p.failed++
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return p, srv.URL
}

// Orders go from their webhook to the customer's door: those that come while the carrier is away too.
func TestOrdersAreShippedAndFollowedUntilTheyAreDelivered(t *testing.T) {
	t.Parallel()
	for name, fallback := range map[string]string{"held": "hold", "provisional": "provisional"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shippedAndFollowed(t, fallback)
		})
	}
}

func shippedAndFollowed(t *testing.T, fallback string) {
	t.Helper()
	kafka := newBroker(t)
	if r := program(t.Context(), append([]string{"topics", "apply"}, kafka...)...); r.code != cli.ExitOK {
		t.Fatalf("topics apply = %d:\n%s", r.code, r.stderr)
	}
	carrier, url := startParcels(t)
	r := startIngest(t, kafka)
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	const orders = 10
	for id := 1; id <= orders; id++ {
		body := fmt.Sprintf(`{"id":%d,"name":"#%d","line_items":[{"id":7,"sku":"TEA","quantity":2,"requires_shipping":true}],"shipping_address":{"city":"Bern"}}`, id, id)
		if id == 3 {
			r.post(client, "orders/cancelled", "early", body) // Shopify does not promise an order
		}
		r.post(client, "orders/create", fmt.Sprint("create-", id), body)
		r.post(client, "orders/paid", fmt.Sprint("paid-", id), body)
		r.post(client, "orders/paid", fmt.Sprint("paid-again-", id), body)
	}
	b := start(t, slices.Concat([]string{
		"consume", "fulfillment", "--fulfillment-carrier-url", url, "--fulfillment-fallback", fallback, "--fulfillment-track-every", "1s",
		"--fulfillment-call-breaker-open-delay", "100ms", "--fulfillment-call-breaker-open-delay-max", "200ms",
		"--fulfillment-consumer-retry-inline-max", "100ms", "--admin-listen", "",
	}, kafka)...)
	eventually(t, "what happens while the carrier is away", func() (any, bool) {
		told := storedEvents(t, kafka[1])
		carrier.mu.Lock()
		defer carrier.mu.Unlock()
		carrier.back = carrier.failed >= 5 && (fallback == "hold" || told["ServiceProvisional"] > 0)
		return told, carrier.back
	})
	eventually(t, "all orders delivered", func() (any, bool) {
		carrier.mu.Lock()
		defer carrier.mu.Unlock()
		n := 0
		for _, s := range carrier.status {
			if s == "delivered" {
				n++
			}
		}
		return carrier.status, n == orders-1
	})
	// What it told is committed with what it did.
	eventually(t, "all told", func() (any, bool) {
		told := storedEvents(t, kafka[1])
		return told, told["TrackingUpdated"] == 2*(orders-1) && told["FulfillmentStarted"] == orders-1 && told["ShipmentCancelled"] == 1 &&
			(told["ServiceProvisional"] > 0) == (fallback == "provisional")
	})
	carrier.mu.Lock()
	if carrier.twice != 0 || carrier.status["3"] != "cancelled" {
		t.Errorf("%d shipments made twice, order 3 is %q", carrier.twice, carrier.status["3"])
	}
	carrier.mu.Unlock()
	if code, took := b.stopped(); code != cli.ExitOK || took > 10*time.Second || strings.Contains(b.stderr.String(), "dead-lettered") {
		t.Errorf("stop = %d after %v, want 0 within 10s, without dead letters:\n%s", code, took, b.stderr)
	}
}

// storedEvents counts the committed events of orders by type.
func storedEvents(t *testing.T, broker string) map[string]int {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(schemas.OrderEventsTopic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	count := map[string]int{}
	for quiet := false; !quiet; { // what does not come at once will be seen the next time
		poll, done := context.WithTimeout(t.Context(), time.Second)
		fetches := client.PollFetches(poll)
		done()
		quiet = fetches.NumRecords() == 0
		fetches.EachRecord(func(r *kgo.Record) {
			e, err := schemas.ParseHeaders(r.Headers)
			if err != nil {
				t.Error(err)
			}
			name, _ := schemas.OrderEventType(e.Topic)
			count[name]++
		})
	}
	return count
}
