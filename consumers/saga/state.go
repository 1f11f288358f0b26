package saga

import (
	"encoding/json"
	"fmt"
	"time"

	"millrace/schemas"
)

// stateVersion is the version of the state's JSON. A reader refuses others: an older program must not write over what it does not
// understand.
const stateVersion = 1

// Phase is where a run is.
type Phase string

// The phases. An order without a run has none.
const (
	Running      Phase = "running"
	Compensating Phase = "compensating"
	Completed    Phase = "completed"
	Compensated  Phase = "compensated"
	Parked       Phase = "parked"  // undoing has failed for good: a person has to look
	Aborted      Phase = "aborted" // a person has taken over
)

// Outcome is what became of a step.
type Outcome string

// The outcomes. A step that was not reached has none.
const (
	Requested Outcome = "requested" // whatever was answered so far, it may have had its effect
	Done      Outcome = "done"
	Passed    Outcome = "passed" // there was nothing to do
	Failed    Outcome = "failed" // for good; what it may have done is still to be undone
	Undone    Outcome = "undone"
)

// Run is what is kept of an order. Its zero value is an order without a run.
type Run struct {
	V       int       `json:"v"`
	Saga    string    `json:"saga,omitempty"`
	Version int64     `json:"version,omitempty"` // of the definition
	Phase   Phase     `json:"phase,omitempty"`
	Seq     int64     `json:"seq,omitempty"`     // of the last event
	Since   time.Time `json:"since,omitzero"`    // when the phase began
	Reason  string    `json:"reason,omitempty"`  // why it is undone
	Problem string    `json:"problem,omitempty"` // why it is parked
	Steps   []StepRun `json:"steps,omitempty"`
	Asked   *Asked    `json:"asked,omitempty"` // what is to be done next, nil for nothing

	Cancelled bool `json:"cancelled,omitempty"` // by the shop, or deleted: it never starts
	// Order is the order as the present step sees it, Newer a version that has come since. Both are dropped when nothing is sent any more.
	Order    *schemas.OrderVersion `json:"order,omitempty"`
	Newer    *schemas.OrderVersion `json:"newer,omitempty"`
	Currency string                `json:"currency,omitempty"`
}

// StepRun is a step of a Run.
type StepRun struct {
	Name     string  `json:"name"`
	Outcome  Outcome `json:"outcome,omitempty"`
	Attempts int     `json:"attempts,omitempty"` // begun, of the step or, after that, of its undoing
	Error    string  `json:"error,omitempty"`    // the last one
	Ref      string  `json:"ref,omitempty"`      // the partner's name for it: of a charge, a shipment
}

// Asked is the StepRequested that counts; any other is superseded.
type Asked struct {
	Seq       int64     `json:"seq"`
	Step      int       `json:"step"`
	Undo      bool      `json:"undo,omitempty"`
	Attempt   int       `json:"attempt"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Deadline  time.Time `json:"deadline"`
}

// ReadRun reads the state of an order; no text is an order without a run.
func ReadRun(text []byte) (Run, error) {
	r := Run{V: stateVersion}
	if len(text) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return Run{}, fmt.Errorf("read state: %w", err)
	}
	if r.V != stateVersion {
		return Run{}, fmt.Errorf("read state: it has version %d, this program knows %d", r.V, stateVersion)
	}
	return r, nil
}

func (r *Run) text() []byte {
	text, err := json.Marshal(r)
	if err != nil { // of structs of text, numbers and times: cannot be
		panic(err)
	}
	return text
}

// Ended reports whether nothing more happens by itself. A cancellation still undoes a run that is complete.
func (r *Run) Ended() bool { return r.Phase != "" && r.Phase != Running && r.Phase != Compensating }

// early is how long after its creation a version of an order is kept although the order itself has not come: an older order was there
// before the saga was, and would be kept for nothing.
const early = 24 * time.Hour

// see takes a version of the order and reports whether it is of use; an older one than known is not. While a step is under way its own
// version stays.
func (r *Run) see(v *schemas.OrderVersion) bool {
	known := r.Order
	if r.Newer != nil {
		known = r.Newer
	}
	switch {
	case known != nil && !v.UpdatedAt.After(known.UpdatedAt):
		return false
	case r.Phase == Running:
		r.Newer = v
		return true
	case r.Phase == "" && v.UpdatedAt.Sub(v.CreatedAt) < early:
		r.Order = v
		return true
	default:
		return false
	}
}

// newest brings the order up to date for the next step.
func (r *Run) newest() {
	if r.Newer != nil {
		r.Order, r.Newer = r.Newer, nil
	}
}

// enter enters a phase in which nothing is sent any more. What was kept of the order for that, the customer's address among it, is
// dropped.
func (r *Run) enter(phase Phase, now time.Time) {
	r.Phase, r.Since, r.Asked, r.Order, r.Newer = phase, now, nil, nil, nil
}
