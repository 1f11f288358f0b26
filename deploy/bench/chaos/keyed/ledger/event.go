package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"millrace/schemas"
)

// Event names one event: the Seq-th of its entity, counting from 1.
type Event struct {
	Entity int32
	Seq    int32
}

func (e Event) String() string { return fmt.Sprintf("entity %d event %d", e.Entity, e.Seq) }

// World is the set of shops that the entities are spread over.
type World struct{ Shops int32 }

// Shop returns the shop of an entity.
func (w World) Shop(entity int32) string { return fmt.Sprintf("shop-%d.myshopify.com", entity%w.Shops) }

// Key returns the record key of an entity.
func (w World) Key(entity int32) string {
	return w.Shop(entity) + "|order/" + strconv.Itoa(int(entity))
}

// Envelope returns the metadata of an event that was triggered at an instant.
func (w World) Envelope(e Event, at time.Time) schemas.Event {
	return schemas.Event{
		ID: WebhookID(e), Shop: w.Shop(e.Entity), Topic: "orders/updated", Subject: "order/" + strconv.Itoa(int(e.Entity)),
		Time: at, Received: at, ContentType: "application/json", PartitionKey: w.Key(e.Entity),
	}
}

// WebhookID returns the id of the delivery that is the event.
func WebhookID(e Event) string {
	return fmt.Sprintf("00000000-0000-4000-%04x-%012x", e.Entity&0xffff, e.Seq)
}

// bodyPad brings a body to a few hundred bytes: enough that a mixed-up body is seen, little enough to keep a long run small.
const bodyPad = 200

// Body returns the event's body, which follows from its name alone, so that whoever gets it can tell whether it is intact.
func Body(e Event) []byte {
	head := fmt.Appendf(nil, `{"id":%d,"seq":%d,"pad":"`, e.Entity, e.Seq)
	letter := byte('a' + (e.Entity+e.Seq)%26)
	return append(append(head, bytes.Repeat([]byte{letter}, bodyPad)...), `"}`...)
}

// PhantomBody is the body of a record that is written in a transaction which is then aborted: nobody may ever see it.
func PhantomBody(entity int32) []byte {
	return fmt.Appendf(nil, `{"id":%d,"seq":-1,"phantom":true}`, entity)
}

// errForeign is returned (wrapped) for a record that is not an intact event of the load.
var errForeign = errors.New("not an event of the load")

// Parse returns the event that a record is. The error says what about it is wrong: a phantom, or a key and body that do not belong together.
func (w World) Parse(key string, body []byte) (Event, error) {
	var e Event
	if _, err := fmt.Sscanf(string(body), `{"id":%d,"seq":%d,`, &e.Entity, &e.Seq); err != nil {
		return Event{}, fmt.Errorf("%w: key %q: %w", errForeign, key, err)
	}
	switch {
	case e.Seq < 1:
		return e, fmt.Errorf("%w: key %q: it was written in an aborted transaction", errForeign, key)
	case w.Key(e.Entity) != key:
		return e, fmt.Errorf("%w: key %q with the body of %v", errForeign, key, e)
	case !bytes.Equal(Body(e), body):
		return e, fmt.Errorf("%w: %v with a body of %d bytes that is not its own", errForeign, e, len(body))
	}
	return e, nil
}

// Sent is an event that Kafka has taken.
type Sent struct {
	Event
	Partition int32
	Offset    int64
	At        int64 // the record's timestamp, unix nanoseconds
}

// stateMark begins every state value of the handler. What the runtime puts around a value is its own affair.
const stateMark = "chaos-state:"

// State is what the handler keeps for an entity: the events that were done, in the order they were done.
type State struct {
	Last  int32 // Seq of the last event done
	Count int32
	Hash  uint64 // over every Seq done, in order
}

// Next returns the state after one more event.
func (s State) Next(seq int32) State {
	return State{Last: seq, Count: s.Count + 1, Hash: mix(s.Hash ^ uint64(uint32(seq)))} //nolint:gosec // a hash of the bits
}

// Encode returns the state's value.
func (s State) Encode() []byte {
	return fmt.Appendf(nil, "%s%d:%d:%x;", stateMark, s.Last, s.Count, s.Hash)
}

// DecodeState finds a state in a value, whatever stands before it; nothing at all is the state of an entity with no event done.
func DecodeState(value []byte) (State, error) {
	if len(value) == 0 {
		return State{}, nil
	}
	at := bytes.LastIndex(value, []byte(stateMark))
	if at < 0 {
		return State{}, fmt.Errorf("there is no state of the handler in %q", value)
	}
	text, _, ok := strings.Cut(string(value[at+len(stateMark):]), ";")
	var s State
	if _, err := fmt.Sscanf(text, "%d:%d:%x", &s.Last, &s.Count, &s.Hash); err != nil || !ok {
		return State{}, fmt.Errorf("the state %q cannot be read: %w", value[at:], err)
	}
	return s, nil
}

// Emitted is a record that the handler emitted.
type Emitted struct {
	Event
	Source int64 // offset of the event that it was emitted for
}

// Encode returns the record's value.
func (m Emitted) Encode() []byte { return fmt.Appendf(nil, "%d\t%d\t%d", m.Entity, m.Seq, m.Source) }

// DecodeEmitted reads what Encode wrote.
func DecodeEmitted(value []byte) (Emitted, error) {
	var m Emitted
	if _, err := fmt.Sscanf(string(value), "%d\t%d\t%d", &m.Entity, &m.Seq, &m.Source); err != nil {
		return m, fmt.Errorf("the emitted record %q cannot be read: %w", value, err)
	}
	return m, nil
}
