package inventory

import (
	"encoding/json"
	"fmt"
	"slices"

	"millrace/schemas"
)

// stateVersion is the version of the state's JSON. A reader refuses others: an older program must not write over what it does not
// understand.
const stateVersion = 1

// state is what is kept of an order. Its zero value is an order that has not come yet.
type state struct {
	V         int          `json:"v"`
	Known     bool         `json:"known,omitempty"`   // orders/create has been handled
	Nothing   string       `json:"nothing,omitempty"` // why nothing was reserved, as a reason of group.Skip
	Lines     []held       `json:"lines,omitempty"`
	Shipments []shipment   `json:"shipments,omitempty"`
	Refunds   []schemas.ID `json:"refunds,omitempty"` // those handled
	Cancelled bool         `json:"cancelled,omitempty"`
	Early     []change     `json:"early,omitempty"` // what came before the order, with EarlyRemember
}

// held is a line of the order for which goods were reserved. What is reserved still is Reserved - Freed - Returned.
type held struct {
	ID       schemas.ID `json:"id"`
	Variant  schemas.ID `json:"variant"`
	SKU      string     `json:"sku,omitempty"`
	Reserved int64      `json:"reserved"`
	Freed    int64      `json:"freed,omitempty"`    // released before they were shipped
	Returned int64      `json:"returned,omitempty"` // released when they came back
}

// shipment is what one fulfilment took out of the house.
type shipment struct {
	ID    schemas.ID `json:"id"`
	Void  bool       `json:"void,omitempty"` // it did not happen after all, whatever else is said about it
	Lines []quantity `json:"lines,omitempty"`
}

type quantity struct {
	Line schemas.ID `json:"line"`
	N    int64      `json:"n"`
}

type changeKind string

const (
	kindCancel changeKind = "cancel"
	kindRefund changeKind = "refund"
	kindShip   changeKind = "ship"
)

// change is what an event asks for, in a form that can be kept.
type change struct {
	Kind     changeKind `json:"kind"`
	ID       schemas.ID `json:"id"` // of the order, refund or fulfilment
	Freed    []quantity `json:"freed,omitempty"`
	Returned []quantity `json:"returned,omitempty"`
	Shipped  []shipment `json:"shipped,omitempty"`

	order schemas.ID
	skip  string // why there is nothing to do, as a reason of group.Skip: it is known without the order
}

func readState(text []byte) (state, error) {
	s := state{V: stateVersion}
	if len(text) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, fmt.Errorf("read state: %w", err)
	}
	if s.V != stateVersion {
		return state{}, fmt.Errorf("read state: it has version %d, this program knows %d", s.V, stateVersion)
	}
	return s, nil
}

func (s *state) text() []byte {
	text, err := json.Marshal(s)
	if err != nil { // of structs of text and numbers: cannot be
		panic(err)
	}
	return text
}

// did reports whether a change has been made already, or is remembered.
func (s *state) did(c change) bool {
	switch c.Kind {
	case kindCancel:
		if s.Cancelled {
			return true
		}
	case kindRefund:
		if slices.Contains(s.Refunds, c.ID) {
			return true
		}
	case kindShip:
		i := s.shipment(c.ID)
		if i >= 0 && (s.Shipments[i].Void || !c.Shipped[0].Void) {
			return true
		}
	}
	return slices.ContainsFunc(s.Early, func(e change) bool {
		return e.Kind == c.Kind && e.ID == c.ID && (c.Kind != kindShip || e.Shipped[0].Void || !c.Shipped[0].Void)
	})
}

func (s *state) shipment(id schemas.ID) int {
	return slices.IndexFunc(s.Shipments, func(k shipment) bool { return k.ID == id })
}

// ship notes a shipment. One that did not happen stays so; otherwise the first word about it counts.
func (s *state) ship(k shipment) {
	switch i := s.shipment(k.ID); {
	case i < 0:
		s.Shipments = append(s.Shipments, k)
	case k.Void:
		s.Shipments[i] = k
	}
}

// shipped returns how much of a line has left the house.
func (s *state) shipped(line schemas.ID) (n int64) {
	for _, k := range s.Shipments {
		for _, q := range k.Lines {
			if q.Line == line {
				n += q.N
			}
		}
	}
	return n
}

// inHouse returns how much of a line is reserved and has not been shipped.
func (s *state) inHouse(l *held) int64 {
	return max(0, min(l.Reserved-s.shipped(l.ID)-l.Freed, l.left()))
}

// left returns how much of a line is reserved.
func (l *held) left() int64 { return l.Reserved - l.Freed - l.Returned }

func (s *state) line(id schemas.ID) *held {
	if i := slices.IndexFunc(s.Lines, func(l held) bool { return l.ID == id }); i >= 0 {
		return &s.Lines[i]
	}
	return nil
}

// cancel frees all that has not been shipped, and reports whether that is all that is reserved.
func (s *state) cancel(c change) (freed []Line, all bool) {
	for _, k := range c.Shipped {
		s.ship(k)
	}
	s.Cancelled, all = true, true
	for i := range s.Lines {
		l := &s.Lines[i]
		if n := s.inHouse(l); n > 0 {
			l.Freed += n
			freed = append(freed, l.of(n))
		}
		all = all && l.left() == 0
	}
	return freed, all
}

// refund takes the goods of a refund back, never more than there are. Goods that had not been shipped are not looked for among the
// shipments, which may not be known in full yet; after the cancellation there are none, since it has freed them all.
func (s *state) refund(c change) (back []Line) {
	s.Refunds = append(s.Refunds, c.ID)
	for _, q := range c.Freed {
		if l := s.line(q.Line); l != nil && !s.Cancelled {
			if n := min(q.N, l.left()); n > 0 {
				l.Freed += n
				back = append(back, l.of(n))
			}
		}
	}
	for _, q := range c.Returned {
		if l := s.line(q.Line); l != nil {
			if n := min(q.N, l.left()); n > 0 {
				l.Returned += n
				back = append(back, l.of(n))
			}
		}
	}
	return back
}

// of returns n of the line, as the stock system knows it.
func (l *held) of(n int64) Line {
	return Line{VariantID: l.Variant.String(), SKU: l.SKU, Quantity: n}
}
