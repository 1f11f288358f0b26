package orderevent

import (
	"time"

	"millrace/consumers/group"
	"millrace/schemas"
)

// Emit writes what by, the name of the service, has done about the order that e is about, each with the reason for it, which may be
// empty. An event that is handled again gives the same ids. The error, permanent, is the verdict to return: e is not about an order,
// or the service does not emit to the topic.
func Emit(u group.UnitOfWork, e *group.Event, by, reason string, data ...schemas.OrderEventData) error {
	now := time.Now()
	for _, d := range data {
		fact, err := schemas.NewOrderEvent(&e.Event, by, now, d)
		if err != nil {
			return group.Permanent(err)
		}
		fact.Reason = reason
		r, err := Record(&fact)
		if err != nil {
			return err
		}
		if err := u.Emit(r); err != nil {
			return err
		}
	}
	return nil
}

// Record is the event as a record for UnitOfWork.Emit. The error is permanent.
func Record(e *schemas.OrderEvent) (group.Record, error) {
	value, err := schemas.EncodeOrderEvent(e)
	if err != nil {
		return group.Record{}, group.Permanent(err)
	}
	meta := e.Event()
	return group.Record{Topic: schemas.OrderEventsTopic, Key: meta.PartitionKey, Value: value, Headers: schemas.AppendHeaders[group.Header](nil, &meta)}, nil
}

// Decode reads an event of the event store. The error is permanent: a record that cannot be read, or that a newer program has written
// (schemas.ErrNewerOrderEvent), is a dead letter, to be redriven when this program has been updated.
func Decode(e *group.Event) (schemas.OrderEvent, error) {
	fact, err := schemas.DecodeOrderEvent(&e.Event, e.Body)
	if err != nil {
		return schemas.OrderEvent{}, group.Permanent(err)
	}
	return fact, nil
}
