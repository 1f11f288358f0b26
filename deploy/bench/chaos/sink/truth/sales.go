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
	return tabs(sp.shop, at, sp.currency, s.orders, s.cancelled, s.gross, s.writtenOff, s.refunds, s.refunded, s.gross-s.writtenOff-s.refunded, s.fulfilled, s.seconds)
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

const salesSQL = `currency, orders, cancelled_orders, gross, written_off, refunds, refunded, net, fulfilled_orders, fulfil_seconds`

// aggregates are what the database adds up.
func aggregates() []Check {
	return []Check{
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
	}
}

func day(at moment) string { return time.UnixMilli(int64(at)).UTC().Format(time.DateOnly) }
