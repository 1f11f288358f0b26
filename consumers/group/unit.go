package group

import "context"

// Handler handles one event of one entity. Events of one entity come one at a time and in order; events of different entities
// come side by side. The error is a verdict, see Skip. The context ends with Config.HandlerTimeout, when the partition has been
// given to another member, and when the grace of a stop is over.
//
// A handler may see an event again after a crash: its effects on the world outside must be idempotent (Event.ID is the key for
// that). What it does through the unit of work happens exactly once.
type Handler interface {
	Handle(ctx context.Context, e *Event, u UnitOfWork) error
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(ctx context.Context, e *Event, u UnitOfWork) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, e *Event, u UnitOfWork) error { return f(ctx, e, u) }

// UnitOfWork collects what an event writes to Kafka. All of it, together with the fact that the event is done, is one Kafka
// transaction: a reader with isolation read_committed sees all of it once, or none. With a verdict other than nil or Skip it is
// thrown away, unless Keep says otherwise. It must not be used after the handler has returned.
type UnitOfWork interface {
	// Emit adds a record to one of Service.Emits. It is partitioned by its key as Kafka's own clients do.
	// Errors, all permanent: the topic is not among Service.Emits; the record is larger than schemas.MaxMessageBytes.
	Emit(Record) error
	// State is the value that the service keeps for the event's key.
	State() State
	// Note says in a few words what the handler did, for the story of the entity: "reserved 2 × SKU-1". It is for people: no names,
	// addresses or other data of customers. Of several the texts are joined. It is kept whatever the verdict is, and goes to
	// schemas.ActivityTopic where Config.Activity is true; see there for what may be lost.
	Note(text string)
}

// Record is what a handler emits.
type Record struct {
	Topic   string
	Key     string
	Value   []byte
	Headers []Header
}

// Header is one header of a Record.
type Header struct {
	Key   string
	Value []byte
}

// State is a value per key. The service must have asked for it with Service.State; without, Get returns nil and Set an error.
type State interface {
	// Get returns what the last event of the key has set, nil for nothing. It must not be changed.
	Get() []byte
	// Set replaces the value; nil removes it. It is kept when the verdict is nil or Skip. The error, permanent, says that the
	// value is larger than schemas.MaxBodyBytes or that the service has no state.
	Set(value []byte) error
}
