package judge

import (
	"fmt"
	"time"

	"github.com/shopspring/decimal"
)

// states counts orders whose state is not what the shop says.
func (f *Facts) states() Result {
	r := Result{Name: "orders whose state is not the shop's"}
	for _, o := range f.orders() {
		told, v := f.Told[o], f.Views[o]
		switch {
		case v == nil:
			r.violate(fmt.Sprintf("%v: the event store does not know it", o))
		case !v.Known:
			r.violate(fmt.Sprintf("%v: only parts of it have come", o))
		case !sameTime(told.UpdatedAt, v.UpdatedAt):
			r.violate(fmt.Sprintf("%v: known as of %s, the shop's last version is of %s", o, v.UpdatedAt.Format(time.RFC3339), told.UpdatedAt))
		case told.FinancialStatus != v.FinancialStatus || told.FulfillmentStatus != v.FulfillmentStatus:
			r.violate(fmt.Sprintf("%v: is %s and %q, the shop says %s and %q", o, v.FinancialStatus, v.FulfillmentStatus, told.FinancialStatus, told.FulfillmentStatus))
		case !sameMoney(told.CurrentTotalPrice, v.CurrentTotal.Decimal()) || told.Currency != v.Currency:
			r.violate(fmt.Sprintf("%v: is worth %s %s, the shop says %s %s", o, v.CurrentTotal, v.Currency, told.CurrentTotalPrice, told.Currency))
		case told.Cancelled != !v.CancelledAt.IsZero():
			r.violate(fmt.Sprintf("%v: cancelled at %v, the shop says %t", o, v.CancelledAt, told.Cancelled))
		}
	}
	for o := range f.Views {
		if f.Told[o] == nil {
			r.violate(fmt.Sprintf("%v: the shop does not know it", o))
		}
	}
	r.Remark = fmt.Sprintf("%d orders", len(f.Told))
	return r
}

func sameTime(text string, t time.Time) bool {
	want, err := time.Parse(time.RFC3339, text)
	return err == nil && want.Equal(t)
}

func sameMoney(text string, d decimal.Decimal) bool {
	want, err := decimal.NewFromString(text)
	return err == nil && want.Equal(d)
}
