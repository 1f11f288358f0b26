package stock

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/partner"
)

// AnySKU as a key of quantities stands for all SKUs that are not listed.
const AnySKU = "*"

// State is what is in stock and what is reserved. It is safe for concurrent use.
type State struct {
	mu         sync.Mutex
	quantities map[string]int64 // per SKU, in each shop; without an entry there is no end to it
	reserved   map[shopSKU]int64
	orders     map[partner.Order]*held
	ids        int64
}

type shopSKU struct{ shop, sku string }

// held is what is reserved for one order and not yet released.
type held struct{ lines []effects.Line }

// NewState returns a stock with the quantities, per SKU and shop; SKUs without one, not even under AnySKU, are unlimited.
func NewState(quantities map[string]int64) *State {
	return &State{quantities: quantities, reserved: map[shopSKU]int64{}, orders: map[partner.Order]*held{}}
}

// SetQuantities replaces the quantities. What is reserved stays reserved, even if that is more than there is now.
func (s *State) SetQuantities(quantities map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quantities = quantities
}

// Level is the stock of one SKU in one shop. Quantity and Available are missing when there is no end to it.
type Level struct {
	Shop      string `json:"shop"`
	SKU       string `json:"sku"` // or variant/<id> of a variant without one
	Quantity  *int64 `json:"quantity,omitempty"`
	Reserved  int64  `json:"reserved"`
	Available *int64 `json:"available,omitempty"`
}

// Levels returns the quantities in force, which are not to be changed, and the SKUs of which something was ever reserved; of
// one shop, or of all when it is empty.
func (s *State) Levels(shop string) (quantities map[string]int64, levels []Level) {
	s.mu.Lock()
	defer s.mu.Unlock()
	levels = []Level{}
	for k, n := range s.reserved {
		if shop != "" && shop != k.shop {
			continue
		}
		l := Level{Shop: k.shop, SKU: k.sku, Reserved: n}
		if q, limited := s.quantity(k.sku); limited {
			left := q - n
			l.Quantity, l.Available = &q, &left
		}
		levels = append(levels, l)
	}
	slices.SortFunc(levels, func(a, b Level) int {
		return cmp.Or(cmp.Compare(a.Shop, b.Shop), cmp.Compare(a.SKU, b.SKU))
	})
	return s.quantities, levels
}

func (s *State) quantity(sku string) (n int64, limited bool) {
	if n, limited = s.quantities[sku]; !limited {
		n, limited = s.quantities[AnySKU]
	}
	return n, limited
}

// reserve takes the lines out of stock for an order. insufficient tells of further SKUs that count as sold out.
func (s *State) reserve(r reservation, insufficient func(sku string) bool) partner.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted, lacking := s.weigh(r, insufficient)
	if lacking != "" {
		return partner.Refuse(http.StatusConflict, reasonInsufficient, "sku", lacking)
	}
	for sku, n := range wanted {
		s.reserved[shopSKU{r.Shop, sku}] += n
	}
	s.ids++
	e := effects.Entry{Kind: effects.Reserved, Lines: r.Lines, Reservation: fmt.Sprintf("res-%d", s.ids)}
	of := partner.Order{Shop: r.Shop, ID: r.OrderID}
	o, known := s.orders[of]
	if known {
		e.Anomalies = []string{effects.DoubleReservation}
	} else {
		o = &held{}
		s.orders[of] = o
	}
	for _, l := range r.Lines {
		o.add(l)
	}
	return partner.Did(http.StatusCreated, map[string]string{"reservation_id": e.Reservation}, e)
}

// weigh sums up what is wanted per SKU and names the first SKU of which there is not enough.
func (s *State) weigh(r reservation, insufficient func(sku string) bool) (wanted map[string]int64, lacking string) {
	wanted = map[string]int64{}
	for _, l := range r.Lines {
		wanted[stockOf(l)] += l.Quantity
	}
	for _, l := range r.Lines {
		sku := stockOf(l)
		q, limited := s.quantity(sku)
		if insufficient(sku) || limited && q-s.reserved[shopSKU{r.Shop, sku}] < wanted[sku] {
			return nil, sku
		}
	}
	return wanted, ""
}

// release gives the lines of an order back, or all that it holds when there are none.
func (s *State) release(of partner.Order, r release) partner.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, known := s.orders[of]
	switch {
	case !known && r.Close:
		return partner.Nothing(http.StatusOK, map[string]any{"released": []effects.Line{}})
	case !known:
		return partner.Early(reasonUnknown)
	}
	e := effects.Entry{Kind: effects.Released, Reason: r.Reason}
	var complete bool
	if e.Lines, complete = o.give(r.Lines); !complete {
		e.Anomalies = []string{effects.OverRelease}
	}
	for _, l := range e.Lines {
		s.reserved[shopSKU{of.Shop, stockOf(l)}] -= l.Quantity
	}
	return partner.Did(http.StatusOK, map[string]any{"released": e.Lines}, e)
}

// stockOf names the stock that a line is taken from: its SKU, or its variant when the merchant gave it none.
func stockOf(l effects.Line) string {
	if l.SKU == "" {
		return "variant/" + l.VariantID
	}
	return l.SKU
}

// add puts a line to those held, with what is held of the same variant and SKU.
func (h *held) add(l effects.Line) {
	for i := range h.lines {
		if h.lines[i].VariantID == l.VariantID && h.lines[i].SKU == l.SKU {
			h.lines[i].Quantity += l.Quantity
			return
		}
	}
	h.lines = append(h.lines, l)
}

// give removes what is wanted, or everything when nothing is named, and tells what it removed and whether that was all.
func (h *held) give(wanted []effects.Line) (given []effects.Line, complete bool) {
	if len(wanted) == 0 {
		given, h.lines = h.lines, nil
		return append([]effects.Line{}, given...), true
	}
	given, complete = []effects.Line{}, true
	for _, w := range wanted {
		left := w.Quantity
		for _, l := range h.take(w) {
			left -= l.Quantity
			given = append(given, l)
		}
		complete = complete && left == 0
	}
	return given, complete
}

// take removes up to a line's quantity from what is held of its variant, or of its SKU when it names no variant, and returns
// what it removed.
func (h *held) take(want effects.Line) (given []effects.Line) {
	left := want.Quantity
	for i := range h.lines {
		l := &h.lines[i]
		same := want.VariantID != "" && l.VariantID == want.VariantID || want.VariantID == "" && l.SKU == want.SKU
		if n := min(left, l.Quantity); same && n > 0 {
			l.Quantity -= n
			left -= n
			given = append(given, effects.Line{VariantID: l.VariantID, SKU: l.SKU, Quantity: n})
		}
	}
	h.lines = slices.DeleteFunc(h.lines, func(l effects.Line) bool { return l.Quantity == 0 })
	return given
}
