package backends

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"millrace/cmd/storesim/backends/effects"
)

const acme = "acme.myshopify.com"

func TestTheStockAPIKeepsItsContract(t *testing.T) {
	w := start(t, func(c *Config) { c.StockToken, c.Quantities = "tok", map[string]int64{"RARE": 1} })
	release := "/v1/reservations/" + acme + "/1/release"
	const line = `"lines":[{"variant_id":"7","sku":"MUG","quantity":%d}]`
	for i, step := range []struct {
		path, key, body string
		status          int
		want            string
	}{
		{release, "r0", `{"reason":"cancelled"}`, 404, `{"error":"unknown_reservation"}`},
		{"/v1/reservations", "k1", `{"shop":"acme.myshopify.com","order_id":"1",` + fmt.Sprintf(line, 3) + `}`, 201, `{"reservation_id":"res-1"}`},
		{"/v1/reservations", "k1", `{"order_id":"1", "shop":"acme.myshopify.com",` + fmt.Sprintf(line, 3) + `}`, 201, `{"reservation_id":"res-1"}`},
		{"/v1/reservations", "k1", `{"shop":"acme.myshopify.com","order_id":"1",` + fmt.Sprintf(line, 4) + `}`, 422, `key_reused`},
		{"/v1/reservations", "k2", `{"shop":"acme.myshopify.com","order_id":"2","lines":[{"sku":"RARE","quantity":2}]}`, 409, `{"error":"insufficient_stock","sku":"RARE"}`},
		{release, "r1", `{"reason":"refunded",` + fmt.Sprintf(line, 1) + `}`, 200, `{"released":[{"variant_id":"7","sku":"MUG","quantity":1}]}`},
		{release, "r0", `{"reason":"cancelled"}`, 200, `{"released":[{"variant_id":"7","sku":"MUG","quantity":2}]}`},
		{release, "r0", `{"reason":"cancelled"}`, 200, `{"released":[{"variant_id":"7","sku":"MUG","quantity":2}]}`},
		{release, "r2", `{"reason":"refunded",` + fmt.Sprintf(line, 1) + `}`, 200, `{"released":[]}`},
		{"/v1/reservations", "", `{"shop":"a","order_id":"1",` + fmt.Sprintf(line, 1) + `}`, 422, "Idempotency-Key"},
		{"/v1/reservations", "k3", `{"shop":"a","order_id":"1","lines":[]}`, 422, "lines must not be empty"},
		{"/v1/reservations", "k3", `{"shop":"a","order_id":1,` + fmt.Sprintf(line, 1) + `}`, 422, "order_id"},
		{"/v1/reservations", "k3", `{"shop":"a","order_id":"1",` + fmt.Sprintf(line, 0) + `}`, 422, "quantity"},
		{release, "r3", `{"reason":"bored"}`, 422, "reason must be"},
		{"/v1/reservations", "k4", `{"shop":"` + strings.Repeat("x", 1<<20) + `"}`, 422, "too large"},
	} {
		status, answer, _, err := w.post(t.Context(), step.path, step.key, step.body)
		if err != nil || status != step.status || !strings.Contains(answer, step.want) {
			t.Errorf("step %d: %d %s (%v), want %d %s", i, status, answer, err, step.status, step.want)
		}
	}
	s := w.summary().Stock
	if s.Reservations != 1 || s.Orders != 1 || s.Releases != 3 || s.UnitsReserved != 3 || s.UnitsReleased != 3 || s.UnitsHeld != 0 || s.Unknown != 1 || s.Repeats != 2 || s.Requests != 15 {
		t.Errorf("summary %+v", s)
	}
	if s.Refused["invalid_request"] != 6 || s.Refused["insufficient_stock"] != 1 || s.Refused["key_reused"] != 1 || s.Anomalies[effects.OverRelease] != 1 || s.OrdersTwice != 0 {
		t.Errorf("refused %v, anomalies %v", s.Refused, s.Anomalies)
	}
	var entries Entries
	w.admin(http.MethodGet, "/ledger?backend=stock&shop="+acme+"&order=1&kind=released&limit=1", "", &entries)
	if e := entries.Entries; entries.Total != 3 || len(e) != 1 || e[0].Key != "r1" || e[0].Reason != "refunded" {
		t.Errorf("entries %+v", entries)
	}
	var refusals Refusals
	w.admin(http.MethodGet, "/ledger/refused?order=2&shop="+acme, "", &refusals)
	if r := refusals.Refusals; len(r) != 1 || r[0].Status != 409 || r[0].Key != "k2" {
		t.Errorf("refusals %+v", refusals)
	}
	if lines := strings.Count(w.ledger.String(), `"kind":"re`); lines != 4+2+6 { // effects, repeats, distinct refusals
		t.Errorf("%d lines in the ledger:\n%s", lines, w.ledger.String())
	}
}

