package group

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/state"
	"millrace/schemas"
)

// unit is the unit of work of one try of one event.
type unit struct {
	runtime   *Runtime
	partition *partition
	event     Event
	deadline  deadline
	emitted   []*kgo.Record
	size      int

	kept     state.Envelope // as the last event has left it
	value    []byte         // as Set has left it
	changed  bool
	finished bool
	note     string
}

// writes is what an event wrote, and waits for its commit.
type writes struct {
	emitted  []*kgo.Record
	state    []byte // encoded; nil: removed
	seq      uint64 // of the write in the partition's overlay
	key      []byte
	stateful bool
}

var errFinished = errors.New("the unit of work was used after its handler had returned")

// Emit is for UnitOfWork.
func (u *unit) Emit(r Record) error {
	if u.finished {
		return Permanent(errFinished)
	}
	if !u.runtime.emits[r.Topic] {
		return Permanent(fmt.Errorf("emit to topic %q, which is not among the service's Emits", r.Topic))
	}
	headers := make([]kgo.RecordHeader, len(r.Headers))
	size := len(r.Key) + len(r.Value)
	for i, h := range r.Headers {
		headers[i] = kgo.RecordHeader{Key: h.Key, Value: h.Value}
		size += len(h.Key) + len(h.Value)
	}
	if size > schemas.MaxMessageBytes {
		return Permanent(fmt.Errorf("emit %d bytes to topic %s: more than %d", size, r.Topic, schemas.MaxMessageBytes))
	}
	u.size += size
	u.emitted = append(u.emitted, &kgo.Record{Topic: r.Topic, Partition: byKey, Key: []byte(r.Key), Value: r.Value, Headers: headers})
	return nil
}

// byKey lets the producer choose the partition by the record's key.
const byKey = -1

// Note is for UnitOfWork.
func (u *unit) Note(text string) {
	switch {
	case u.finished || text == "":
	case u.note == "":
		u.note = text
	case len(u.note) < schemas.MaxActivityText:
		u.note += "; " + text
	}
}

// State is for UnitOfWork.
func (u *unit) State() State { return u }

// Get is for State.
func (u *unit) Get() []byte {
	if u.changed {
		return u.value
	}
	if !u.kept.HasValue {
		return nil
	}
	return slices.Clip(u.kept.Value) // to append to it copies it
}

// Set is for State.
func (u *unit) Set(value []byte) error {
	switch {
	case u.finished:
		return Permanent(errFinished)
	case !u.runtime.svc.State:
		return Permanent(errors.New("set state: the service has not asked for it"))
	case len(value) > schemas.MaxBodyBytes:
		return Permanent(fmt.Errorf("set state of %d bytes: more than %d", len(value), schemas.MaxBodyBytes))
	}
	u.value, u.changed = slices.Clone(value), true
	return nil
}

func (u *unit) loadState() error {
	raw, err := u.partition.state.Get([]byte(u.event.Key))
	if err != nil || raw == nil {
		return err
	}
	u.kept, err = state.Decode(raw)
	return err
}

// Reasons of events that need no handling.
const (
	reasonDuplicate  = "duplicate"
	reasonStale      = "stale"
	reasonSuperseded = "superseded"
)

// repeated tells why an event of the key needs no handling; "" when it does.
func (u *unit) repeated(e *Event, d Dedupe) string {
	if d.WebhookIDs > 0 && slices.Contains(u.kept.IDs, state.IDOf(e.ID)) {
		return reasonDuplicate
	}
	if d.UpdatedAt != nil && u.kept.HasVersion {
		if v, ok := d.UpdatedAt(e); ok && v < u.kept.Version {
			return reasonStale
		}
	}
	return ""
}

// finish ends the use of the unit.
func (u *unit) finish() { u.finished = true }

// writes returns what the event has written, nil for nothing, and its bytes. New state is visible to the key's next event at once.
func (u *unit) writes(d Dedupe) (*writes, int) {
	after, changed := u.kept, u.changed
	if u.changed {
		after.Value, after.HasValue = u.value, u.value != nil
	}
	if d.WebhookIDs > 0 {
		after.IDs = append(slices.Clone(after.IDs), state.IDOf(u.event.ID))
		after.IDs = after.IDs[max(0, len(after.IDs)-d.WebhookIDs):]
		changed = true
	}
	if d.UpdatedAt != nil {
		if v, ok := d.UpdatedAt(&u.event); ok && (!after.HasVersion || v > after.Version) {
			after.Version, after.HasVersion, changed = v, true, true
		}
	}
	if len(u.emitted) == 0 && !changed {
		return nil, 0
	}
	w := &writes{emitted: u.emitted}
	if changed {
		w.key, w.stateful = []byte(u.event.Key), true
		if after.HasValue || after.HasVersion || len(after.IDs) > 0 {
			w.state = after.Append(nil)
		}
		w.seq = u.partition.state.Put(w.key, w.state)
	}
	return w, u.size + len(w.state) + 256
}
