package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"millrace/deploy/bench/chaos/saga/check"
	"millrace/deploy/bench/chaos/saga/gate"
	"millrace/schemas"
)

// Names of the checks, as the report has them.
const (
	both    = "orders both refunded and shipped"
	twice   = "effects that were done twice"
	half    = "orders left half done"
	ends    = "orders that did not end as they had to"
	content = "completed orders with a wrong amount or wrong goods"
	parked  = "parked sagas that are not listed, or listed without a cause"
	letters = "parked sagas without their one dead letter"
	line    = "runs whose events are not one unbroken line to their state"
	told    = "effects that the events tell otherwise"
	stray   = "dead letters that are no parked saga's"
)

const shop = "acme.myshopify.com"

// Orders of the good run.
const (
	completed     = "1"
	edited        = "2" // between its charge and its shipment
	soldOut       = "3"
	undeliverable = "4"
	calledBack    = "5" // cancelled when it was complete, before the parcel left
	gone          = "6" // and after
	never         = "7" // cancelled before it began
)

// maker writes a run down.
type maker struct {
	in check.Input
}

func (m *maker) order(id string, fate check.Fate, cancelled bool, phase string, versions ...check.Version) {
	m.in.Orders = append(m.in.Orders, check.Order{Order: gate.Order{Shop: shop, ID: id}, Fate: fate, Cancelled: cancelled, Versions: versions})
	if phase != "" {
		m.in.Runs = append(m.in.Runs, check.Run{Shop: shop, Order: id, Phase: phase})
	}
}

func (m *maker) effect(id, kind string, units int64, amount string) {
	e := check.Effect{Kind: kind, Seq: int64(len(m.in.Effects) + 1), Shop: shop, Order: id, Amount: amount}
	if units > 0 {
		e.Lines = []check.Line{{Quantity: units}}
	}
	m.in.Effects = append(m.in.Effects, e)
}

// facts tells of a run: those of the saga itself are numbered.
func (m *maker) facts(id string, types ...string) {
	seq := int64(0)
	for _, name := range types {
		f := check.Fact{Order: gate.Order{Shop: shop, ID: id}, Type: name}
		if strings.HasPrefix(name, "Saga") || strings.HasPrefix(name, "Step") {
			seq++
			f.Seq = seq
		}
		m.in.Facts = append(m.in.Facts, f)
	}
}

func (m *maker) complete(id string, units, shipped int64, amount string) {
	m.effect(id, check.Reserved, units, "")
	m.effect(id, check.Charged, 0, amount)
	m.effect(id, check.Shipped, shipped, "")
}

func completeFacts(more ...string) []string {
	return append([]string{
		schemas.TypeOrderCreated, schemas.TypeSagaStarted, schemas.TypeStepRequested, schemas.TypeInventoryReserved, schemas.TypeStepRequested,
		schemas.TypePaymentProcessed, schemas.TypeStepRequested, schemas.TypeFulfillmentStarted, schemas.TypeStepRequested,
		schemas.TypeConfirmationRequested, schemas.TypeSagaCompleted,
	}, more...)
}

func goodRun() *check.Input {
	one := check.Version{Total: "10.00", Units: 1}
	m := &maker{}
	m.order(completed, check.Good, false, check.Completed, one)
	m.complete(completed, 1, 1, "10.00")
	m.facts(completed, completeFacts()...)

	m.order(edited, check.Good, false, check.Completed, one, check.Version{Total: "30.00", Units: 3})
	m.complete(edited, 1, 3, "10.00")
	m.facts(edited, completeFacts()...)

	m.order(soldOut, check.SoldOut, false, check.Compensated, one)
	m.effect(soldOut, check.Nothing, 0, "")
	m.facts(soldOut, schemas.TypeSagaStarted, schemas.TypeStepRequested, schemas.TypeStepFailed, schemas.TypeSagaCompensating, schemas.TypeSagaCompensated)

	m.order(undeliverable, check.Undeliverable, false, check.Compensated, one)
	m.effect(undeliverable, check.Reserved, 1, "")
	m.effect(undeliverable, check.Charged, 0, "10.00")
	m.effect(undeliverable, check.Refunded, 0, "10.00")
	m.effect(undeliverable, check.Released, 1, "")
	m.facts(undeliverable, schemas.TypeSagaStarted, schemas.TypeInventoryReserved, schemas.TypeSagaCompensating, schemas.TypeSagaCompensated)

	m.order(calledBack, check.Good, true, check.Compensated, one)
	m.complete(calledBack, 1, 1, "10.00")
	m.effect(calledBack, check.Cancelled, 0, "")
	m.effect(calledBack, check.Refunded, 0, "10.00")
	m.effect(calledBack, check.Released, 1, "")
	m.facts(calledBack, completeFacts(schemas.TypeSagaCompensating, schemas.TypeSagaCompensated)...)

	m.order(gone, check.Good, true, check.Parked, one)
	m.complete(gone, 1, 1, "10.00")
	m.facts(gone, completeFacts(schemas.TypeSagaCompensating, schemas.TypeSagaParked)...)
	m.in.Refusals = []check.Refusal{{Backend: "carrier", Shop: shop, Order: gone, Reason: "shipped"}, {Backend: "stock", Shop: shop, Order: soldOut, Reason: "insufficient_stock"}}
	m.in.Parked = []check.Run{{Shop: shop, Order: gone, Phase: check.Parked}}
	m.in.Letters = []gate.Order{{Shop: shop, ID: gone}}

	m.order(never, check.Good, true, "", one)
	return &m.in
}

