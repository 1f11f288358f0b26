package orderstate

import (
	"slices"
	"time"

	"millrace/schemas"
)

// View is an order as it is shown to people and to other programs: its state, and its whole timeline. Ids and amounts are text.
type View struct {
	Shop    string    `json:"shop"`
	OrderID string    `json:"order_id"`
	Name    string    `json:"name,omitempty"`
	AsOf    time.Time `json:"as_of,omitzero"` // the time asked for; none: now
	Known   bool      `json:"known"`          // false: only parts of it have come, and wait for the order itself

	FinancialStatus   string        `json:"financial_status,omitempty"`
	FulfillmentStatus string        `json:"fulfillment_status,omitempty"`
	Currency          string        `json:"currency,omitempty"`
	Total             schemas.Money `json:"total,omitzero"`         // at first
	CurrentTotal      schemas.Money `json:"current_total,omitzero"` // after edits and refunds
	Outstanding       schemas.Money `json:"outstanding,omitzero"`
	Refunded          schemas.Money `json:"refunded,omitzero"` // by the refunds below
	Test              bool          `json:"test,omitempty"`
	CustomerID        string        `json:"customer_id,omitempty"`
	Tags              string        `json:"tags,omitempty"`
	CreatedAt         time.Time     `json:"created_at,omitzero"`
	UpdatedAt         time.Time     `json:"updated_at,omitzero"` // the version of the order that is known
	ClosedAt          time.Time     `json:"closed_at,omitzero"`
	CancelledAt       time.Time     `json:"cancelled_at,omitzero"`
	CancelReason      string        `json:"cancel_reason,omitempty"`
	DeletedAt         time.Time     `json:"deleted_at,omitzero"`

	// Provisional names what is not final: "erp: syncing".
	Provisional  []string                      `json:"provisional,omitempty"`
	Lines        []schemas.OrderLine           `json:"lines,omitempty"`
	Refunds      []schemas.OrderRefund         `json:"refunds,omitempty"`
	Fulfillments []schemas.OrderFulfillment    `json:"fulfillments,omitempty"`
	Transactions []schemas.TransactionRecorded `json:"transactions,omitempty"`
	Stock        []StockView                   `json:"stock,omitempty"`
	Payments     []PaymentView                 `json:"payments,omitempty"`
	Shipments    []ShipmentView                `json:"shipments,omitempty"`
	Mails        []MailView                    `json:"mails,omitempty"`
	Documents    []DocumentView                `json:"documents,omitempty"`
	Sagas        []SagaView                    `json:"sagas,omitempty"`
	Timeline     []Line                        `json:"timeline"` // in the order in which it was told
}

// The parts of a View.
type (
	// StockView is what the stock system did.
	StockView struct {
		At     time.Time           `json:"at"`
		By     string              `json:"by"`
		Did    string              `json:"did"` // reserved or released
		Lines  []schemas.StockLine `json:"lines,omitempty"`
		Effect string              `json:"effect"`
	}
	// PaymentView is what the payment gateway did.
	PaymentView struct {
		At       time.Time     `json:"at"`
		By       string        `json:"by"`
		Did      string        `json:"did"` // charged or refunded
		Amount   schemas.Money `json:"amount,omitzero"`
		Currency string        `json:"currency,omitempty"`
		ChargeID string        `json:"charge_id,omitempty"`
		Effect   string        `json:"effect"`
	}
	// ShipmentView is a shipment at a carrier.
	ShipmentView struct {
		ShipmentID string              `json:"shipment_id"`
		Status     string              `json:"status"`
		Lines      []schemas.StockLine `json:"lines,omitempty"`
		Tracking   []schemas.Tracking  `json:"tracking,omitempty"`
	}
	// MailView is a mail that has left.
	MailView struct {
		At   time.Time `json:"at"`
		Kind string    `json:"kind"`
	}
	// DocumentView is what the ERP has.
	DocumentView struct {
		Document   string    `json:"document"`
		Version    time.Time `json:"version"`
		DocumentID string    `json:"document_id,omitempty"`
	}
	// SagaView is how far a saga is.
	SagaView struct {
		Saga   string     `json:"saga"`
		Status string     `json:"status"`
		Since  time.Time  `json:"since"`
		Plan   []string   `json:"plan,omitempty"`
		Steps  []StepView `json:"steps,omitempty"` // as they were last told of
	}
	// StepView is a step, or its compensation.
	StepView struct {
		Step         string    `json:"step"`
		Compensation bool      `json:"compensation,omitempty"`
		Status       string    `json:"status"`
		Error        string    `json:"error,omitempty"`
		At           time.Time `json:"at"`
	}
	// Line is one event of the timeline: who did what, when, and why.
	Line struct {
		At     time.Time `json:"at"`
		Known  time.Time `json:"known"` // when millrace came to know
		By     string    `json:"by"`
		Type   string    `json:"type"`
		Text   string    `json:"text"`
		Reason string    `json:"reason,omitempty"`
		Did    Verdict   `json:"did"`
		Note   string    `json:"note,omitempty"` // what is to be said of Did
		ID     string    `json:"id"`
		Cause  string    `json:"cause"`
	}
)

