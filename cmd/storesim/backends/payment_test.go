package backends

import (
	"net/http"
	"strings"
	"testing"

	"millrace/cmd/storesim/backends/effects"
)

func TestThePaymentAPIKeepsItsContract(t *testing.T) {
	w := start(t, func(c *Config) { c.PaymentToken = "tok" }, "payment/poor.example:refuse,only=charge")
	const charges, one = "/v1/charges", "/v1/charges/" + acme + "/1"
	charge := func(order, amount, currency string) string {
		return `{"shop":"` + acme + `","order_id":"` + order + `","amount":"` + amount + `","currency":"` + currency + `"}`
	}
	for i, step := range []struct {
		method, path, key, body string
		status                  int
		want                    string
	}{
		{"GET", one, "", "", 404, `{"error":"unknown_charge"}`},
		{"POST", one + "/refund", "r0", `{}`, 404, `{"error":"unknown_charge"}`},
		{"POST", charges, "c1", charge("1", "12.50", "EUR"), 201, `{"charge_id":"ch-1","status":"succeeded"}`},
		{"POST", charges, "c1", charge("1", "12.50", "EUR"), 201, `{"charge_id":"ch-1","status":"succeeded"}`},
		{"POST", charges, "c1", charge("1", "12.51", "EUR"), 422, `"key_reused"`},
		{"GET", one, "", "", 200, `{"charged":"12.50","currency":"EUR","refunded":"0.00","status":"succeeded"}`},
		{"POST", one + "/refund", "r1", `{"reason":"returned","amount":"2.5"}`, 200, `{"refunded":"2.50"}`},
		{"GET", one, "", "", 200, `"status":"partially_refunded"`},
		{"POST", one + "/refund", "r2", `{"reason":"compensated","close":true}`, 200, `{"refunded":"10.00"}`},
		{"POST", one + "/refund", "r3", `{}`, 200, `{"refunded":"0.00"}`},
		{"POST", one + "/refund", "r4", `{"amount":"0.01"}`, 200, `{"refunded":"0.00"}`},
		{"GET", one, "", "", 200, `"status":"refunded"`},
		{"POST", charges, "late", charge("1", "12.50", "EUR"), 409, `{"error":"closed"}`},
		{"POST", charges + "/" + acme + "/2/refund", "r5", `{"close":true}`, 200, `{"refunded":"0"}`},
		{"POST", charges, "c2", charge("2", "1.00", "EUR"), 409, `{"error":"closed"}`},
		{"POST", charges, "c3", charge("3", "500", "JPY"), 201, `"ch-2"`},
		{"POST", charges, "c4", charge("3", "500", "JPY"), 201, `"ch-3"`},
		{"POST", charges, "c5", charge("3", "5.00", "EUR"), 422, `that of the order's first charge, JPY`},
		{"POST", charges, "c6", strings.Replace(charge("1", "1", "EUR"), acme, "poor.example", 1), 402, `{"error":"declined"}`},
		{"POST", charges + "/poor.example/1/refund", "r6", `{"close":true}`, 200, `{"refunded":"0"}`},
		{"POST", charges, "c7", charge("4", "1,50", "EUR"), 422, "amount must be"},
		{"POST", charges, "c7", charge("4", "1.50", "euro"), 422, "currency must be"},
		{"POST", charges, "c7", charge("", "1.50", "EUR"), 422, "order_id must not be empty"},
		{"POST", one + "/refund", "r7", `{"amount":"-1"}`, 422, "amount must be"},
		{"POST", one + "/refund", "r7", `{"reason":"` + strings.Repeat("x", 201) + `"}`, 422, "at most 200 bytes"},
	} {
		status, answer, _, err := w.call(t.Context(), step.method, w.addr.Payment+step.path, step.key, step.body)
		if err != nil || status != step.status || !strings.Contains(answer, step.want) {
			t.Errorf("step %d: %d %s (%v), want %d %s", i, status, answer, err, step.status, step.want)
		}
	}
	s := w.summary().Payment
	if s.Charges != 3 || s.Orders != 2 || s.OrdersTwice != 1 || s.Refunds != 3 || s.OrdersRefunded != 1 || s.Unknown != 1 || s.Repeats != 1 || s.Nothing != 3 || s.Requests != 25 {
		t.Errorf("summary %+v", s)
	}
	if s.Money["EUR"] != (effects.Money{Charged: "12.50", Refunded: "12.50", Kept: "0.00"}) || s.Money["JPY"] != (effects.Money{Charged: "1000", Refunded: "0", Kept: "1000"}) {
		t.Errorf("money %+v", s.Money)
	}
	if s.Anomalies[effects.DoubleCharge] != 1 || s.Anomalies[effects.OverRefund] != 1 || len(s.Anomalies) != 2 || s.Refused["closed"] != 2 || s.Refused["declined"] != 1 {
		t.Errorf("anomalies %v, refused %v", s.Anomalies, s.Refused)
	}
	var entries Entries
	w.admin(http.MethodGet, "/ledger?backend=payment&kind=refunded&order=1", "", &entries)
	if e := entries.Entries; len(e) != 3 || e[1].Key != "r2" || e[1].Amount != "10.00" || e[1].Currency != "EUR" || e[1].Charge != "ch-1" || e[1].Reason != "compensated" || !e[1].Closed {
		t.Errorf("entries %+v", entries)
	}
}
