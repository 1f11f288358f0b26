package backends

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"millrace/cmd/storesim/backends/effects"
)

// settle asks again under the same key, as a service does, until the answer is for good.
func (w *world) settle(method, url, key, body string) {
	w.t.Helper()
	const tries = 100
	if !untilSettled(tries, func() bool {
		status, _, _, err := w.call(w.t.Context(), method, url, key, body)
		return err == nil && status != http.StatusNotFound && status < 500
	}) {
		w.t.Errorf("%s %s under %s is not settled", method, url, key)
	}
}

// TestWhatIsTakenBackStaysSoWhateverComesLate has each order reserved, charged and shipped while all of that is taken back at the same
// time, with answers that are lost: whichever comes first, nothing may be left of it, and nothing be done twice.
func TestWhatIsTakenBackStaysSoWhateverComesLate(t *testing.T) {
	const mix = "error_rate=0.2,reset_rate=0.1,lost_answer_rate=0.3,latency=0s,jitter=3ms"
	w := start(t, nil, "stock:"+mix, "payment:"+mix, "carrier:"+mix)
	const orders = 30
	const address = `"address":{"address1":"Main St 1","city":"Ghent","country_code":"BE"}`
	var wg sync.WaitGroup
	for i := range orders {
		id := fmt.Sprint(i)
		of := `"shop":"` + acme + `","order_id":"` + id + `"`
		for _, c := range []struct{ api, root, forth, back, undo string }{
			{w.addr.Stock, "/v1/reservations", `{` + of + `,"lines":[{"sku":"MUG","quantity":2}]}`, "/release", `{"reason":"cancelled","close":true}`},
			{w.addr.Payment, "/v1/charges", `{` + of + `,"amount":"12.50","currency":"EUR"}`, "/refund", `{"reason":"compensated","close":true}`},
			{w.addr.Carrier, "/v1/shipments", `{` + of + `,"lines":[{"sku":"MUG","quantity":2}],` + address + `}`, "/cancel", `{"close":true}`},
		} {
			wg.Go(func() { w.settle(http.MethodPost, c.api+c.root, "forth:"+id, c.forth) })
			wg.Go(func() { w.settle(http.MethodPost, c.api+c.root+"/"+acme+"/"+id+c.back, "back:"+id, c.undo) })
		}
	}
	wg.Wait()
	s := w.summary()
	if s.Stock.Reservations != s.Stock.Orders || s.Stock.UnitsHeld != 0 || s.Stock.Releases+s.Stock.Nothing != orders || s.Stock.Reservations+s.Stock.RefusedKeys["closed"] != orders {
		t.Errorf("stock %+v", s.Stock)
	}
	p := s.Payment
	if p.Charges != p.Orders || p.Refunds+p.Nothing != orders || p.Charges > 0 && p.Money["EUR"].Kept != "0.00" || p.Refunds != p.Charges {
		t.Errorf("payment %+v", p)
	}
	if s.Carrier.Shipments != s.Carrier.Orders || s.Carrier.Cancelled != s.Carrier.Shipments || s.Carrier.Cancelled+s.Carrier.Nothing != orders {
		t.Errorf("carrier %+v", s.Carrier)
	}
	for name, c := range map[string]effects.Counts{"stock": s.Stock.Counts, "payment": p.Counts, "carrier": s.Carrier.Counts} {
		if len(c.Anomalies) != 0 || c.Repeats == 0 || c.Faults["lost_answer"] == 0 {
			t.Errorf("%s: anomalies %v, %d repeats, faults %v", name, c.Anomalies, c.Repeats, c.Faults)
		}
	}
}
