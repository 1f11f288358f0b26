package erp

import (
	"time"

	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

// outcome is what has become of a document, for the story of its order or customer.
type outcome struct {
	provisional bool   // the ERP is away: it has yet to get the newest version
	effect      string // key by which it has got this version
	version     time.Time
	documentID  string // what the ERP calls it; of one that it has
}

// provisionalState is what is said of an order that the ERP has yet to get.
const provisionalState = "syncing"

// tell writes an outcome: in words for the story, and of an order to the event store. It must be true when the event's unit of work is kept.
func (w *work) tell(o outcome) error {
	var fact schemas.OrderEventData = &schemas.ERPSynced{
		Effect: schemas.Effect{Effect: o.effect}, Document: string(w.kind) + "/" + w.id.String(), Version: o.version, DocumentID: o.documentID,
	}
	switch {
	case o.provisional:
		w.unit.Note("provisional: the ERP is away and has yet to get this version")
		fact = &schemas.ServiceProvisional{Service: Name, State: provisionalState}
	case o.documentID != "":
		w.unit.Note("sent to the ERP, as " + o.documentID)
	default:
		w.unit.Note("sent to the ERP")
	}
	if w.kind != Order { // the store has what happened to orders
		return nil
	}
	return orderevent.Emit(w.unit, w.event, Name, "", fact)
}
