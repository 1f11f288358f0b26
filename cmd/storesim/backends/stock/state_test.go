package stock

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

func never(string) bool { return false }

// model is the arithmetic of the stock, done in the simplest way: counters per shop, order and SKU.
type model struct {
	limit, taken map[string]int64
	held         map[string]map[string]int64 // order → SKU
	double, over int64
	units        [2]int64 // reserved, released
}

func (m *model) reserve(order string, lines []effects.Line) int {
	want := map[string]int64{}
	for _, l := range lines {
		want[l.SKU] += l.Quantity
	}
	for sku, n := range want {
		if q, ok := m.limit[sku]; ok && m.taken[sku]+n > q {
			return http.StatusConflict
		}
	}
	if _, ok := m.held[order]; ok {
		m.double++
	} else {
		m.held[order] = map[string]int64{}
	}
	for sku, n := range want {
		m.taken[sku] += n
		m.held[order][sku] += n
		m.units[0] += n
	}
	return http.StatusCreated
}

func (m *model) release(order string, lines []effects.Line) int {
	h, ok := m.held[order]
	if !ok {
		return http.StatusNotFound
	}
	if len(lines) == 0 {
		for sku, n := range h {
			lines = append(lines, effects.Line{SKU: sku, Quantity: n})
		}
	}
	over := false
	for _, l := range lines {
		n := min(l.Quantity, h[l.SKU])
		over = over || n < l.Quantity
		h[l.SKU] -= n
		m.taken[l.SKU] -= n
		m.units[1] += n
	}
	if over {
		m.over++
	}
	return http.StatusOK
}

func TestArithmeticAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := map[string]int64{"A": 5, "B": 20}
		l := effects.New(effects.Config{})
		s := NewState(limit)
		m := &model{limit: limit, taken: map[string]int64{}, held: map[string]map[string]int64{}}
		line := rapid.Custom(func(t *rapid.T) effects.Line {
			sku := rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "sku")
			return effects.Line{VariantID: "v" + sku, SKU: sku, Quantity: rapid.Int64Range(1, 4).Draw(t, "quantity")}
		})
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			order := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "order")
			var got partner.Answer
			var want int
			if rapid.Bool().Draw(t, "reserve") {
				lines := rapid.SliceOfN(line, 1, 3).Draw(t, "lines")
				got, want = s.reserve(reservation{Shop: "shop", OrderID: order, Lines: lines}, never), m.reserve(order, lines)
			} else {
				lines := rapid.SliceOfN(line, 0, 3).Draw(t, "lines")
				got, want = s.release(partner.Order{Shop: "shop", ID: order}, release{Lines: lines}), m.release(order, lines)
			}
			if got.Status != want {
				t.Fatalf("step %d: status %d, want %d: %s", i, got.Status, want, got.Body())
			}
			if e := got.Entry(); e != nil {
				e.Backend, e.Key, e.Shop, e.Order = faults.Stock, fmt.Sprint(i), "shop", order
				l.Record(*e)
			}
		}
		_, levels := s.Levels("shop")
		for _, v := range levels {
			if v.Reserved != m.taken[v.SKU] {
				t.Errorf("%s: %d reserved, want %d", v.SKU, v.Reserved, m.taken[v.SKU])
			}
		}
		sum := l.Summary().Stock
		if sum.UnitsReserved != m.units[0] || sum.UnitsReleased != m.units[1] || sum.UnitsHeld != m.taken["A"]+m.taken["B"]+m.taken["C"] {
			t.Errorf("units %+v, want %v", sum, m.units)
		}
		if sum.Anomalies[effects.DoubleReservation] != m.double || sum.Anomalies[effects.OverRelease] != m.over || sum.Orders != int64(len(m.held)) {
			t.Errorf("anomalies %v of %d orders, want %d double, %d over", sum.Anomalies, sum.Orders, m.double, m.over)
		}
	})
}

func TestReleaseOfAVariantThatWasNamedOtherwise(t *testing.T) {
	s := NewState(nil)
	s.reserve(reservation{Shop: "s", OrderID: "o", Lines: []effects.Line{{VariantID: "7", SKU: "MUG", Quantity: 3}, {VariantID: "8", Quantity: 1}}}, never)
	for name, want := range map[string]effects.Line{"by variant": {VariantID: "7", Quantity: 1}, "by SKU": {SKU: "MUG", Quantity: 1}, "without SKU": {VariantID: "8", Quantity: 1}} {
		var got struct{ Released []effects.Line }
		a := s.release(partner.Order{Shop: "s", ID: "o"}, release{Lines: []effects.Line{want}})
		if err := json.Unmarshal(a.Body(), &got); err != nil || len(got.Released) != 1 || got.Released[0].Quantity != 1 {
			t.Errorf("%s: %s (%v)", name, a.Body(), err)
		}
	}
	_, levels := s.Levels("")
	if len(levels) != 2 || levels[0].SKU != "MUG" || levels[0].Reserved != 1 || levels[1].SKU != "variant/8" || levels[1].Reserved != 0 {
		t.Errorf("levels %+v", levels)
	}
}

func TestQuantitiesMayChange(t *testing.T) {
	s := NewState(map[string]int64{AnySKU: 1})
	one := func(order, sku string) int {
		return s.reserve(reservation{Shop: "s", OrderID: order, Lines: []effects.Line{{SKU: sku, Quantity: 1}}}, never).Status
	}
	if one("1", "A") != http.StatusCreated || one("2", "A") != http.StatusConflict || one("3", "B") != http.StatusCreated {
		t.Error("the quantity of all SKUs is not that of each")
	}
	s.SetQuantities(map[string]int64{"A": 2, AnySKU: 0})
	// What was refused succeeds in a changed world.
	if one("2", "A") != http.StatusCreated || one("4", "B") != http.StatusConflict {
		t.Error("the new quantities do not count")
	}
	_, levels := s.Levels("s")
	if len(levels) != 2 || *levels[0].Available != 0 || *levels[1].Available != -1 {
		t.Errorf("levels %+v", levels)
	}
}