// View returns the order as it is shown.
func (h *History) View() View {
	v := h.State.view()
	v.Shop, v.OrderID, v.AsOf = h.Shop, h.OrderID, h.Until
	v.Timeline = make([]Line, 0, len(h.Events))
	for i := range h.Events {
		e := &h.Events[i]
		v.Timeline = append(v.Timeline, Line{
			At: e.At, Known: e.Known, By: e.By, Type: e.Type, Text: Describe(&e.OrderEvent), Reason: e.Reason, Did: e.Verdict, Note: e.note(), ID: e.ID, Cause: e.Cause,
		})
	}
	return v
}

func (t *Told) note() string {
	after := some(t.AfterDeletion, "after its deletion")
	switch t.Verdict {
	case Older:
		return list("older than what was known: not applied", after)
	case Repeated:
		return list("known already", after)
	case Waits:
		return "waits for its order"
	case Unreadable:
		return "not applied"
	default:
		return after
	}
}

func (s *State) view() View {
	v := View{Known: s.Order != nil}
	if o := s.Order; o != nil {
		v.Name, v.FinancialStatus, v.FulfillmentStatus, v.Currency = o.Name, o.FinancialStatus, o.FulfillmentStatus, o.Currency
		v.Total, v.CurrentTotal, v.Outstanding, v.Test = o.TotalPrice, o.CurrentTotalPrice, o.TotalOutstanding, o.Test
		v.CustomerID, v.Tags, v.CreatedAt, v.UpdatedAt, v.ClosedAt, v.Lines = o.CustomerID, o.Tags, o.CreatedAt, o.UpdatedAt, o.ClosedAt, o.Lines
	}
	if s.Cancelled != nil {
		v.CancelledAt, v.CancelReason = s.Cancelled.At, s.Cancelled.Reason
	}
	if s.Deleted != nil {
		v.DeletedAt = s.Deleted.At
	}
	for _, p := range s.Provisional() {
		v.Provisional = append(v.Provisional, p.Service+": "+p.State)
	}
	for i := range s.Refunds {
		v.Refunds = append(v.Refunds, s.Refunds[i].OrderRefund)
		if a := s.Refunds[i].Amount; !a.IsNull() {
			v.Refunded = schemas.NewMoney(v.Refunded.Decimal().Add(a.Decimal()))
		}
	}
	for i := range s.Fulfillments {
		v.Fulfillments = append(v.Fulfillments, s.Fulfillments[i].OrderFulfillment)
	}
	for i := range s.Transactions {
		v.Transactions = append(v.Transactions, s.Transactions[i].TransactionRecorded)
	}
	s.viewWork(&v)
	return v
}

// viewWork adds what services and sagas did, by time.
func (s *State) viewWork(v *View) {
	for _, k := range s.Stock {
		did := "reserved"
		if k.Released {
			did = "released"
		}
		v.Stock = append(v.Stock, StockView{At: k.Stamp.At, By: k.By, Did: did, Lines: k.Lines, Effect: k.Effect})
	}
	slices.SortStableFunc(v.Stock, func(a, b StockView) int { return a.At.Compare(b.At) })
	for _, p := range s.Payments {
		did := "charged"
		if p.Refund {
			did = "refunded"
		}
		v.Payments = append(v.Payments, PaymentView{At: p.Stamp.At, By: p.By, Did: did, Amount: p.Amount, Currency: p.Currency, ChargeID: p.ChargeID, Effect: p.Effect})
	}
	slices.SortStableFunc(v.Payments, func(a, b PaymentView) int { return a.At.Compare(b.At) })
	for _, k := range s.Shipments {
		v.Shipments = append(v.Shipments, ShipmentView{ShipmentID: k.ShipmentID, Status: k.Status, Lines: k.Lines, Tracking: k.Tracking})
	}
	for _, m := range s.Mails {
		v.Mails = append(v.Mails, MailView{At: m.Stamp.At, Kind: m.Kind})
	}
	slices.SortStableFunc(v.Mails, func(a, b MailView) int { return a.At.Compare(b.At) })
	for _, d := range s.Documents {
		v.Documents = append(v.Documents, DocumentView{Document: d.Document, Version: d.Stamp.Version, DocumentID: d.DocumentID})
	}
	for _, k := range s.Sagas {
		saga := SagaView{Saga: k.Saga, Status: k.Status, Since: k.Stamp.At, Plan: k.Plan}
		steps := slices.Clone(k.Steps)
		slices.SortStableFunc(steps, func(a, b Step) int { return a.Stamp.Compare(&b.Stamp) })
		for _, st := range steps {
			saga.Steps = append(saga.Steps, StepView{Step: st.Step, Compensation: st.Compensation, Status: st.Status, Error: st.Error, At: st.Stamp.At})
		}
		v.Sagas = append(v.Sagas, saga)
	}
}
