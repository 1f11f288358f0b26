package judge_test

import (
	"slices"
	"testing"
	"time"

	"millrace/cmd/storesim/backends/effects"
	"millrace/consumers/orderstate"
	"millrace/deploy/demo/judge"
	"millrace/schemas"
)

// Names of the checks, as the report has them.
const (
	states    = "orders whose state is not the shop's"
	services  = "effects of the services that are not there once"
	sagas     = "effects of the saga that are not there once"
	reserved  = "orders without their reservation"
	shipped   = "orders with the wrong shipment"
	mailed    = "orders without their mail"
	documents = "orders of which the ERP has an old version"
	forwarded = "events that were not forwarded"
	runs      = "orders that the saga has left half done"
	letters   = "dead letters without a refusal, or refusals without a dead letter"
)

const shop = "acme.myshopify.com"

var updated = time.Date(2026, 11, 23, 10, 0, 1, 0, time.UTC)

func effect(kind effects.Kind, key, order string) effects.Entry {
	e := effects.Entry{Kind: kind, Key: key, Shop: shop, Order: order}
	switch kind {
	case effects.Reserved, effects.Released:
		e.Lines = []effects.Line{{Quantity: 2}}
	case effects.Charged, effects.Refunded:
		e.Amount = "12.50"
	case effects.Documented:
		e.Order, e.Subject, e.Version = "", "order/"+order, updated.Format(time.RFC3339)
	default:
	}
	return e
}

// goodRun fabricates a run of three orders in which everything went as it must: 1 is led to its end, 2 is cancelled and undone, the mail of 3
// is refused and its charge too.
func goodRun() *judge.Facts {
	f := &judge.Facts{Told: map[judge.Order]*judge.Told{}, Wanted: map[judge.Order]*judge.Wanted{}, Views: map[judge.Order]*orderstate.View{}}
	do := func(w *judge.World, kind effects.Kind, key, order string) {
		w.Effects = append(w.Effects, effect(kind, key, order))
	}
	for _, id := range []string{"1", "2", "3"} {
		o := judge.Order{Shop: shop, ID: id}
		cancelled := id == "2"
		told := &judge.Told{Cancelled: cancelled}
		told.UpdatedAt, told.Currency, told.TotalPrice, told.CurrentTotalPrice, told.FinancialStatus = "2026-11-23T11:00:01+01:00", "EUR", "12.50", "12.5", "paid"
		f.Told[o] = told
		f.Wanted[o] = &judge.Wanted{Goods: true, Mail: true, Ship: true, Saga: true, Events: []string{"event-" + id}}
		total, err := schemas.ParseMoney("12.50")
		if err != nil {
			panic(err)
		}
		v := &orderstate.View{Shop: shop, OrderID: id, Known: true, UpdatedAt: updated, Currency: "EUR", CurrentTotal: total, FinancialStatus: "paid", Lines: []schemas.OrderLine{{Quantity: 2, CurrentQuantity: 2}}}
		run := orderstate.SagaView{Saga: "order", Status: "completed"}
		for _, step := range []string{"reserve", "charge", "fulfil", "confirm"} {
			run.Steps = append(run.Steps, orderstate.StepView{Step: step})
		}
		if cancelled {
			v.CancelledAt = updated
		}
		if id != "1" {
			run.Status = "compensated"
		}
		v.Sagas = []orderstate.SagaView{run}
		f.Views[o] = v
		do(&f.Services, effects.Reserved, "reserve:"+id, id)
		do(&f.Services, effects.Documented, "erp:"+id, id)
		do(&f.Services, effects.Forwarded, "event-"+id, "")
		do(&f.Saga, effects.Reserved, "reserve:"+id, id)
		if id != "3" {
			do(&f.Services, effects.MailKind, shop+"/order_confirmation/"+id, id)
			do(&f.Saga, effects.Charged, "charge:"+id, id)
		}
		if !cancelled {
			do(&f.Services, effects.Shipped, "ship:"+id, id)
		}
	}
	do(&f.Saga, effects.Shipped, "ship:1", "1")
	do(&f.Saga, effects.Refunded, "refund:2", "2")
	do(&f.Saga, effects.Released, "release:2", "2")
	do(&f.Saga, effects.Released, "release:3", "3")
	f.Saga.Refusals = []effects.Refusal{{Backend: "payment", Key: "charge:3", Shop: shop, Order: "3", Status: 402, Times: 1}}
	f.Services.Refusals = []effects.Refusal{{Backend: "smtp", Key: shop + "/order_confirmation/3", Shop: shop, Order: "3", Status: 554, Times: 1}}
	f.Letters = []judge.Letter{{Group: "millrace-notifications", Shop: shop, Entity: "order/3", Topic: "orders/create", Class: "permanent"}}
	return f
}

