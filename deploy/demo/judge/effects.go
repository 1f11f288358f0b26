package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"millrace/cmd/storesim/backends/effects"
	"millrace/schemas"
)

func of(e *effects.Entry) Order { return Order{Shop: e.Shop, ID: e.Order} }

// subject is what there may be one effect of a kind about.
func subject(e *effects.Entry) string {
	switch e.Kind {
	case effects.Documented:
		return e.Shop + " " + e.Subject + " of " + e.Version
	case effects.MailKind, effects.Forwarded, effects.Released, effects.Refunded:
		return e.Key // there may be several of an order: each has a cause
	default:
		return e.Shop + " order " + e.Order
	}
}

// once counts effects that happened again, that are about nothing the shops know, or that a partner found odd.
func (f *Facts) once(name string, w *World) Result {
	r := Result{Name: name}
	seen := map[string]bool{}
	counts := map[effects.Kind]int{}
	repeats := int64(0)
	for i := range w.Effects {
		e := &w.Effects[i]
		counts[e.Kind]++
		repeats += e.Repeats
		id := string(e.Kind) + " " + subject(e)
		switch {
		case e.Kind != effects.Nothing && seen[id]:
			r.violate("again: " + id + " by " + e.Key)
		case len(e.Anomalies) > 0:
			r.violate(strings.Join(e.Anomalies, ", ") + ": " + id)
		case e.Order != "" && f.Told[of(e)] == nil:
			r.violate("of an unknown order: " + id)
		}
		seen[id] = true
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[k], k))
	}
	r.Remark = fmt.Sprintf("%s; asked for again and recognised %d", strings.Join(parts, ", "), repeats)
	return r
}

// refused are the orders of which a partner refused something for good.
func (w *World) refused(backend string) map[Order]bool {
	out := map[Order]bool{}
	for i := range w.Refusals {
		if r := &w.Refusals[i]; r.Backend == backend {
			out[Order{Shop: r.Shop, ID: r.Order}] = true
		}
	}
	return out
}

func (w *World) orders(kind effects.Kind) map[Order]*effects.Entry {
	out := map[Order]*effects.Entry{}
	for i := range w.Effects {
		if w.Effects[i].Kind == kind {
			out[of(&w.Effects[i])] = &w.Effects[i]
		}
	}
	return out
}

// held is what is reserved and not released, per order.
func (w *World) held() map[Order]int64 {
	out := map[Order]int64{}
	for i := range w.Effects {
		e := &w.Effects[i]
		for _, l := range e.Lines {
			switch e.Kind {
			case effects.Reserved:
				out[of(e)] += l.Quantity
			case effects.Released:
				out[of(e)] -= l.Quantity
			default:
			}
		}
	}
	return out
}

// left tells whether the order has goods in the end. One whose goods were refunded before a partner was asked needs none.
func (f *Facts) left(o Order) bool {
	v := f.Views[o]
	return v != nil && slices.ContainsFunc(v.Lines, func(l schemas.OrderLine) bool { return l.CurrentQuantity > 0 })
}

func (f *Facts) reservations() Result {
	r := Result{Name: "orders without their reservation"}
	done, refused := f.Services.orders(effects.Reserved), f.Services.refused("stock")
	for _, o := range f.orders() {
		if w := f.Wanted[o]; w != nil && w.Goods && done[o] == nil && !refused[o] {
			r.violate(fmt.Sprint(o))
		}
	}
	r.Remark = fmt.Sprintf("%d reserved", len(done))
	return r
}

// shipments counts orders that should have left and have not, and those that should not and have.
func (f *Facts) shipments() Result {
	r := Result{Name: "orders with the wrong shipment"}
	made, cancelled, refused := f.Services.orders(effects.Shipped), f.Services.orders(effects.ShipmentCancelled), f.Services.refused("carrier")
	for _, o := range f.orders() {
		told, w := f.Told[o], f.Wanted[o]
		live := made[o] != nil && cancelled[o] == nil
		switch {
		case told.Cancelled && live:
			r.violate(fmt.Sprintf("%v was cancelled, and is shipped", o))
		case !told.Cancelled && w != nil && w.Ship && f.left(o) && !live && !refused[o]:
			r.violate(fmt.Sprintf("%v is not shipped", o))
		}
	}
	r.Remark = fmt.Sprintf("%d made, %d cancelled again", len(made), len(cancelled))
	return r
}

