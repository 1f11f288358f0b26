package grouptest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"millrace/consumers/group"
	"millrace/schemas"
)

// Unit is a group.UnitOfWork that remembers what it was given, with the limits of the real one. The zero value is ready: a key
// without state, of a service that keeps some. One Unit may serve several events of one key, one after the other.
type Unit struct {
	StateValue []byte         // the key's value: what State().Get returns and State().Set replaces
	Emitted    []group.Record // in the order of Emit
	Topics     []string       // Service.Emits; nil: any topic
	Stateless  bool           // the service has no state
	Notes      []string       // in the order of Note
}

// Handle runs h as the runtime does: what it emitted and stored is kept when the verdict is nil or Skip, or marked by group.Keep, and
// thrown away otherwise.
func (u *Unit) Handle(ctx context.Context, h group.Handler, e *group.Event) Outcome {
	try := &Unit{StateValue: u.StateValue, Topics: u.Topics, Stateless: u.Stateless}
	out := Verdict(h.Handle(ctx, e, try))
	u.Notes = append(u.Notes, try.Notes...)
	if out.Kind == Done || out.Kind == Skipped || out.Kept {
		u.StateValue = try.StateValue
		u.Emitted = append(u.Emitted, try.Emitted...)
	}
	return out
}

// Emit implements group.UnitOfWork.
func (u *Unit) Emit(r group.Record) error {
	if u.Topics != nil && !slices.Contains(u.Topics, r.Topic) {
		return group.Permanent(fmt.Errorf("emit to %s, which the service has not named", r.Topic))
	}
	size := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value)
	}
	if size > schemas.MaxMessageBytes {
		return group.Permanent(fmt.Errorf("emit to %s: the record has %d bytes", r.Topic, size))
	}
	u.Emitted = append(u.Emitted, r)
	return nil
}

// Note implements group.UnitOfWork.
func (u *Unit) Note(text string) { u.Notes = append(u.Notes, text) }

// State implements group.UnitOfWork.
func (u *Unit) State() group.State { return unitState{u} }

type unitState struct{ unit *Unit }

func (s unitState) Get() []byte {
	if s.unit.Stateless {
		return nil
	}
	return s.unit.StateValue
}

func (s unitState) Set(value []byte) error {
	if s.unit.Stateless {
		return group.Permanent(errors.New("set state of a service that has none"))
	}
	if len(value) > schemas.MaxBodyBytes {
		return group.Permanent(fmt.Errorf("set state: it has %d bytes", len(value)))
	}
	s.unit.StateValue = slices.Clone(value)
	return nil
}