func violated(in *check.Input) []string {
	var names []string
	for _, r := range check.All(in) {
		if r.Count > 0 {
			names = append(names, r.Name)
		}
	}
	return names
}

func TestAGoodRunPassesEveryCheck(t *testing.T) {
	for _, r := range check.All(goodRun()) {
		if r.Count != 0 {
			t.Errorf("%s: %d\n%s", r.Name, r.Count, strings.Join(r.Examples, "\n"))
		}
	}
}

// find returns the effect of an order.
func find(in *check.Input, id, kind string) *check.Effect {
	i := slices.IndexFunc(in.Effects, func(e check.Effect) bool { return e.Order == id && e.Kind == kind })
	if i < 0 {
		panic(fmt.Sprintf("the good run has no %s of %s", kind, id))
	}
	return &in.Effects[i]
}

func without[E any](list []E, drop func(E) bool) []E { return slices.DeleteFunc(list, drop) }

func isRun(id string) func(check.Run) bool { return func(r check.Run) bool { return r.Order == id } }

func effectIs(id, kind string) func(check.Effect) bool {
	return func(e check.Effect) bool { return e.Order == id && e.Kind == kind }
}

func TestWhatIsWrongIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(in *check.Input)
		want  []string
	}{
		"a completed order is refunded": {func(in *check.Input) {
			in.Effects = append(in.Effects, check.Effect{Kind: check.Refunded, Seq: 99, Shop: shop, Order: completed, Amount: "10.00"})
		}, []string{both, half, content}},
		"the money goes back before the parcel does": {func(in *check.Input) {
			a, b := find(in, calledBack, check.Cancelled), find(in, calledBack, check.Refunded)
			a.Seq, b.Seq = b.Seq, a.Seq
		}, []string{both}},
		"a second charge": {func(in *check.Input) {
			in.Effects = append(in.Effects, check.Effect{Kind: check.Charged, Seq: 99, Shop: shop, Order: completed, Amount: "10.00"})
		}, []string{twice, content}},
		"a partner noticed a second shipment": {func(in *check.Input) { find(in, completed, check.Shipped).Anomalies = []string{"double_shipment"} }, []string{twice}},
		"a run goes on":                       {func(in *check.Input) { in.Runs[0].Phase = "running" }, []string{half, ends, line}},
		"stock of a compensated order is kept": {func(in *check.Input) {
			in.Effects = without(in.Effects, effectIs(undeliverable, check.Released))
		}, []string{half}},
		"a completed order was not shipped": {func(in *check.Input) {
			in.Effects = without(in.Effects, effectIs(completed, check.Shipped))
		}, []string{half, content, told}},
		"an order that was cancelled before it began has an effect": {func(in *check.Input) {
			in.Effects = append(in.Effects, check.Effect{Kind: check.Reserved, Seq: 99, Shop: shop, Order: never, Lines: []check.Line{{Quantity: 1}}})
		}, []string{half}},
		"a good order is undone":           {func(in *check.Input) { in.Orders[4].Cancelled = false }, []string{ends}},
		"an order that must fail does not": {func(in *check.Input) { in.Orders[0].Fate = check.Declined }, []string{ends}},
		"an order without a run":           {func(in *check.Input) { in.Orders[6].Cancelled = false }, []string{ends}},
		"an order that nobody told":        {func(in *check.Input) { in.Orders = in.Orders[1:] }, []string{ends, content}},
		"a wrong amount":                   {func(in *check.Input) { find(in, completed, check.Charged).Amount = "10.01" }, []string{content}},
		"wrong goods":                      {func(in *check.Input) { find(in, completed, check.Shipped).Lines[0].Quantity = 2 }, []string{content}},
		"a parked saga is not listed":      {func(in *check.Input) { in.Parked = nil }, []string{parked}},
		"another is listed":                {func(in *check.Input) { in.Parked = append(in.Parked, check.Run{Shop: shop, Order: completed}) }, []string{parked}},
		"a saga is parked without a cause": {func(in *check.Input) { in.Refusals = nil }, []string{parked}},
		"a parked saga has lost its run": {func(in *check.Input) {
			in.Runs = without(in.Runs, isRun(gone))
		}, []string{half, parked, letters, line}},
		"a dead letter is missing":         {func(in *check.Input) { in.Letters = nil }, []string{letters}},
		"a dead letter is there twice":     {func(in *check.Input) { in.Letters = append(in.Letters, in.Letters[0]) }, []string{letters}},
		"a dead letter of another order":   {func(in *check.Input) { in.Letters = append(in.Letters, gate.Order{Shop: shop, ID: soldOut}) }, []string{letters}},
		"a dead letter of another service": {func(in *check.Input) { in.Stray = 1 }, []string{stray}},
		"an event is there twice":          {func(in *check.Input) { in.Facts = slices.Insert(in.Facts, 2, in.Facts[1]) }, []string{line}},
		"an event is missing":              {func(in *check.Input) { in.Facts = slices.Delete(in.Facts, 1, 2) }, []string{line}},
		"a confirmation is there twice":    {func(in *check.Input) { in.Facts = slices.Insert(in.Facts, 10, in.Facts[9]) }, []string{told}},
		"a reservation was never told":     {func(in *check.Input) { in.Facts = slices.Delete(in.Facts, 3, 4) }, []string{told}},
		"a state that its events do not say": {func(in *check.Input) {
			in.Facts = in.Facts[:len(in.Facts)-1]
		}, []string{line}},
	} {
		t.Run(name, func(t *testing.T) {
			in := goodRun()
			c.spoil(in)
			if got := violated(in); !slices.Equal(got, c.want) {
				t.Errorf("violated %q, want %q", got, c.want)
			}
		})
	}
}
