package schemas

import (
	"strconv"
	"time"
)

// Names of the types of events that services and sagas bring.
const (
	TypeInventoryReserved  = "InventoryReserved"
	TypeInventoryReleased  = "InventoryReleased"
	TypeFulfillmentStarted = "FulfillmentStarted"
	TypeTrackingUpdated    = "TrackingUpdated"
	TypeShipmentCancelled  = "ShipmentCancelled"
	TypeERPSynced          = "ERPSynced"
	TypeConfirmationSent   = "ConfirmationSent"
	TypeServiceProvisional = "ServiceProvisional"
	TypeServiceSettled     = "ServiceSettled"
	TypeOrderAwaited       = "OrderAwaited"

	TypeSagaStarted      = "SagaStarted"
	TypeStepRequested    = "StepRequested"
	TypeStepCompleted    = "StepCompleted"
	TypeStepFailed       = "StepFailed"
	TypePaymentProcessed = "PaymentProcessed"
	TypePaymentRefunded  = "PaymentRefunded"
	TypeSagaCompensating = "SagaCompensating"
	TypeSagaCompleted    = "SagaCompleted"
	TypeSagaCompensated  = "SagaCompensated"
	TypeSagaParked       = "SagaParked"
	TypeSagaAborted      = "SagaAborted"

	TypeConfirmationRequested = "ConfirmationRequested"
	TypeSagaRetryRequested    = "SagaRetryRequested"
	TypeSagaAbortRequested    = "SagaAbortRequested"
)

// Effect is what every event about something that was done at a partner begins with: the Idempotency-Key of the request. It names the
// effect, so a service and a saga that both did it told of one thing, not of two.
type Effect struct {
	Effect string `json:"effect"`
}

// InventoryReserved says that the stock system keeps goods for the order.
type InventoryReserved struct {
	Effect
	Lines []StockLine `json:"lines,omitempty"`
}

// InventoryReleased says that the stock system keeps goods no longer. No lines: all that it still kept.
type InventoryReleased struct {
	Effect
	Lines []StockLine `json:"lines,omitempty"`
}

// StockLine is a number of pieces of one variant.
type StockLine struct {
	VariantID string `json:"variant_id"`
	SKU       string `json:"sku,omitempty"`
	Quantity  int64  `json:"quantity"`
}

// FulfillmentStarted says that a carrier or warehouse has taken a shipment on.
type FulfillmentStarted struct {
	Effect
	ShipmentID string      `json:"shipment_id"`
	Lines      []StockLine `json:"lines,omitempty"`
	Tracking   []Tracking  `json:"tracking,omitempty"`
}

// TrackingUpdated says that a shipment has another status or other parcels.
type TrackingUpdated struct {
	ShipmentID string     `json:"shipment_id"`
	Status     string     `json:"status"` // accepted, shipped, delivered or cancelled
	Tracking   []Tracking `json:"tracking,omitempty"`
}

// Values of TrackingUpdated.Status.
const (
	ShipmentStatusAccepted  = "accepted"
	ShipmentStatusShipped   = "shipped"
	ShipmentStatusDelivered = "delivered"
	ShipmentStatusCancelled = "cancelled"
)

// ShipmentCancelled says that a shipment was called back before it left.
type ShipmentCancelled struct {
	Effect
	ShipmentID string `json:"shipment_id,omitempty"` // empty: the carrier had none, and will take none
}

// ERPSynced says that the ERP has a version of the order, or of its customer.
type ERPSynced struct {
	Effect
	Document   string    `json:"document"` // order/<id> or customer/<id>
	Version    time.Time `json:"version"`  // updated_at of what it has
	DocumentID string    `json:"document_id,omitempty"`
}

// ConfirmationSent says that a mail to the customer has left. Its address is not part of it.
type ConfirmationSent struct {
	Effect
	Kind string `json:"kind"` // order_confirmation, shipping_confirmation …
}

// ServiceProvisional says that a service could not do its part and the order goes on without; what is said of it is not final.
type ServiceProvisional struct {
	Service string `json:"service"`
	State   string `json:"state"` // one word: syncing, unconfirmed …
}

// ServiceSettled says that what a ServiceProvisional left open is done, or no longer needed. The event with the effect of a service says the
// same of that service.
type ServiceSettled struct {
	Service string `json:"service"`
}

// OrderAwaited says that something of the order came before the order itself. See consumers/orderstate.
type OrderAwaited struct {
	For string `json:"for"` // type of the event that came
}

// SagaRef names a run of a saga. Every event of it has the next number, so whatever arrives last, the highest counts.
type SagaRef struct {
	Saga string `json:"saga"` // name of its definition
	Seq  int64  `json:"seq"`
}

// SagaStep names a step of a run.
type SagaStep struct {
	SagaRef
	Step         string `json:"step"`
	Compensation bool   `json:"compensation,omitempty"` // the step's undoing is meant
}

