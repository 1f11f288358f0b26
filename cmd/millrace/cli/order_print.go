package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"millrace/consumers/orderstate"
	"millrace/schemas"
)

// eventJSON is an event of the event store and what it did, for scripts. Fields are only ever added.
type eventJSON struct {
	ID        string             `json:"id"`
	Topic     string             `json:"topic"`
	Partition int32              `json:"partition"`
	Offset    int64              `json:"offset"`
	Known     time.Time          `json:"known"`
	Did       orderstate.Verdict `json:"did"`
	Event     json.RawMessage    `json:"event"` // as it stands in the store
}

func toldJSON(t *orderstate.Told) eventJSON {
	return eventJSON{ID: t.ID, Topic: schemas.OrderEventsTopic, Partition: t.Partition, Offset: t.Offset, Known: t.Known, Did: t.Verdict, Event: t.Value}
}

// printOrder shows an order to people: the state first, in the words that matter, and then how it came about.
func printOrder(out io.Writer, v *orderstate.View) error {
	fmt.Fprintf(out, "%s\n\n", printable(joinWords(v.Name, "order "+v.OrderID, v.Shop, asOf(v.AsOf)), ""))
	t := newPairs(out)
	t.pair("status", statusText(v))
	for _, p := range v.Provisional {
		t.pair("not final", p)
	}
	t.pair("total", totalText(v))
	t.pair("created", stamp(v.CreatedAt))
	t.pair("version", stamp(v.UpdatedAt))
	for _, l := range v.Lines {
		n := strconv.FormatInt(l.CurrentQuantity, 10)
		if l.CurrentQuantity != l.Quantity {
			n = fmt.Sprintf("%d of %d", l.CurrentQuantity, l.Quantity)
		}
		t.pair("line", fmt.Sprintf("%s × %s", n, joinWords(l.SKU, l.Title, l.Price.String())))
	}
	for _, k := range v.Stock {
		t.pair("stock", joinWords(k.Did, stockText(k.Lines), "by "+k.By))
	}
	for _, p := range v.Payments {
		t.pair("payment", joinWords(p.Did, p.Amount.String(), p.Currency, "by "+p.By, p.ChargeID))
	}
	for _, k := range v.Shipments {
		t.pair("shipment", joinWords(k.ShipmentID, k.Status, trackingText(k.Tracking)))
	}
	for _, f := range v.Fulfillments {
		t.pair("fulfilment", joinWords(cmp.Or(f.Name, f.FulfillmentID), f.Status, f.ShipmentStatus, trackingText(f.Tracking)))
	}
	for _, r := range v.Refunds {
		t.pair("refund", joinWords(r.RefundID, r.Amount.String(), stamp(r.CreatedAt)))
	}
	for _, m := range v.Mails {
		t.pair("mail", joinWords(strings.ReplaceAll(m.Kind, "_", " "), stamp(m.At)))
	}
	for _, d := range v.Documents {
		t.pair("ERP", joinWords(d.Document, "as of", stamp(d.Version)))
	}
	for _, s := range v.Sagas {
		t.pair("saga", sagaText(&s))
	}
	if err := t.w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return printTimeline(out, v.Timeline)
}

// pairs are lines of a name and a text.
type pairs struct{ *table }

func newPairs(out io.Writer) pairs { return pairs{&table{w: newTabs(out)}} }

func (p pairs) pair(name, text string) {
	if text != "" {
		fmt.Fprintf(p.w, "  %s\t%s\n", name, printable(text, ""))
	}
}

func printTimeline(out io.Writer, lines []orderstate.Line) error {
	t := newTable(out, "WHEN", "WHO", "WHAT", "WHY")
	for _, l := range lines {
		what := l.Text
		if l.Note != "" {
			what += " (" + l.Note + ")"
		}
		if err := t.row(stamp(l.At), l.By, what, l.Reason); err != nil {
			return err
		}
	}
	return t.w.Flush()
}

func statusText(v *orderstate.View) string {
	words := []string{v.FinancialStatus, cmp.Or(v.FulfillmentStatus, "unfulfilled")}
	if !v.Known {
		words = []string{"the order itself has not come: what has come waits for it"}
	}
	if !v.CancelledAt.IsZero() {
		words = append(words, joinWords("cancelled", stamp(v.CancelledAt), parens(v.CancelReason)))
	}
	if !v.DeletedAt.IsZero() {
		words = append(words, "deleted "+stamp(v.DeletedAt))
	}
	if v.Test {
		words = append(words, "a test order")
	}
	return strings.Join(words, ", ")
}

func totalText(v *orderstate.View) string {
	if v.Total.IsNull() {
		return ""
	}
	parts := []string{joinWords(v.Total.String(), v.Currency)}
	for _, more := range []struct {
		name   string
		amount schemas.Money
		shown  bool
	}{
		{"now", v.CurrentTotal, !v.CurrentTotal.Equal(v.Total)},
		{"refunded", v.Refunded, true},
		{"outstanding", v.Outstanding, !v.Outstanding.Decimal().IsZero()},
	} {
		if more.shown && !more.amount.IsNull() {
			parts = append(parts, more.name+" "+more.amount.String())
		}
	}
	return strings.Join(parts, ", ")
}

func sagaText(s *orderstate.SagaView) string {
	var steps []string
	for _, st := range s.Steps {
		name := st.Step
		if st.Compensation {
			name = "undo " + name
		}
		steps = append(steps, joinWords(name, st.Status, parens(st.Error)))
	}
	text := s.Saga + " " + s.Status
	if len(steps) > 0 {
		text += ": " + strings.Join(steps, ", ")
	}
	return text
}

func stockText(lines []schemas.StockLine) string {
	if len(lines) == 0 {
		return "everything"
	}
	var out []string
	for _, l := range lines {
		out = append(out, fmt.Sprintf("%d × %s", l.Quantity, cmp.Or(l.SKU, "variant "+l.VariantID)))
	}
	return strings.Join(out, ", ")
}

func trackingText(tracking []schemas.Tracking) string {
	var out []string
	for _, t := range tracking {
		out = append(out, joinWords(t.Company, t.Number, t.URL))
	}
	return strings.Join(out, ", ")
}

func asOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return "as of " + stamp(t)
}

func parens(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}

// joinWords joins what is not empty.
func joinWords(parts ...string) string {
	out := make([]string, 0, len(parts))
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}