func TestAReservationThatComesAfterItsFinalReleaseIsRefused(t *testing.T) {
	w := start(t, nil)
	release := "/v1/reservations/" + acme + "/1/release"
	if status, answer, _, err := w.post(t.Context(), release, "r", `{"reason":"cancelled","close":true}`); status != 200 || answer != `{"released":[]}` {
		t.Errorf("%d %s (%v)", status, answer, err)
	}
	if status, answer, err := w.reserve(acme, "1", "late"); status != 409 || answer != `{"error":"closed"}` {
		t.Errorf("%d %s (%v)", status, answer, err)
	}
	if status, _, err := w.reserve(acme, "2", "k"); status != 201 {
		t.Errorf("another order: %d (%v)", status, err)
	}
	if s := w.summary().Stock; s.Reservations != 1 || s.Releases != 0 || s.Unknown != 0 || s.Refused["closed"] != 1 {
		t.Errorf("summary %+v", s)
	}
}

func TestATokenIsAskedFor(t *testing.T) {
	w := start(t, func(c *Config) { c.StockToken = "another" })
	if status, answer, err := w.reserve(acme, "1", "k"); status != 401 || err != nil || answer != `{"error":"unauthorized"}` {
		t.Errorf("%d %s (%v)", status, answer, err)
	}
	if s := w.summary().Stock; s.Reservations != 0 || s.Refused["unauthorized"] != 1 {
		t.Errorf("summary %+v", s)
	}
}

func TestASecondReservationOfAnOrderIsDoneAndTold(t *testing.T) {
	w := start(t, nil)
	for _, key := range []string{"a", "b", "c"} {
		if status, _, err := w.reserve(acme, "1", key); status != 201 {
			t.Errorf("%s: %d %v", key, status, err)
		}
	}
	if s := w.summary().Stock; s.Reservations != 3 || s.Orders != 1 || s.OrdersTwice != 1 || s.Anomalies[effects.DoubleReservation] != 2 || s.UnitsHeld != 6 {
		t.Errorf("summary %+v", s)
	}
}

func TestFaultsOfTheStockAPI(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct {
		fault, rule string
		status      int // 0: the connection is cut
		effects     int64
	}{
		{"error", `{"error_rate":1}`, 500, 0},
		{"reset", `{"reset_rate":1}`, 0, 0},
		{"lost_answer", `{"lost_answer_rate":1}`, 0, 1},
		{"outage", `{"down":true}`, 503, 0},
		{"outage", `{"down":true,"outage_as":"reset"}`, 0, 0},
		{"outage", `{"outages":[{"from":"0s","for":"1h"}]}`, 503, 0},
		{"rate_limited", `{"rate_limit":0.001,"burst":1,"retry_after":"1500ms"}`, 429, 1}, // the second of two
		{"", `{"refuse":true}`, 422, 0},
		{"", `{"permanent_rate":1}`, 422, 0},
		{"", `{"insufficient_skus":["MUG"]}`, 409, 0},
	} {
		t.Run(c.rule, func(t *testing.T) {
			w.set("stock/"+acme, c.rule)
			defer w.admin(http.MethodDelete, "/faults/stock/"+acme, "", nil)
			before := w.summary().Stock
			key := "key of " + c.rule
			body := fmt.Sprintf(`{"shop":%q,"order_id":%q,"lines":[{"variant_id":"7","sku":"MUG","quantity":2}]}`, acme, key)
			if c.status == http.StatusTooManyRequests {
				if status, _, _, err := w.post(t.Context(), "/v1/reservations", key, body); status != 201 {
					t.Fatalf("within the limit: %d %v", status, err)
				}
			}
			status, answer, h, err := w.post(t.Context(), "/v1/reservations", key, body)
			switch {
			case c.status == 0:
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%d %s, error %v, want a reset", status, answer, err)
				}
			case c.status == 500:
				if status/100 != 5 {
					t.Errorf("status %d %v, want 5xx", status, err)
				}
			case status != c.status:
				t.Errorf("status %d %v, want %d", status, err, c.status)
			case c.status == 429 && h.Get("Retry-After") != "2":
				t.Errorf("Retry-After %q", h.Get("Retry-After"))
			}
			after := w.summary().Stock
			if got := after.Reservations - before.Reservations; got != c.effects {
				t.Errorf("%d effects, want %d", got, c.effects)
			}
			if c.fault != "" && after.Faults[c.fault] != before.Faults[c.fault]+1 {
				t.Errorf("fault %s is not counted: %v", c.fault, after.Faults)
			}
			if c.fault == "" && len(after.RefusedKeys) == 0 {
				t.Errorf("the refusal is not counted: %+v", after)
			}
			// Another shop is not concerned; and this one, healed, does it once at most.
			if status, _, err := w.reserve("else", c.rule, "else "+c.rule); status != 201 {
				t.Errorf("another shop: %d %v", status, err)
			}
			w.admin(http.MethodDelete, "/faults/stock/"+acme, "", nil)
			if status, _, _, err := w.post(t.Context(), "/v1/reservations", key, body); status != 201 {
				t.Errorf("healed: %d %v", status, err)
			}
			if got := w.summary().Stock.Reservations - before.Reservations; got != 2 { // with the other shop's
				t.Errorf("%d effects in the end, want 2", got)
			}
		})
	}
	if s := w.summary().Stock; s.OrdersTwice != 0 || s.Reservations != s.Orders {
		t.Errorf("summary %+v", s)
	}
}

