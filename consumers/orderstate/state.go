package orderstate

import (
	"encoding/json"
	"fmt"
	"time"

	"millrace/schemas"
)

// stateVersion is the version of the state's JSON. A reader refuses others: an older program must not write over what it does not
// understand.
const stateVersion = 1

// timelineEntries is how much of its timeline a state keeps; all of it is in the event store.
const timelineEntries = 20

// State is what the events of one order say. It is a join of them: each part keeps what is newest, or what came of one cause, so neither
// the order in which events arrive nor their repetition shows in it, but for what falls off the end of the timeline. Lists are
// sorted by what tells their items apart.
type State struct {
	V       int    `json:"v"`
	Shop    string `json:"shop"`
	OrderID string `json:"order_id"`

	Order        *Order        `json:"order,omitempty"` // newest version; nil: the order itself has not come
	Cancelled    *Cancelled    `json:"cancelled,omitempty"`
	Deleted      *Stamp        `json:"deleted,omitempty"`
	Refunds      []Refund      `json:"refunds,omitempty"`
	Fulfillments []Fulfillment `json:"fulfillments,omitempty"`
	Transactions []Transaction `json:"transactions,omitempty"`
	Edits        []Edit        `json:"edits,omitempty"`
	Stock        []Stock       `json:"stock,omitempty"`
	Payments     []Payment     `json:"payments,omitempty"`
	Shipments    []Shipment    `json:"shipments,omitempty"`
	Mails        []Mail        `json:"mails,omitempty"`
	Documents    []Document    `json:"documents,omitempty"`
	Parts        []Part        `json:"parts,omitempty"`
	Sagas        []Saga        `json:"sagas,omitempty"`
	Timeline     []Entry       `json:"timeline,omitempty"` // by time
}

// Stamp says how new a part of the state is: the version that the shop or a saga gives it, then when it happened, then the event's id,
// so that of two events one is always newer, and every reader says which.
type Stamp struct {
	Version time.Time `json:"version,omitzero"`
	Seq     int64     `json:"seq,omitempty"`
	At      time.Time `json:"at"`
	ID      uint64    `json:"id"` // hash of the event's id
}

// Compare is negative where s is older than o.
func (s *Stamp) Compare(o *Stamp) int {
	switch {
	case !s.Version.Equal(o.Version):
		return s.Version.Compare(o.Version)
	case s.Seq != o.Seq:
		return int(max(min(s.Seq-o.Seq, 1), -1))
	case !s.At.Equal(o.At):
		return s.At.Compare(o.At)
	case s.ID != o.ID:
		if s.ID < o.ID {
			return -1
		}
		return 1
	default:
		return 0
	}
}

// Order is the newest version of the order. Its refunds and fulfilments are in the lists of the state, and the customer's address is not
// kept at all.
type Order struct {
	Stamp Stamp `json:"stamp"`
	schemas.OrderVersion
}

