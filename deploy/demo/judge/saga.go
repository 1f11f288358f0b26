package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"millrace/cmd/storesim/backends/effects"
	"millrace/consumers/orderstate"
)

// Statuses of a run, as an order shows them.
const (
	completed   = "completed"
	compensated = "compensated"
	none        = "none"
)

// runs counts orders that the saga has left half done: a run that is over must be all done or all undone at the partners.
func (f *Facts) runs() Result {
	r := Result{Name: "orders that the saga has left half done"}
	held, paid, shipped := f.Saga.held(), f.Saga.paid(), f.Saga.orders(effects.Shipped)
	cancelled := f.Saga.orders(effects.ShipmentCancelled)
	phases := map[string]int{}
	for _, o := range f.orders() {
		phase := none
		var run orderstate.SagaView
		if v := f.Views[o]; v != nil && len(v.Sagas) > 0 {
			run = v.Sagas[0]
			phase = run.Status
		}
		phases[phase]++
		live := shipped[o] != nil && cancelled[o] == nil
		told, wanted := f.Told[o], f.Wanted[o]
		problem := ""
		switch phase {
		case completed:
			problem = f.complete(o, &run, paid[o], held[o], live)
		case compensated:
			if !paid[o].kept().IsZero() || held[o] != 0 || live {
				problem = fmt.Sprintf("undone, and keeps %s, holds %d pieces, shipped %t", paid[o].kept(), held[o], live)
			}
		case none:
			switch {
			case paid[o].charged.IsPositive() || held[o] != 0 || live:
				problem = "no run, and effects"
			case !told.Late && !told.Cancelled && wanted != nil && wanted.Saga:
				problem = "no run, though its creation came in time"
			}
		default:
			problem = "is " + phase
		}
		if problem != "" {
			r.violate(fmt.Sprintf("%v: %s", o, problem))
		}
	}
	var parts []string
	for _, p := range slices.Sorted(maps.Keys(phases)) {
		parts = append(parts, fmt.Sprintf("%d %s", phases[p], p))
	}
	r.Remark = strings.Join(parts, ", ")
	return r
}

// complete says what is wrong with an order whose run is completed.
func (f *Facts) complete(o Order, run *orderstate.SagaView, paid money, held int64, live bool) string {
	did := func(step string) bool {
		return slices.ContainsFunc(run.Steps, func(s orderstate.StepView) bool { return s.Step == step && !s.Compensation })
	}
	switch {
	case f.Told[o].Cancelled:
		return "completed, though it was cancelled"
	case !paid.refunded.IsZero():
		return fmt.Sprintf("completed, and %s of %s were given back", paid.refunded, paid.charged)
	case live && paid.charged.IsZero() && f.Told[o].TotalPrice != "0.00":
		return "shipped without a charge"
	case !did("reserve") || !did("charge") || !did("fulfil") || !did("confirm"):
		return "completed without all its steps"
	case f.Wanted[o] != nil && f.Wanted[o].Goods && f.left(o) && held <= 0:
		return "completed, and nothing is reserved"
	default:
		return ""
	}
}

type money struct{ charged, refunded decimal.Decimal }

func (m money) kept() decimal.Decimal { return m.charged.Sub(m.refunded) }

// paid is what was charged and refunded, per order.
func (w *World) paid() map[Order]money {
	out := map[Order]money{}
	for i := range w.Effects {
		e := &w.Effects[i]
		amount, err := decimal.NewFromString(e.Amount)
		if err != nil {
			continue // of an effect without money
		}
		m := out[of(e)]
		switch e.Kind {
		case effects.Charged:
			m.charged = m.charged.Add(amount)
		case effects.Refunded:
			m.refunded = m.refunded.Add(amount)
		default:
		}
		out[of(e)] = m
	}
	return out
}
