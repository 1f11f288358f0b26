package orderstate

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"millrace/schemas"
)

// Describe says in a few words what an event says. It names no customer.
func Describe(e *schemas.OrderEvent) string {
	if v := schemas.OrderVersionOf(e.Data); v != nil {
		return describeVersion(e.Data, v)
	}
	switch d := e.Data.(type) {
	case *schemas.OrderEdited:
		return fmt.Sprintf("order edited: %d added, %d removed", pieces(d.Added), pieces(d.Removed))
	case *schemas.OrderDeleted:
		return "order deleted"
	case *schemas.OrderRefunded:
		n := int64(0)
		for _, l := range d.Lines {
			n += l.Quantity
		}
		return words("refunded", cmp.Or(d.Amount.String(), "nothing"), some(n > 0, fmt.Sprintf("for %d of the goods", n)))
	case *schemas.TransactionRecorded:
		return words(cmp.Or(d.Kind, "transaction"), money(d.Amount, d.Currency), some(d.Gateway != "", "by "+d.Gateway)) + some(d.Status != "", ": "+words(d.Status, d.ErrorCode))
	case *schemas.FulfillmentRecorded:
		return list(words("fulfilment", cmp.Or(d.Name, d.FulfillmentID), d.Status), d.ShipmentStatus, parcels(d.Tracking))
	case *schemas.ShopEventRecorded:
		return cmp.Or(d.Topic, "webhook") + some(d.Status != "", ": "+d.Status)
	case nil:
		return "written by a newer program"
	default:
		if text := describeWork(d); text != "" {
			return text
		}
		return describeSaga(d)
	}
}

func describeVersion(data schemas.OrderEventData, v *schemas.OrderVersion) string {
	what := "order updated"
	switch data.(type) {
	case *schemas.OrderCreated:
		what = words("order", v.Name, "created")
	case *schemas.PaymentReceived:
		what = "payment received"
	case *schemas.OrderCancelled:
		what = "order cancelled"
	case *schemas.OrderPartlyFulfilled:
		what = "order partly fulfilled"
	case *schemas.OrderFulfilled:
		what = "order fulfilled"
	}
	total := v.CurrentTotalPrice
	if total.IsNull() {
		total = v.TotalPrice
	}
	return list(what, v.FinancialStatus, v.FulfillmentStatus, money(total, v.Currency))
}

func describeWork(data schemas.OrderEventData) string {
	switch d := data.(type) {
	case *schemas.InventoryReserved:
		return "reserved " + goods(d.Lines)
	case *schemas.InventoryReleased:
		return "released " + goods(d.Lines)
	case *schemas.FulfillmentStarted:
		return list(words("shipment", d.ShipmentID, "accepted"), parcels(d.Tracking))
	case *schemas.TrackingUpdated:
		return list(words("shipment", d.ShipmentID, d.Status), parcels(d.Tracking))
	case *schemas.ShipmentCancelled:
		if d.ShipmentID == "" {
			return "no shipment will be made"
		}
		return words("shipment", d.ShipmentID, "cancelled")
	case *schemas.ERPSynced:
		return words("ERP has", d.Document, "as of", d.Version.UTC().Format(time.DateTime))
	case *schemas.ConfirmationSent:
		return "mailed " + strings.ReplaceAll(d.Kind, "_", " ")
	case *schemas.ConfirmationRequested:
		return "mail wanted: " + strings.ReplaceAll(d.Kind, "_", " ")
	case *schemas.ServiceProvisional:
		return d.Service + ": " + d.State + ", provisional"
	case *schemas.ServiceSettled:
		return d.Service + ": settled"
	case *schemas.OrderAwaited:
		return "waiting for the order: " + d.For + " came first"
	case *schemas.PaymentProcessed:
		return words("charged", money(d.Amount, d.Currency))
	case *schemas.PaymentRefunded:
		return words("gave back", money(d.Amount, d.Currency))
	default:
		return ""
	}
}

func describeSaga(data schemas.OrderEventData) string {
	switch d := data.(type) {
	case *schemas.SagaStarted:
		return "saga " + d.Saga + " began: " + strings.Join(d.Steps, ", ")
	case *schemas.StepRequested:
		return step(&d.SagaStep) + " requested" + some(d.Attempt > 1, fmt.Sprintf(", attempt %d", d.Attempt))
	case *schemas.StepCompleted:
		return step(&d.SagaStep) + " done"
	case *schemas.StepFailed:
		return step(&d.SagaStep) + " failed: " + words(d.Class, d.Error)
	case *schemas.SagaCompensating:
		return "saga " + d.Saga + " undoes what was done"
	case *schemas.SagaCompleted:
		return "saga " + d.Saga + " completed"
	case *schemas.SagaCompensated:
		return "saga " + d.Saga + " has undone all"
	case *schemas.SagaParked:
		return "saga " + d.Saga + " is parked: a person has to look"
	case *schemas.SagaAborted:
		return "saga " + d.Saga + " aborted"
	case *schemas.SagaRetryRequested:
		return d.Who + " wants saga " + d.Saga + " tried now"
	case *schemas.SagaAbortRequested:
		return d.Who + " wants saga " + d.Saga + " ended"
	default:
		return ""
	}
}

func step(s *schemas.SagaStep) string {
	if s.Compensation {
		return "undoing of " + s.Step
	}
	return "step " + s.Step
}

// shownLines bounds what a description lists.
const shownLines = 5

// goods lists lines; none is everything.
func goods(lines []schemas.StockLine) string {
	if len(lines) == 0 {
		return "everything"
	}
	var out []string
	for i, l := range lines {
		if i == shownLines {
			out = append(out, fmt.Sprintf("and %d more", len(lines)-i))
			break
		}
		out = append(out, fmt.Sprintf("%d × %s", l.Quantity, cmp.Or(l.SKU, "variant "+l.VariantID)))
	}
	return strings.Join(out, ", ")
}

func parcels(tracking []schemas.Tracking) string {
	var out []string
	for _, t := range tracking {
		out = append(out, words(t.Company, t.Number))
	}
	return strings.Join(out, ", ")
}

func pieces(lines []schemas.LineQuantity) (n int64) {
	for _, l := range lines {
		n += l.Quantity
	}
	return n
}

func money(m schemas.Money, currency string) string {
	if m.IsNull() {
		return ""
	}
	return words(m.String(), currency)
}

// words joins what is not empty with spaces, and list with commas.
func words(parts ...string) string { return joined(parts, " ") }
func list(parts ...string) string  { return joined(parts, ", ") }

func joined(parts []string, by string) string {
	out := make([]string, 0, len(parts))
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, by)
}

func some(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}