// Cancelled is what the newest version that says so says of the cancellation. There is no way back from it.
type Cancelled struct {
	Stamp  Stamp     `json:"stamp"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// Refund is one refund, as it was last seen.
type Refund struct {
	Stamp Stamp `json:"stamp"`
	schemas.OrderRefund
}

// Fulfillment is one of the shop's fulfilments, as it was last seen.
type Fulfillment struct {
	Stamp Stamp `json:"stamp"`
	schemas.OrderFulfillment
}

// Transaction is a movement of money at the shop's gateway, as it was last seen.
type Transaction struct {
	Stamp Stamp `json:"stamp"`
	schemas.TransactionRecorded
}

// Edit is a change of positions. What it led to is in the order's versions.
type Edit struct {
	Stamp Stamp `json:"stamp"`
	schemas.OrderEdited
}

// Stock is what the stock system did, by the first that told.
type Stock struct {
	Stamp    Stamp               `json:"stamp"`
	Effect   string              `json:"effect"`
	By       string              `json:"by"`
	Released bool                `json:"released,omitempty"`
	Lines    []schemas.StockLine `json:"lines,omitempty"` // of a release, none: all
}

// Payment is what the payment gateway did, by the first that told.
type Payment struct {
	Stamp    Stamp         `json:"stamp"`
	Effect   string        `json:"effect"`
	By       string        `json:"by"`
	Refund   bool          `json:"refund,omitempty"`
	ChargeID string        `json:"charge_id,omitempty"`
	Amount   schemas.Money `json:"amount,omitzero"`
	Currency string        `json:"currency,omitempty"`
}

// Shipment is a parcel or more at a carrier. It goes from accepted to shipped to delivered, and never back; cancelled is the end.
type Shipment struct {
	ShipmentID string              `json:"shipment_id"`
	Status     string              `json:"status"`
	Started    *Stamp              `json:"started,omitempty"` // nil: only later events of it have come
	Lines      []schemas.StockLine `json:"lines,omitempty"`
	Tracked    Stamp               `json:"tracked,omitzero"`
	Tracking   []schemas.Tracking  `json:"tracking,omitempty"`
}

// Mail is one that has left.
type Mail struct {
	Stamp  Stamp  `json:"stamp"`
	Effect string `json:"effect"`
	Kind   string `json:"kind"`
}

// Document is what the ERP has.
type Document struct {
	Stamp      Stamp  `json:"stamp"` // its version is that of the document
	Document   string `json:"document"`
	DocumentID string `json:"document_id,omitempty"`
}

// Part says whether what is said of a service's part is final.
type Part struct {
	Stamp   Stamp  `json:"stamp"`
	Service string `json:"service"`
	State   string `json:"state,omitempty"` // provisional; empty: final
}

// Saga is how far a saga is.
type Saga struct {
	Stamp  Stamp    `json:"stamp"`
	Saga   string   `json:"saga"`
	Status string   `json:"status"`
	Plan   []string `json:"plan,omitempty"` // its steps, in order
	Since  Stamp    `json:"since,omitzero"` // of the plan
	Steps  []Step   `json:"steps,omitempty"`
}

// Values of Saga.Status.
const (
	SagaRunning      = "running"
	SagaCompensating = "compensating"
	SagaCompleted    = "completed"
	SagaCompensated  = "compensated"
	SagaParked       = "parked"
	SagaAborted      = "aborted"
)

// Step is a step of a saga, or its compensation.
type Step struct {
	Stamp        Stamp  `json:"stamp"`
	Step         string `json:"step"`
	Compensation bool   `json:"compensation,omitempty"`
	Status       string `json:"status"`
	Error        string `json:"error,omitempty"`
}

// Values of Step.Status.
const (
	StepRequested = "requested"
	StepDone      = "done"
	StepFailed    = "failed"
)

// Entry is a line of the timeline.
type Entry struct {
	At     time.Time `json:"at"`
	ID     uint64    `json:"id"`
	Type   string    `json:"type"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

// Waiting tells whether something of the order has come and the order itself has not.
func (s *State) Waiting() bool {
	return s.Order == nil && s.Deleted == nil && len(s.Refunds)+len(s.Fulfillments)+len(s.Transactions)+len(s.Edits) > 0
}

// Read reads a state as Text has written it; nothing is an order of which nothing is known.
func Read(text []byte) (State, error) {
	s := State{V: stateVersion}
	if len(text) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, fmt.Errorf("read state: %w", err)
	}
	if s.V != stateVersion {
		return State{}, fmt.Errorf("read state: it has version %d, this program knows %d", s.V, stateVersion)
	}
	return s, nil
}

// Text is the state as JSON. Equal states have equal texts.
func (s *State) Text() []byte {
	text, err := json.Marshal(s)
	if err != nil { // of structs of text and numbers: cannot be
		panic(err)
	}
	return text
}