// The events of a saga.
type (
	// SagaStarted says that an order is led through the steps.
	SagaStarted struct {
		SagaRef
		Version int64    `json:"version,omitempty"` // of the definition
		Steps   []string `json:"steps"`
	}
	// StepRequested says that a step, or its compensation, is to be done next.
	StepRequested struct {
		SagaStep
		Attempt   int       `json:"attempt,omitempty"`
		NotBefore time.Time `json:"not_before,omitzero"` // it is a repeat, and waits until then
		Deadline  time.Time `json:"deadline,omitzero"`   // from then on a failure is final
	}
	// StepCompleted says that it is done.
	StepCompleted struct{ SagaStep }
	// StepFailed says that it could not be done.
	StepFailed struct {
		SagaStep
		Class   string `json:"class"`             // permanent, timeout, exhausted; transient: it is tried again
		Attempt int    `json:"attempt,omitempty"` // the one that failed
		Error   string `json:"error,omitempty"`
	}
	// SagaCompensating says that from here on what was done is undone.
	SagaCompensating struct{ SagaRef }
	// SagaCompleted says that every step is done.
	SagaCompleted struct{ SagaRef }
	// SagaCompensated says that all that was done is undone.
	SagaCompensated struct{ SagaRef }
	// SagaParked says that a compensation failed for good; a person has to look.
	SagaParked struct {
		SagaRef
		Step string `json:"step,omitempty"` // what could not be undone
	}
	// SagaAborted says that a person has ended it.
	SagaAborted struct{ SagaRef }
	// SagaRetryRequested says that a person wants what waits, or is parked, to be tried now.
	SagaRetryRequested struct{ SagaRequest }
	// SagaAbortRequested says that a person wants the run to end: it is undone, or, when its undoing is parked, left as it is.
	SagaAbortRequested struct{ SagaRequest }
)

// SagaRequest is what a person wants of a run.
type SagaRequest struct {
	Saga string `json:"saga"` // name of its definition
	Who  string `json:"who"`
}

// ConfirmationRequested says that it is time to tell the customer that the order is on its way. Whoever mails acts on it, and needs nothing
// else: it has the order as the saga saw it.
type ConfirmationRequested struct {
	Effect
	Kind  string        `json:"kind"` // as in ConfirmationSent
	Order *OrderVersion `json:"order,omitempty"`
}

// PaymentProcessed says that the payment gateway has taken the money.
type PaymentProcessed struct {
	Effect
	ChargeID string `json:"charge_id"`
	Amount   Money  `json:"amount"`
	Currency string `json:"currency"`
}

// PaymentRefunded says that the payment gateway has given money back.
type PaymentRefunded struct {
	Effect
	ChargeID string `json:"charge_id,omitempty"`
	Amount   Money  `json:"amount"`
	Currency string `json:"currency,omitempty"`
}

func (*InventoryReserved) eventType() string  { return TypeInventoryReserved }
func (*InventoryReleased) eventType() string  { return TypeInventoryReleased }
func (*FulfillmentStarted) eventType() string { return TypeFulfillmentStarted }
func (*TrackingUpdated) eventType() string    { return TypeTrackingUpdated }
func (*ShipmentCancelled) eventType() string  { return TypeShipmentCancelled }
func (*ERPSynced) eventType() string          { return TypeERPSynced }
func (*ConfirmationSent) eventType() string   { return TypeConfirmationSent }
func (*ServiceProvisional) eventType() string { return TypeServiceProvisional }
func (*ServiceSettled) eventType() string     { return TypeServiceSettled }
func (*OrderAwaited) eventType() string       { return TypeOrderAwaited }
func (*SagaStarted) eventType() string        { return TypeSagaStarted }
func (*StepRequested) eventType() string      { return TypeStepRequested }
func (*StepCompleted) eventType() string      { return TypeStepCompleted }
func (*StepFailed) eventType() string         { return TypeStepFailed }
func (*PaymentProcessed) eventType() string   { return TypePaymentProcessed }
func (*PaymentRefunded) eventType() string    { return TypePaymentRefunded }
func (*SagaCompensating) eventType() string   { return TypeSagaCompensating }
func (*SagaCompleted) eventType() string      { return TypeSagaCompleted }
func (*SagaCompensated) eventType() string    { return TypeSagaCompensated }
func (*SagaParked) eventType() string         { return TypeSagaParked }
func (*SagaAborted) eventType() string        { return TypeSagaAborted }

func (*ConfirmationRequested) eventType() string { return TypeConfirmationRequested }
func (*SagaRetryRequested) eventType() string    { return TypeSagaRetryRequested }
func (*SagaAbortRequested) eventType() string    { return TypeSagaAbortRequested }

func (d *Effect) discriminator() string             { return d.Effect }
func (d *SagaRef) discriminator() string            { return strconv.FormatInt(d.Seq, 10) }
func (d *TrackingUpdated) discriminator() string    { return d.ShipmentID + "/" + d.Status }
func (d *ServiceProvisional) discriminator() string { return d.Service }
func (d *ServiceSettled) discriminator() string     { return d.Service }