func TestARefusalByRuleDoesNotTakeBackWhatIsDone(t *testing.T) {
	w := start(t, nil)
	_, first, _ := w.reserve(acme, "1", "k")
	w.set("stock", `{"refuse":true}`)
	if status, again, err := w.reserve(acme, "1", "k"); status != 201 || again != first {
		t.Errorf("%d %s (%v), want %s", status, again, err, first)
	}
}

func TestATimeoutLastsUntilTheClientGivesUp(t *testing.T) {
	w := start(t, nil, "stock:timeout_rate=1")
	ctx, giveUp := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, _, _, err := w.post(ctx, "/v1/reservations", "k", `{"shop":"a","order_id":"1","lines":[{"sku":"A","quantity":1}]}`)
		answered <- err
	}()
	w.until("timeout", func(s effects.Summary) bool { return s.Stock.Faults["timeout"] == 1 })
	select {
	case err := <-answered:
		t.Fatalf("answered: %v", err)
	default:
	}
	giveUp()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	w.http.CloseIdleConnections()
	if err := w.stop(); err != nil {
		t.Error(err)
	}
	if s := w.s.Summary(); s.Stock.Reservations != 0 {
		t.Errorf("an effect without an answer: %+v", s.Stock)
	}
}

func TestADelayStandsBeforeAnEffectThatHappensThoughTheClientLeft(t *testing.T) {
	w := start(t, nil, "stock:latency=80ms")
	begun := time.Now()
	if status, _, err := w.reserve(acme, "1", "k"); status != 201 || time.Since(begun) < 80*time.Millisecond {
		t.Errorf("%d %v after %v", status, err, time.Since(begun))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, _, err := w.post(ctx, "/v1/reservations", "late", `{"shop":"a","order_id":"9","lines":[{"sku":"A","quantity":1}]}`); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	w.until("late effect", func(s effects.Summary) bool { return s.Stock.Reservations == 2 })
}

func TestStopCutsWhatWaits(t *testing.T) {
	w := start(t, nil, "stock:latency=10m", "stock/hung:timeout_rate=1", "smtp:latency=10m", "smtp/hung.example:down,outage_as=hang")
	var wg sync.WaitGroup
	fails := make(chan string, 4)
	expectNone := func(what string, err error) {
		if err == nil {
			fails <- what
		}
	}
	for _, shop := range []string{"slow", "hung"} {
		wg.Go(func() {
			_, _, err := w.reserve(shop, "1", shop)
			expectNone(shop, err)
		})
		wg.Go(func() { expectNone("mail "+shop, w.mail("a@"+shop+".example", shop)) })
	}
	w.until("two hanging and two delayed requests", func(s effects.Summary) bool {
		return s.Stock.Requests == 2 && s.SMTP.Requests == 2 && s.Stock.Faults["timeout"] == 1 && s.SMTP.Faults["outage"] == 1
	})
	begun := time.Now()
	if err := w.stop(); err != nil || time.Since(begun) >= stopGrace { // the grace is for what is being answered
		t.Errorf("stop: %v after %v", err, time.Since(begun))
	}
	wg.Wait()
	close(fails)
	for what := range fails {
		t.Errorf("%s was answered", what)
	}
	if s := w.s.Summary(); s.Stock.Reservations+s.SMTP.Accepted != 0 {
		t.Errorf("effects of a stop: %+v", s)
	}
}
