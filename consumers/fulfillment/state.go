package fulfillment

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
	V          int      `json:"v"`
	Known      bool     `json:"known,omitempty"`       // an event with the whole order has come
	Made       bool     `json:"made,omitempty"`        // the shipment was made, or is a task
	ShipmentID string   `json:"shipment_id,omitempty"` // empty while it is a task
	Nothing    string   `json:"nothing,omitempty"`     // why nothing is shipped, as a reason of group.Skip
	Cancelled  bool     `json:"cancelled,omitempty"`   // by the shop, or removed
	Refunds    []refund `json:"refunds,omitempty"`     // that came before the shipment was made
}

// refund is what one refund took from the order.
type refund struct {
	ID    schemas.ID `json:"id"`
	Lines []quantity `json:"lines"`
}

type quantity struct {
	Line schemas.ID `json:"line"`
	N    int64      `json:"n"`
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

// knows tells whether a refund is remembered.
func (s *state) knows(id schemas.ID) bool {
	return slices.ContainsFunc(s.Refunds, func(r refund) bool { return r.ID == id })
}