func (f *Facts) mails() Result {
	r := Result{Name: "orders without their mail"}
	sent := map[string]bool{}
	for i := range f.Services.Effects {
		if e := &f.Services.Effects[i]; e.Kind == effects.MailKind {
			sent[e.Key] = true
		}
	}
	for i := range f.Services.Refusals {
		if e := &f.Services.Refusals[i]; e.Backend == "smtp" {
			sent[e.Key] = true
		}
	}
	for _, o := range f.orders() {
		if w := f.Wanted[o]; w != nil && w.Mail && !sent[o.Shop+"/order_confirmation/"+o.ID] {
			r.violate(fmt.Sprint(o))
		}
	}
	r.Remark = fmt.Sprintf("%d mails sent or refused", len(sent))
	return r
}

// documents counts orders whose newest version the ERP does not have.
func (f *Facts) documents() Result {
	r := Result{Name: "orders of which the ERP has an old version"}
	newest := map[Order]time.Time{}
	note := func(o Order, version string) {
		if t, err := time.Parse(time.RFC3339, version); err == nil && t.After(newest[o]) {
			newest[o] = t
		}
	}
	subjectOf := func(shop, subject string) (Order, bool) {
		id, ok := strings.CutPrefix(subject, "order/")
		return Order{Shop: shop, ID: id}, ok
	}
	count := 0
	for i := range f.Services.Effects {
		e := &f.Services.Effects[i]
		if o, ok := subjectOf(e.Shop, e.Subject); ok && e.Kind == effects.Documented {
			note(o, e.Version)
			count++
		}
	}
	for i := range f.Services.Refusals {
		// erp:<shop>:order/<id>:<version>
		e := &f.Services.Refusals[i]
		if o, ok := subjectOf(e.Shop, e.Subject); ok && e.Backend == "erp" {
			note(o, strings.TrimPrefix(e.Key, "erp:"+e.Shop+":"+e.Subject+":"))
		}
	}
	for _, o := range f.orders() {
		// updated_at has whole seconds; what comes later within one is told apart by a fraction.
		if !sameTime(f.Told[o].UpdatedAt, newest[o].Truncate(time.Second)) {
			r.violate(fmt.Sprintf("%v: has %v, the shop's last version is of %s", o, newest[o], f.Told[o].UpdatedAt))
		}
	}
	r.Remark = fmt.Sprintf("%d documents of orders", count)
	return r
}

func (f *Facts) forwarded() Result {
	r := Result{Name: "events that were not forwarded"}
	got := map[string]bool{}
	for i := range f.Services.Effects {
		if e := &f.Services.Effects[i]; e.Kind == effects.Forwarded {
			got[e.Key] = true
		}
	}
	for i := range f.Services.Refusals {
		if e := &f.Services.Refusals[i]; e.Backend == "hook" {
			got[e.Key] = true
		}
	}
	for _, o := range f.orders() {
		if w := f.Wanted[o]; w != nil {
			for _, id := range w.Events {
				if !got[id] {
					r.violate(fmt.Sprintf("%s of %v", id, o))
				}
			}
		}
	}
	r.Remark = fmt.Sprintf("%d forwarded or refused", len(got))
	return r
}

// letters counts dead letters that no refusal explains, and refusals without theirs.
func (f *Facts) letters() Result {
	r := Result{Name: "dead letters without a refusal, or refusals without a dead letter"}
	backends := map[string]string{
		"millrace-inventory": "stock", "millrace-fulfillment": "carrier", "millrace-notifications": "smtp", "millrace-erp": "erp", "millrace-forward": "hook",
	}
	refused := map[string]int{}
	keys := 0
	for i := range f.Services.Refusals {
		// Each refusal is the end of an event; there may be several of one key, which is a version of a document.
		if e := &f.Services.Refusals[i]; e.Status != closedStatus {
			keys++
			refused[e.Backend] += int(e.Times)
		}
	}
	found := map[string]int{}
	for _, l := range f.Letters {
		backend, known := backends[l.Group]
		if !known || l.Class != "permanent" {
			r.violate(fmt.Sprintf("%s: %s of %s %s, %s: %s", l.Group, l.Topic, l.Shop, l.Entity, l.Class, l.Error))
			continue
		}
		found[backend]++
	}
	for _, backend := range slices.Sorted(maps.Values(backends)) {
		if found[backend] != refused[backend] {
			r.violate(fmt.Sprintf("%s: %d dead letters, and %d refusals: %v", backend, found[backend], refused[backend], f.Letters))
		}
	}
	r.Remark = fmt.Sprintf("%d dead letters, %d keys refused by the partners of the services", len(f.Letters), keys)
	return r
}

// closedStatus answers what comes for an order that was closed: the caller counts it as done, and makes no dead letter.
const closedStatus = 409
