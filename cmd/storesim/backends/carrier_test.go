package backends

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/cmd/storesim/backends/effects"
)

func TestTheCarrierAPIKeepsItsContract(t *testing.T) {
	w := start(t, func(c *Config) { c.CarrierToken = "tok" }, "carrier/far.example:refuse,only=ship")
	const shipments, one = "/v1/shipments", "/v1/shipments/" + acme + "/1"
	ship := func(order, change string) string {
		body := `{"shop":"` + acme + `","order_id":"` + order + `","name":"#1001","lines":[{"variant_id":"7","sku":"MUG","quantity":2}],` +
			`"address":{"name":"Ada","address1":"Main St 1","address2":null,"zip":"9000","city":"Ghent","country_code":"BE","latitude":51.05}}`
		from, to, _ := strings.Cut(change, "→")
		return strings.Replace(body, from, to, 1)
	}
	const first = `{"shipment_id":"shp-1","status":"accepted","tracking_company":"Storesim Parcels","tracking_number":"SIM000000001","tracking_url":"https://parcels.example/SIM000000001"}`
	for i, step := range []struct {
		method, path, key, body string
		status                  int
		want                    string
	}{
		{"GET", one, "", "", 404, `{"error":"unknown_shipment"}`},
		{"POST", one + "/cancel", "x0", `{}`, 404, `{"error":"unknown_shipment"}`},
		{"POST", shipments, "s1", ship("1", ""), 201, first},
		{"POST", shipments, "s1", ship("1", ""), 201, first},
		{"POST", shipments, "s1", ship("1", "Ghent→Paris"), 422, `"key_reused"`},
		{"GET", one, "", "", 200, first},
		{"POST", shipments, "s2", ship("1", ""), 201, `"shp-2"`},
		{"POST", one + "/cancel", "x1", `{"reason":"compensated","close":true}`, 200, `{"status":"cancelled"}`},
		{"POST", one + "/cancel", "x2", `{"reason":"again"}`, 200, `{"status":"cancelled"}`},
		{"GET", one, "", "", 200, `"status":"cancelled"`},
		{"POST", shipments, "late", ship("1", ""), 409, `{"error":"closed"}`},
		{"POST", shipments + "/" + acme + "/2/cancel", "x3", `{"close":true}`, 200, `{"status":"cancelled"}`},
		{"POST", shipments, "s3", ship("2", ""), 409, `{"error":"closed"}`},
		{"POST", shipments, "s4", ship("3", `"Main St 1"→""`), 422, `{"detail":"address.address1 is missing","error":"undeliverable"}`},
		{"POST", shipments, "s4", ship("3", `"address":→"to":`), 422, `"undeliverable"`},
		{"POST", shipments, "s4", ship("3", `"country_code":"BE"→"country":"Belgium"`), 201, `"shp-3"`}, // a refusal is not remembered
		{"POST", shipments, "s5", ship("1", acme+"→far.example"), 422, `{"error":"undeliverable"}`},
		{"POST", shipments, "s6", ship("4", `"quantity":2→"quantity":0`), 422, "quantity must be"},
		{"POST", shipments, "s6", ship("", ""), 422, "order_id must not be empty"},
	} {
		status, answer, _, err := w.call(t.Context(), step.method, w.addr.Carrier+step.path, step.key, step.body)
		if err != nil || status != step.status || !strings.Contains(answer, step.want) {
			t.Errorf("step %d: %d %s (%v), want %d %s", i, status, answer, err, step.status, step.want)
		}
	}
	s := w.summary().Carrier
	if s.Shipments != 3 || s.Orders != 2 || s.OrdersTwice != 1 || s.Cancelled != 1 || s.Unknown != 1 || s.Repeats != 1 || s.Nothing != 2 || s.Units != 6 || s.Requests != 19 {
		t.Errorf("summary %+v", s)
	}
	if s.Anomalies[effects.DoubleShipment] != 1 || len(s.Anomalies) != 1 || s.Refused["closed"] != 2 || s.Refused["undeliverable"] != 3 {
		t.Errorf("anomalies %v, refused %v", s.Anomalies, s.Refused)
	}
	var entries Entries
	w.admin(http.MethodGet, "/ledger?backend=carrier&kind=shipment_cancelled", "", &entries)
	if e := entries.Entries; len(e) != 1 || e[0].Order != "1" || e[0].Shipment != "shp-1 shp-2" || e[0].Reason != "compensated" || !e[0].Closed {
		t.Errorf("entries %+v", entries)
	}
}

func TestAShipmentThatHasLeftIsNotCancelled(t *testing.T) {
	w := start(t, func(c *Config) { c.CarrierShipAfter = time.Nanosecond })
	const body = `{"shop":"s","order_id":"1","lines":[{"sku":"MUG","quantity":1}],"address":{"address1":"Main St 1","city":"Ghent","country_code":"BE"}}`
	if status, answer, _, err := w.call(t.Context(), http.MethodPost, w.addr.Carrier+"/v1/shipments", "k", body); status != 201 {
		t.Fatalf("%d %s (%v)", status, answer, err)
	}
	status, answer, _, err := w.call(t.Context(), http.MethodPost, w.addr.Carrier+"/v1/shipments/s/1/cancel", "c", `{"close":true}`)
	if status != 409 || answer != `{"detail":"shp-1 has left","error":"shipped"}` {
		t.Errorf("%d %s (%v)", status, answer, err)
	}
	if s := w.summary().Carrier; s.Cancelled != 0 || s.Refused["shipped"] != 1 {
		t.Errorf("summary %+v", s)
	}
}
