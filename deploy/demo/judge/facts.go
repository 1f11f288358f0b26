// Package judge holds what a run of the order flow left behind against what happened in the shops: the orders' states against the
// simulator's ledger, the partners' ledgers against the orders, and the dead letters against what a partner refused for good.
//
// It reads nothing itself: whoever collects the facts may get them wherever they are. What it does not see is when something happened.
package judge

import (
	"cmp"
	"slices"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/ledger"
	"millrace/consumers/orderstate"
)

// Order names an order.
type Order struct{ Shop, ID string }

func (o Order) compare(p Order) int {
	return cmp.Or(cmp.Compare(o.Shop, p.Shop), cmp.Compare(o.ID, p.ID))
}

// Told is what the shop's ledger says of an order.
type Told struct {
	ledger.Order

	Seq       int64 // of the order's version among the events of the order
	Cancelled bool
	// Late says that the event of its creation was forgotten, or came behind later ones: the saga may find an order that is done with.
	Late bool
}

// Wanted is what the webhooks of an order ask of partners, read from their bodies by somebody else than the services.
type Wanted struct {
	Goods  bool // something to reserve
	Mail   bool // there is somebody to be told of the order
	Ship   bool // it was paid, with an address and something to send
	Saga   bool // it is no test
	Events []string
}

// World is what the partners of one party did and refused for good.
type World struct {
	Effects  []effects.Entry
	Refusals []effects.Refusal
}

// Letter is an open dead letter.
type Letter struct{ Group, Shop, Entity, Topic, Class, Error string }

// Facts are all that is judged.
type Facts struct {
	Told     map[Order]*Told
	Wanted   map[Order]*Wanted
	Views    map[Order]*orderstate.View
	Services World // of the services, each for itself
	Saga     World // of the saga
	Letters  []Letter
}

func (f *Facts) orders() []Order {
	var all []Order
	for o := range f.Told {
		all = append(all, o)
	}
	slices.SortFunc(all, Order.compare)
	return all
}

// Result is what one check came to.
type Result struct {
	Name     string
	Count    int    // of violations
	Remark   string // what was counted
	Examples []string
}

// examples is how many violations are shown.
const examples = 10

func (r *Result) violate(text string) {
	r.Count++
	if len(r.Examples) < examples {
		r.Examples = append(r.Examples, text)
	}
}

// All makes every check.
func All(f *Facts) []Result {
	return []Result{
		f.states(),
		f.once("effects of the services that are not there once", &f.Services),
		f.once("effects of the saga that are not there once", &f.Saga),
		f.reservations(),
		f.shipments(),
		f.mails(),
		f.documents(),
		f.forwarded(),
		f.runs(),
		f.letters(),
	}
}
