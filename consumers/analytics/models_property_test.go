package analytics

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// life is what an order went through in the world: the amounts are cents, and the books follow from the last state.
type life struct {
	id, total, current int64
	created            time.Time
	currency           string
	test, deleted      bool
	refunds            map[int64]int64 // by second after created
}

func cents(n int64) string { return fmt.Sprintf("%d.%02d", n/100, n%100) }

// events lets the order live and returns what was sent of it.
func (l *life) events(random *rand.Rand) (out []delivery) {
	at := l.created
	show := func(topic string) {
		s := sale{id: int(l.id), total: cents(l.total), current: cents(l.current), currency: l.currency, test: l.test, more: fields{"created_at": stamp(l.created), "updated_at": stamp(at)}}
		s.created = "2026-03-01 10:00"
		for second, amount := range l.refunds {
			s.refunds = append(s.refunds, l.refund(second, amount))
		}
		slices.SortFunc(s.refunds, func(a, b fields) int { return int(a["id"].(int64) - b["id"].(int64)) })
		d := s.as(topic, "2026-03-01 10:00")
		// Two versions may have the same updated_at: then triggered-at decides.
		d.triggered = at.Add(time.Duration(len(out)) * time.Millisecond)
		out = append(out, d)
	}
	show("orders/create")
	for range random.IntN(6) {
		at = at.Add(time.Duration(random.IntN(3)*17) * time.Hour)
		switch random.IntN(3) {
		case 0: // an edit
			change := random.Int64N(5000)
			l.total, l.current = l.total+change, l.current+change
		case 1: // an edit the other way
			l.current -= random.Int64N(l.current + 1)
		default:
			at = at.Add(time.Second)
			second, amount := int64(at.Sub(l.created)/time.Second), random.Int64N(l.current+1)
			l.refunds[second] = amount
			l.current -= amount
			r := l.refund(second, amount)
			r["order_id"] = l.id
			out = append(out, delivery{"refunds/create", fmt.Sprint("order/", l.id), at, r})
		}
		show("orders/updated")
	}
	if l.deleted {
		out = append(out, delivery{"orders/delete", fmt.Sprint("order/", l.id), at, fields{"id": l.id}})
	}
	return out
}

func (l *life) refund(second, amount int64) fields {
	at := stamp(l.created.Add(time.Duration(second) * time.Second))
	return fields{
		"id": l.id*10_000_000 + second, "created_at": at, "processed_at": at, "refund_line_items": []fields{},
		"transactions": []fields{paidBack(cents(amount), fields{"currency": l.currency, "test": l.test})},
	}
}

type day struct {
	date, currency                               string
	orders, gross, writtenOff, refunds, refunded int64
}

// books computes sales_by_day from the last states.
func books(lives []*life) []string {
	days := map[[2]string]*day{}
	of := func(at time.Time, currency string) *day {
		k := [2]string{at.UTC().Format(time.DateOnly), currency}
		if days[k] == nil {
			days[k] = &day{date: k[0], currency: currency}
		}
		return days[k]
	}
	for _, l := range lives {
		if l.test || l.deleted {
			continue
		}
		d := of(l.created, l.currency)
		back := int64(0)
		for second, amount := range l.refunds {
			back += amount
			r := of(l.created.Add(time.Duration(second)*time.Second), l.currency)
			r.refunds++
			r.refunded += amount
		}
		d.orders++
		d.gross += l.total
		d.writtenOff += max(0, l.total-l.current-back)
	}
	var out []string
	for _, d := range days {
		out = append(out, fmt.Sprint(d.date, " ", d.currency, " ", d.orders, " ", d.gross, " ", d.writtenOff, " ", d.refunds, " ", d.refunded, " ", d.gross-d.writtenOff-d.refunded))
	}
	slices.Sort(out)
	return out
}

// checkAnyOrder: any order of arrival, with any repeats, cut into any inserts, with merges in between or not, comes to the same
// books, to the cent.
func checkAnyOrder(t *testing.T, db *database.DB) {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 8))
	var lives []*life
	var all []delivery
	for i := range int64(150) {
		total := random.Int64N(50_000)
		l := &life{
			id: i + 1, total: total, current: total, created: time.Date(2026, 1, 28, 0, 0, int(i)*4000, 0, time.UTC),
			currency: []string{"USD", "EUR"}[i%2], test: random.IntN(12) == 0, deleted: random.IntN(12) == 0, refunds: map[int64]int64{},
		}
		lives = append(lives, l)
		all = append(all, l.events(random)...)
	}
	want := books(lives)
	for round := range 4 {
		shop := fmt.Sprint("shop", round)
		var records []*kgo.Record
		for _, i := range random.Perm(len(all)) {
			for range 1 + random.IntN(2) {
				records = append(records, all[i].record(t, shop, int64(round*100_000+len(records))))
			}
		}
		for len(records) > 0 {
			n := min(len(records), 1+random.IntN(400))
			insertAll(t, db, records[:n])
			records = records[n:]
			if round > 1 && random.IntN(3) == 0 {
				databasetest.Exec(t, db, "OPTIMIZE TABLE %.orders FINAL")
				databasetest.Exec(t, db, "OPTIMIZE TABLE %.refunds FINAL")
			}
		}
		got := lines(t, db, `SELECT concatWithSeparator(' ', toString(day), currency, toString(orders), toString(toInt64(gross * 100)), toString(toInt64(written_off * 100)), toString(refunds), toString(toInt64(refunded * 100)), toString(toInt64(net * 100)))
			FROM %.sales_by_day WHERE shop = '`+shop+`' ORDER BY 1`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("books of round %d (-want, +got):\n%s", round, diff)
		}
	}
}
