package stock

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
)

// AnySKU as a key of quantities stands for all SKUs that are not listed.
const AnySKU = "*"

// maxQuantity bounds one line, so that sums cannot overflow.
const maxQuantity = 1 << 31

// State is what is in stock, what is reserved, and what was answered under which key. It is safe for concurrent use.
type State struct {
	ledger *effects.Ledger

	mu         sync.Mutex
	quantities map[string]int64 // per SKU, in each shop; without an entry there is no end to it
	reserved   map[shopSKU]int64
	orders     map[shopOrder]*held
	done       map[string]done
	ids        int64
}

type (
	shopSKU   struct{ shop, sku string }
	shopOrder struct{ shop, order string }
)

// held is what is reserved for one order and not yet released.
type held struct{ lines []effects.Line }

// done is the answer to a key whose effect happened.
type done struct {
	request string // its content, to tell a repeat from a reused key
	answer  answer
}

// answer is what a client gets.
type answer struct {
	status int
	body   []byte
}

func say(status int, body any) answer {
	text, err := json.Marshal(body)
	if err != nil { // of maps and structs of text and numbers: cannot be
		text = []byte(`{"error":"internal"}`)
	}
	return answer{status, append(text, '\n')}
}

func refusal(status int, reason, detail string) answer {
	body := map[string]string{"error": reason}
	if detail != "" {
		body["detail"] = detail
	}
	return say(status, body)
}

// NewState returns a stock with the quantities, per SKU and shop; SKUs without one, not even under AnySKU, are unlimited.
func NewState(ledger *effects.Ledger, quantities map[string]int64) *State {
	return &State{ledger: ledger, quantities: quantities, reserved: map[shopSKU]int64{}, orders: map[shopOrder]*held{}, done: map[string]done{}}
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
	slices.SortFunc(levels, func(a, b Level) int { return compare(a.Shop, b.Shop, a.SKU, b.SKU) })
	return s.quantities, levels
}

func (s *State) quantity(sku string) (n int64, limited bool) {
	if n, limited = s.quantities[sku]; !limited {
		n, limited = s.quantities[AnySKU]
	}
	return n, limited
}

// Replay answers a key that was used before, and accounts for that.
func (s *State) Replay(key, request string) (a answer, used bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replay(key, request)
}

// replay gives a key that was used before its first answer again, or a refusal when the content differs.
func (s *State) replay(key, request string) (a answer, used bool) {
	d, used := s.done[key]
	if used && d.request != request {
		return refusal(http.StatusUnprocessableEntity, reasonKeyReused, "the key was used for other content"), true
	}
	if used {
		s.ledger.Repeat(faults.Stock, key)
	}
	return d.answer, used
}

// Reserve takes the lines out of stock for an order. insufficient tells of further SKUs that count as sold out.
func (s *State) Reserve(key, request string, r reservation, insufficient func(sku string) bool) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, used := s.replay(key, request); used {
		return a
	}
	wanted, lacking := s.weigh(r, insufficient)
	if lacking != "" {
		return say(http.StatusConflict, map[string]string{"error": reasonInsufficient, "sku": lacking})
	}
	for sku, n := range wanted {
		s.reserved[shopSKU{r.Shop, sku}] += n
	}
	e := effects.Entry{Kind: effects.Reserved, Backend: faults.Stock, Key: key, Shop: r.Shop, Order: r.OrderID, Lines: r.Lines}
	o, known := s.orders[shopOrder{r.Shop, r.OrderID}]
	if known {
		e.Anomalies = []string{effects.DoubleReservation}
	} else {
		o = &held{}
		s.orders[shopOrder{r.Shop, r.OrderID}] = o
	}
	for _, l := range r.Lines {
		o.add(l)
	}
	s.ids++
	e.Reservation = fmt.Sprintf("res-%d", s.ids)
	a := say(http.StatusCreated, map[string]string{"reservation_id": e.Reservation})
	s.done[key] = done{request, a}
	s.ledger.Record(e)
	return a
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

// Release gives the lines of an order back, or all that it holds when there are none.
func (s *State) Release(key, request, shop, order string, r release) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, used := s.replay(key, request); used {
		return a
	}
	o, known := s.orders[shopOrder{shop, order}]
	if !known {
		return refusal(http.StatusNotFound, reasonUnknown, "")
	}
	e := effects.Entry{Kind: effects.Released, Backend: faults.Stock, Key: key, Shop: shop, Order: order, Reason: r.Reason}
	var complete bool
	if e.Lines, complete = o.give(r.Lines); !complete {
		e.Anomalies = []string{effects.OverRelease}
	}
	for _, l := range e.Lines {
		s.reserved[shopSKU{shop, stockOf(l)}] -= l.Quantity
	}
	a := say(http.StatusOK, map[string]any{"released": e.Lines})
	s.done[key] = done{request, a}
	s.ledger.Record(e)
	return a
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