func violated(f *judge.Facts) []string {
	var names []string
	for _, r := range judge.All(f) {
		if r.Count > 0 {
			names = append(names, r.Name)
		}
	}
	return names
}

func TestAGoodRunPassesEveryCheck(t *testing.T) {
	for _, r := range judge.All(goodRun()) {
		if r.Count != 0 {
			t.Errorf("%s: %d %q", r.Name, r.Count, r.Examples)
		}
	}
}

func TestAViolationIsSeen(t *testing.T) {
	first := judge.Order{Shop: shop, ID: "1"}
	without := func(w *judge.World, kind effects.Kind, order string) {
		w.Effects = slices.DeleteFunc(w.Effects, func(e effects.Entry) bool {
			return e.Kind == kind && (e.Order == order || e.Subject == "order/"+order)
		})
	}
	add := func(w *judge.World, e effects.Entry) { w.Effects = append(w.Effects, e) }
	for name, test := range map[string]struct {
		spoil func(f *judge.Facts)
		want  []string
	}{
		"an order that did not come":             {func(f *judge.Facts) { delete(f.Views, first) }, []string{states, runs}},
		"an old version of an order":             {func(f *judge.Facts) { f.Views[first].UpdatedAt = updated.Add(-time.Second) }, []string{states}},
		"another status":                         {func(f *judge.Facts) { f.Views[first].FinancialStatus = "pending" }, []string{states}},
		"another amount":                         {func(f *judge.Facts) { f.Told[first].CurrentTotalPrice = "12.49" }, []string{states}},
		"a reservation twice":                    {func(f *judge.Facts) { add(&f.Services, effect(effects.Reserved, "other", "1")) }, []string{services}},
		"a reservation too few":                  {func(f *judge.Facts) { without(&f.Services, effects.Reserved, "1") }, []string{reserved}},
		"an effect of an order of nobody's":      {func(f *judge.Facts) { add(&f.Services, effect(effects.Shipped, "x", "9")) }, []string{services}},
		"an anomaly":                             {func(f *judge.Facts) { f.Saga.Effects[0].Anomalies = []string{effects.OverRefund} }, []string{sagas}},
		"a parcel too few":                       {func(f *judge.Facts) { without(&f.Services, effects.Shipped, "1") }, []string{shipped}},
		"a cancelled order that is shipped":      {func(f *judge.Facts) { add(&f.Services, effect(effects.Shipped, "x", "2")) }, []string{shipped}},
		"a mail too few":                         {func(f *judge.Facts) { without(&f.Services, effects.MailKind, "1") }, []string{mailed}},
		"a document too few":                     {func(f *judge.Facts) { without(&f.Services, effects.Documented, "1") }, []string{documents}},
		"an event that was not sent on":          {func(f *judge.Facts) { f.Wanted[first].Events = append(f.Wanted[first].Events, "more") }, []string{forwarded}},
		"a charge twice":                         {func(f *judge.Facts) { add(&f.Saga, effect(effects.Charged, "other", "1")) }, []string{sagas}},
		"a cancelled order that keeps its money": {func(f *judge.Facts) { without(&f.Saga, effects.Refunded, "2") }, []string{runs}},
		"an undone order that is shipped":        {func(f *judge.Facts) { add(&f.Saga, effect(effects.Shipped, "x", "3")) }, []string{runs}},
		"an undone order that holds goods":       {func(f *judge.Facts) { without(&f.Saga, effects.Released, "3") }, []string{runs}},
		"a complete order that was given back":   {func(f *judge.Facts) { add(&f.Saga, effect(effects.Refunded, "x", "1")) }, []string{runs}},
		"a run that goes on":                     {func(f *judge.Facts) { f.Views[first].Sagas[0].Status = "running" }, []string{runs}},
		"an order without a run":                 {func(f *judge.Facts) { f.Views[first].Sagas = nil }, []string{runs}},
		"a dead letter without a reason":         {func(f *judge.Facts) { f.Services.Refusals = nil }, []string{mailed, letters}},
		"a dead letter too few":                  {func(f *judge.Facts) { f.Letters = nil }, []string{letters}},
		"a dead letter of the saga": {func(f *judge.Facts) {
			f.Letters = append(f.Letters, judge.Letter{Group: "millrace-saga", Class: "permanent"})
		}, []string{letters}},
	} {
		t.Run(name, func(t *testing.T) {
			f := goodRun()
			test.spoil(f)
			if got := violated(f); !slices.Equal(got, test.want) {
				t.Errorf("complained %q, want %q", got, test.want)
			}
		})
	}
}
