package effects

import (
	"time"

	"github.com/shopspring/decimal"

	"millrace/cmd/storesim/backends/faults"
)

// totals are the sums of the effects.
type totals struct {
	reserved, charged, refunded, shipped, cancelled, documents tally

	versions      tally // of documents
	releases      int64
	unitsReserved int64
	unitsReleased int64
	unitsShipped  int64
	money         map[string]*sums // per currency
	mail          MailSummary      // without its Counts
	forwarded     int64
	bytes         int64
}

// tally counts effects and the different things that they were about.
type tally struct {
	all, twice int64 // twice: things with more than one
	per        map[thing]int64
}

type thing struct{ shop, name, version string }

func (t *tally) add(of thing) {
	if t.per == nil {
		t.per = map[thing]int64{}
	}
	t.all++
	t.per[of]++
	if t.per[of] == 2 {
		t.twice++
	}
}

func (t *tally) things() int64 { return int64(len(t.per)) }

type sums struct {
	charged, refunded decimal.Decimal
	places            int32 // decimals of what is shown
}

// add takes an effect into the sums; known tells that its key had one before.
func (t *totals) add(e *Entry, known bool) {
	units := int64(0)
	for _, line := range e.Lines {
		units += line.Quantity
	}
	order := thing{shop: e.Shop, name: e.Order}
	switch e.Kind {
	case Reserved:
		t.reserved.add(order)
		t.unitsReserved += units
	case Released:
		t.releases++
		t.unitsReleased += units
	case Charged:
		t.charged.add(order)
		t.pay(e)
	case Refunded:
		t.refunded.add(order)
		t.pay(e)
	case Shipped:
		t.shipped.add(order)
		t.unitsShipped += units
	case ShipmentCancelled:
		t.cancelled.add(order)
	case Documented:
		t.documents.add(thing{shop: e.Shop, name: e.Subject})
		t.versions.add(thing{e.Shop, e.Subject, instant(e.Version)})
	case Forwarded:
		t.forwarded++
		t.bytes += int64(e.Bytes)
	case MailKind:
		t.post(e, known)
	case Nothing, Repeat, Refused: // no effects
	}
}

// instant is the same text for the same time, whatever its zone.
func instant(version string) string {
	at, err := time.Parse(time.RFC3339, version)
	if err != nil {
		return version
	}
	return at.UTC().Format(time.RFC3339Nano)
}

func (t *totals) pay(e *Entry) {
	amount, err := decimal.NewFromString(e.Amount)
	if err != nil { // of text that was made of a decimal: cannot be
		return
	}
	s, ok := t.money[e.Currency]
	if !ok {
		s = &sums{}
		if t.money == nil {
			t.money = map[string]*sums{}
		}
		t.money[e.Currency] = s
	}
	s.places = max(s.places, -amount.Exponent())
	if e.Kind == Charged {
		s.charged = s.charged.Add(amount)
	} else {
		s.refunded = s.refunded.Add(amount)
	}
}

func (t *totals) post(e *Entry, known bool) {
	t.mail.Accepted++
	switch {
	case e.Key == "":
	case known:
		t.mail.Duplicates++
	default:
		t.mail.Events++
	}
}

// Summary returns the account in numbers, as of now.
func (l *Ledger) Summary() Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.totals
	s := Summary{
		Stock: StockSummary{
			Counts: l.snapshot(faults.Stock), Reservations: t.reserved.all, Orders: t.reserved.things(), OrdersTwice: t.reserved.twice, Releases: t.releases,
			Unknown: l.unknown[faults.Stock], UnitsReserved: t.unitsReserved, UnitsReleased: t.unitsReleased, UnitsHeld: t.unitsReserved - t.unitsReleased,
		},
		Payment: PaymentSummary{
			Counts: l.snapshot(faults.Payment), Charges: t.charged.all, Orders: t.charged.things(), OrdersTwice: t.charged.twice,
			Refunds: t.refunded.all, OrdersRefunded: t.refunded.things(), Unknown: l.unknown[faults.Payment], Money: map[string]Money{},
		},
		Carrier: CarrierSummary{
			Counts: l.snapshot(faults.Carrier), Shipments: t.shipped.all, Orders: t.shipped.things(), OrdersTwice: t.shipped.twice,
			Cancelled: t.cancelled.all, Unknown: l.unknown[faults.Carrier], Units: t.unitsShipped,
		},
		ERP:  ERPSummary{Counts: l.snapshot(faults.ERP), Documents: t.documents.all, Versions: t.versions.things(), Subjects: t.documents.things()},
		Hook: HookSummary{Counts: l.snapshot(faults.Hook), Forwarded: t.forwarded, Bytes: t.bytes},
		SMTP: t.mail,
	}
	s.SMTP.Counts = l.snapshot(faults.SMTP)
	for currency, m := range t.money {
		s.Payment.Money[currency] = Money{
			Charged: m.charged.StringFixed(m.places), Refunded: m.refunded.StringFixed(m.places), Kept: m.charged.Sub(m.refunded).StringFixed(m.places),
		}
	}
	return s
}
