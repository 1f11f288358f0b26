package erp

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
)

// Reasons of skipped events.
const (
	skipNotForUs  = "not_for_us"
	skipEdited    = "order_edited"
	skipDeleted   = "deleted"
	skipTest      = "test_order"
	skipStale     = "stale"
	skipUnchanged = "unchanged"
	skipKnown     = "newer_in_erp"
)

type handler struct {
	mapping     mapping
	provisional bool // tell while the ERP is away
	// call makes one call, at whichever address is to be called.
	call func(ctx context.Context, shop string, f func(ctx context.Context, erp ERP) error) error

	orders, customers, provisionals prometheus.Counter
}

// Handle brings the ERP in step with one event.
func (h *handler) Handle(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
	kind := kindOf(e.Topic)
	switch { // before anything is read: most events are not about a whole order or customer
	case e.Topic == "orders/edited":
		return group.Skip(skipEdited)
	case e.Topic == "orders/delete", e.Topic == "customers/delete":
		return group.Skip(skipDeleted)
	case kind == "":
		return group.Skip(skipNotForUs)
	}
	s, err := readState(u.State().Get())
	if err != nil {
		return group.Permanent(err)
	}
	sub, err := read(kind, e.Body)
	if err != nil {
		return group.Permanent(err)
	}
	w := &work{handler: h, event: e, unit: u, state: &s, kind: kind, subject: sub}
	verdict := w.do(ctx)
	if verdict != nil && !w.keep {
		return verdict
	}
	if err := u.State().Set(s.text()); err != nil {
		return err
	}
	return verdict
}

// supersedes is for group.Service. A later event that would be skipped, since the ERP has the same from us, does not make an earlier one
// needless: of that one a call may be lost, and then the ERP has it.
func (h *handler) supersedes(text []byte, earlier, later *group.Event) bool {
	if !overtakes(earlier, later) {
		return false
	}
	s, err := readState(text)
	if err != nil {
		return false
	}
	sub, err := read(kindOf(later.Topic), later.Body)
	if err != nil || sub.test {
		return false
	}
	w := &work{handler: h, event: later, kind: kindOf(later.Topic), subject: sub}
	content, err := w.content()
	return err == nil && hashOf(content) != s.Hash
}

// work is the handling of one event.
type work struct {
	*handler
	subject

	event *group.Event
	unit  group.UnitOfWork
	state *state
	kind  Kind
	keep  bool // the state is to be kept although the verdict is an error
}

// skip ends the work with the state kept.
func (w *work) skip(reason string) error {
	w.keep = true
	return group.Skip(reason)
}

func (w *work) do(ctx context.Context) error {
	switch {
	case w.test:
		return group.Skip(skipTest)
	case !w.state.see(w.updated, w.event.Time):
		return group.Skip(skipStale)
	}
	content, err := w.content()
	if err != nil {
		return group.Permanent(err)
	}
	hash := hashOf(content)
	if hash == w.state.Hash {
		return w.skip(skipUnchanged)
	}
	d := Document{Kind: w.kind, Shop: w.event.Shop, ID: w.id.String(), Content: content}
	id, err := w.put(ctx, d)
	switch {
	case err == nil:
		w.state.Hash, w.state.Provisional = hash, false
		w.count()
		return w.tell(outcome{effect: d.key(w.state.Version), version: w.state.Version, documentID: id})
	case errors.Is(err, ErrStale):
		// Somebody else has written it. What the ERP has now is not what it had from us.
		w.state.Hash, w.state.Provisional = "", false
		w.unit.Note("the ERP has a newer version")
		return w.skip(skipKnown)
	case errors.Is(err, outgoing.ErrOpen):
		return w.away(err)
	default:
		return err
	}
}

func (w *work) content() ([]byte, error) {
	m := w.mapping
	if w.kind != Order {
		m = nil
	}
	content, err := m.content(w.document, w.event.Body)
	if err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	return content, nil
}

// put sends the document by the next version. A key that was used for another content was used by us: the program or its mapping has
// changed since a try of which nothing was heard. Then the one after it is right.
func (w *work) put(ctx context.Context, d Document) (id string, err error) {
	for range 2 {
		version := w.state.next()
		d.Version = versionText(version)
		key := d.key(version)
		err = w.call(ctx, d.Shop, func(ctx context.Context, erp ERP) error {
			id, err = erp.Put(ctx, key, d)
			return err
		})
		if err == nil || errors.Is(err, ErrKeyReused) {
			w.state.Version = version
		}
		if !errors.Is(err, ErrKeyReused) {
			return id, err
		}
	}
	return "", group.Permanent(err)
}

// away is the verdict while the ERP is: the event waits. With Config.Fallback provisional that is told, once for all the time.
func (w *work) away(err error) error {
	if !w.provisional || w.state.Provisional {
		return err
	}
	w.state.Provisional, w.keep = true, true
	w.provisionals.Inc()
	if err := w.tell(outcome{provisional: true, version: w.updated}); err != nil {
		return err
	}
	return group.Keep(err)
}

func (w *work) count() {
	if w.kind == Order {
		w.orders.Inc()
	} else {
		w.customers.Inc()
	}
}
