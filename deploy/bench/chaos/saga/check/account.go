package check

import (
	"slices"

	"github.com/shopspring/decimal"

	"millrace/deploy/bench/chaos/saga/gate"
	"millrace/schemas"
)

// account is everything about one order.
type account struct {
	order   *Order // nil: it was never told
	phase   string // "": it has no run
	runs    int    // rows of the list
	parked  int    // rows of --parked
	letters int

	effects   []Effect
	done      map[string]int // effects by kind
	units     map[string]int64
	money     map[string]decimal.Decimal
	anomalies []string
	stuck     bool // the carrier refused to take a shipment back

	facts []Fact
	told  map[string]int // facts by type
}

func accounts(in *Input) map[gate.Order]*account {
	all := map[gate.Order]*account{}
	of := func(shop, id string) *account {
		key := gate.Order{Shop: shop, ID: id}
		if all[key] == nil {
			all[key] = &account{done: map[string]int{}, units: map[string]int64{}, money: map[string]decimal.Decimal{}, told: map[string]int{}}
		}
		return all[key]
	}
	for i := range in.Orders {
		of(in.Orders[i].Shop, in.Orders[i].ID).order = &in.Orders[i]
	}
	for i := range in.Effects {
		e := &in.Effects[i]
		of(e.Shop, e.Order).effect(e)
	}
	for _, r := range in.Refusals {
		if r.Backend == "carrier" && r.Reason == "shipped" {
			of(r.Shop, r.Order).stuck = true
		}
	}
	for _, r := range in.Runs {
		a := of(r.Shop, r.Order)
		a.phase = r.Phase
		a.runs++
	}
	for _, r := range in.Parked {
		of(r.Shop, r.Order).parked++
	}
	for _, o := range in.Letters {
		of(o.Shop, o.ID).letters++
	}
	for _, f := range in.Facts {
		a := of(f.Order.Shop, f.Order.ID)
		a.facts = append(a.facts, f)
		a.told[f.Type]++
	}
	for _, a := range all {
		slices.SortStableFunc(a.effects, func(x, y Effect) int { return int(x.Seq - y.Seq) })
	}
	return all
}

func (a *account) effect(e *Effect) {
	a.anomalies = append(a.anomalies, e.Anomalies...)
	if e.Kind == Nothing {
		return
	}
	a.effects = append(a.effects, *e)
	a.done[e.Kind]++
	for _, l := range e.Lines {
		a.units[e.Kind] += l.Quantity
	}
	if amount, err := decimal.NewFromString(e.Amount); err == nil {
		a.money[e.Kind] = a.money[e.Kind].Add(amount)
	}
}

// held is how many units are reserved.
func (a *account) held() int64 { return a.units[Reserved] - a.units[Released] }

// kept is the money that was taken and not given back.
func (a *account) kept() decimal.Decimal { return a.money[Charged].Sub(a.money[Refunded]) }

// away is how many shipments are under way, or have left.
func (a *account) away() int { return a.done[Shipped] - a.done[Cancelled] }

// version reports whether the order had a version with this content; units or total that do not matter are -1 and nil.
func (a *account) version(units int64, total *decimal.Decimal) bool {
	return a.order != nil && slices.ContainsFunc(a.order.Versions, func(v Version) bool {
		want, err := decimal.NewFromString(v.Total)
		return err == nil && (units < 0 || units == v.Units) && (total == nil || total.Equal(want))
	})
}

// ends of runs, by the event that says so.
func endOf(eventType string) (phase string, ok bool) {
	switch eventType {
	case schemas.TypeSagaCompleted:
		return Completed, true
	case schemas.TypeSagaCompensated:
		return Compensated, true
	case schemas.TypeSagaParked:
		return Parked, true
	default:
		return "", false
	}
}
