package erp

import "time"

// outcome is what has become of a document, for the story of its order or customer.
type outcome struct {
	provisional bool // the ERP is away: it has yet to get the newest version
	version     time.Time
	documentID  string // what the ERP calls it; of one that it has
}

// tell writes an outcome. It must be true when the event's unit of work is kept.
func (w *work) tell(o outcome) error {
	switch {
	case o.provisional:
		w.unit.Note("provisional: the ERP is away and has yet to get this version")
	case o.documentID != "":
		w.unit.Note("sent to the ERP, as " + o.documentID)
	default:
		w.unit.Note("sent to the ERP")
	}
	return nil
}
