package payment

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
	"millrace/cmd/storesim/backends/partner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func cents(n int64) string { return fmt.Sprintf("%d.%02d", n/100, n%100) }

// TestArithmeticAgainstAModel holds state and account against sums of cents.
func TestArithmeticAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := effects.New(effects.Config{})
		s := &state{accounts: map[partner.Order]*account{}}
		charged, refunded := map[string]int64{}, map[string]int64{}
		var all, back, double, over int64
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			order, n := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "order"), rapid.Int64Range(1, 500).Draw(t, "cents")
			of := partner.Order{Shop: "shop", ID: order}
			_, known := charged[order]
			var got partner.Answer
			want := http.StatusOK
			if rapid.Bool().Draw(t, "charge") {
				got, want = s.charge(of, charge{Amount: cents(n), Currency: "EUR"}), http.StatusCreated
				charged[order] += n
				all += n
				if known {
					double++
				}
			} else {
				left := charged[order] - refunded[order]
				r := refund{Amount: cents(n)}
				given := min(n, left)
				if rapid.Bool().Draw(t, "everything") {
					r, given = refund{}, left
				}
				got = s.refund(of, r)
				switch {
				case !known:
					want = http.StatusNotFound
				case r.Amount != "" && n > left:
					over++
				}
				refunded[order] += given
				back += given
			}
			if got.Status != want {
				t.Fatalf("step %d: status %d, want %d: %s", i, got.Status, want, got.Body())
			}
			if e := got.Entry(); e != nil {
				e.Backend, e.Key, e.Shop, e.Order = faults.Payment, fmt.Sprint(i), "shop", order
				l.Record(*e)
			}
		}
		for order, n := range charged {
			var got struct{ Charged, Refunded string }
			if err := json.Unmarshal(s.read(partner.Order{Shop: "shop", ID: order}).Body(), &got); err != nil || got.Charged != cents(n) || got.Refunded != cents(refunded[order]) {
				t.Errorf("order %s: %+v (%v), want %s and %s", order, got, err, cents(n), cents(refunded[order]))
			}
		}
		sum := l.Summary().Payment
		if sum.Orders != int64(len(charged)) || sum.Anomalies[effects.DoubleCharge] != double || sum.Anomalies[effects.OverRefund] != over {
			t.Errorf("summary %+v of %d orders, want %d double, %d over", sum, len(charged), double, over)
		}
		if want := (effects.Money{Charged: cents(all), Refunded: cents(back), Kept: cents(all - back)}); len(charged) > 0 && sum.Money["EUR"] != want {
			t.Errorf("money %+v, want %+v", sum.Money, want)
		}
	})
}

func TestAmountsAreDigitsAndAPoint(t *testing.T) {
	for text, good := range map[string]bool{
		"12.50": true, "0": true, "0.00": true, "1000": true, "1.234": true,
		"": false, ".5": false, "5.": false, "-1": false, "+1": false, "1e9": false, "1,5": false, "1.2.3": false, "1 2": false, "1234567890123": false,
	} {
		if _, err := parse(text); (err == nil) != good {
			t.Errorf("parse(%q) error: %v", text, err)
		}
	}
}
