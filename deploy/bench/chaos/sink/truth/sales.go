package truth

import "time"

// span is what is added up over: a shop, a currency and a minute or a day.
type span struct {
	shop, currency string
	at             moment // its beginning
}

// sales are the books of a span. An order is booked when it was created, a refund when it was made; test orders and deleted ones
// are not booked.
type sales struct {
	orders, cancelled, refunds, fulfilled, seconds int64
	gross, writtenOff, refunded                    money
}

func (s *sales) row(sp span, at string) string {
	var average any = `\N`
	if s.orders > 0 {
		average = s.gross / money(s.orders) // cut, not rounded, as Decimals are
	}
	perOrder := int64(-1)
	if s.fulfilled > 0 {
		perOrder = s.seconds / s.fulfilled
	}
	return tabs(sp.shop, at, sp.currency, s.orders, s.cancelled, s.gross, s.writtenOff, s.refunds, s.refunded, s.gross-s.writtenOff-s.refunded, average,
		s.fulfilled, s.seconds, perOrder)
}

func (m *Models) sales(every time.Duration) map[span]*sales {
	all := map[span]*sales{}
	book := func(shop, currency string, at moment) *sales {
		sp := span{shop, currency, at - at%moment(every.Milliseconds())}
		if all[sp] == nil {
			all[sp] = &sales{}
		}
		return all[sp]
	}
	m.standing(func(k key, o *kept[orderBody]) {
		b := &o.is
		if b.Test {
			return
		}
		s := book(k.shop, b.Currency, b.Created)
		s.orders++
		s.gross += b.Total
		s.writtenOff += b.writtenOff()
		if b.Cancelled > 0 {
			s.cancelled++
		}
		if first := b.fulfilled(); first >= b.Created {
			s.fulfilled++
			s.seconds += int64(first-b.Created) / 1000
		}
	})
	for k, r := range m.refunds {
		if r.is.test || !m.ofOrder(k, r.is.Order) {
			continue
		}
		s := book(k.shop, r.is.currency, r.is.Created)
		s.refunds++
		s.refunded += r.is.paid()
	}
	return all
}

const salesSQL = `currency, orders, cancelled_orders, gross, written_off, refunds, refunded, net, average_order_value, fulfilled_orders, fulfil_seconds,
	toInt64(floor(ifNull(average_fulfil_seconds, -1)))`

// aggregates are what the database adds up.
func aggregates() []modelCheck {
	return []modelCheck{
		{"sales by minute", `SELECT shop, toUnixTimestamp(minute), ` + salesSQL + ` FROM %.sales_by_minute`, func(m *Models) (rows []string) {
			for sp, s := range m.sales(time.Minute) {
				rows = append(rows, s.row(sp, tabs(int64(sp.at)/1000)))
			}
			return rows
		}},
		{"sales by day", `SELECT shop, toString(day), ` + salesSQL + ` FROM %.sales_by_day`, func(m *Models) (rows []string) {
			for sp, s := range m.sales(24 * time.Hour) {
				rows = append(rows, s.row(sp, day(sp.at)))
			}
			return rows
		}},
		{"units by day", `SELECT shop, toString(day), sku, ordered, units FROM %.units_by_day`, units},
		{"customers by day", `SELECT shop, toString(day), customers, new_customers, returning_customers FROM %.customers_by_day`, buyers},
		{"checkouts by day", `SELECT shop, toString(day), currency, checkouts, completed, abandoned, abandoned_value FROM %.checkouts_by_day`, abandoned},
	}
}

func day(at moment) string { return time.UnixMilli(int64(at)).UTC().Format(time.DateOnly) }

// counted adds up by a text, which begins the row.
type counted[T any] map[string]*T

func (c counted[T]) of(row string) *T {
	if c[row] == nil {
		c[row] = new(T)
	}
	return c[row]
}

// units are the goods in the orders of a day, by SKU: as ordered, and what is left of it.
func units(m *Models) (rows []string) {
	sums := counted[struct{ ordered, left int64 }]{}
	m.standing(func(k key, o *kept[orderBody]) {
		if o.is.Test {
			return
		}
		for i := range o.is.Lines {
			l := &o.is.Lines[i]
			s := sums.of(tabs(k.shop, day(o.is.Created), l.SKU))
			s.ordered += l.Quantity
			s.left += l.left()
		}
	})
	for row, s := range sums {
		rows = append(rows, tabs(row, s.ordered, s.left))
	}
	return rows
}

// buyers are the customers that ordered on a day: those whose first order it was are new, the others come again.
func buyers(m *Models) (rows []string) {
	type buying struct {
		all   map[string]bool
		first int
	}
	days := counted[buying]{}
	m.standing(func(k key, o *kept[orderBody]) {
		if o.is.Test || o.is.customer() == 0 {
			return
		}
		b := days.of(tabs(k.shop, day(o.is.Created)))
		if b.all == nil {
			b.all = map[string]bool{}
		}
		b.all[id(o.is.customer())] = true
	})
	for k, f := range m.firsts {
		if m.ofOrder(k, f.order) {
			days.of(tabs(k.shop, day(f.created))).first++
		}
	}
	for row, b := range days {
		rows = append(rows, tabs(row, len(b.all), b.first, max(len(b.all)-b.first, 0)))
	}
	return rows
}

// abandoned counts checkouts by the day on which they began. One is abandoned when it is not completed and has not changed for an hour;
// the story's checkouts have not changed for some hours when it begins.
func abandoned(m *Models) (rows []string) {
	sums := counted[struct {
		all, completed, abandoned int
		value                     money
	}]{}
	for k, c := range m.checkouts {
		if m.gone("checkout", key{k.shop, id(c.is.ID)}) {
			continue
		}
		s := sums.of(tabs(k.shop, day(c.is.Created), c.is.Currency))
		s.all++
		if c.is.Completed > 0 {
			s.completed++
			continue
		}
		s.abandoned++
		s.value += c.is.Total
	}
	for row, s := range sums {
		rows = append(rows, tabs(row, s.all, s.completed, s.abandoned, s.value))
	}
	return rows
}
