package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
)

// writeAccount prints the totals of the backends for people.
func writeAccount(out io.Writer, s effects.Summary) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "reservations\t%d\tof %d orders\n", s.Stock.Reservations, s.Stock.Orders)
	fmt.Fprintf(w, "releases\t%d\t%d of %d units; %d are held\n", s.Stock.Releases, s.Stock.UnitsReleased, s.Stock.UnitsReserved, s.Stock.UnitsHeld)
	fmt.Fprintf(w, "charges\t%d\tof %d orders\n", s.Payment.Charges, s.Payment.Orders)
	fmt.Fprintf(w, "refunds\t%d\tof %d orders\n", s.Payment.Refunds, s.Payment.OrdersRefunded)
	for _, currency := range slices.Sorted(maps.Keys(s.Payment.Money)) {
		m := s.Payment.Money[currency]
		fmt.Fprintf(w, "money\t%s\t%s charged, %s refunded, %s kept\n", currency, m.Charged, m.Refunded, m.Kept)
	}
	fmt.Fprintf(w, "shipments\t%d\tof %d orders; %d cancelled\n", s.Carrier.Shipments, s.Carrier.Orders, s.Carrier.Cancelled)
	fmt.Fprintf(w, "documents\t%d\tin %d versions, of %d orders and customers\n", s.ERP.Documents, s.ERP.Versions, s.ERP.Subjects)
	fmt.Fprintf(w, "forwarded\t%d\tevents, %d bytes\n", s.Hook.Forwarded, s.Hook.Bytes)
	fmt.Fprintf(w, "too early\t%d\tto be taken back before they were there\n", s.Stock.Unknown+s.Payment.Unknown+s.Carrier.Unknown)
	fmt.Fprintf(w, "mails\t%d\tof %d events, %d duplicates\n", s.SMTP.Accepted, s.SMTP.Events, s.SMTP.Duplicates)
	for _, b := range []struct {
		name string
		c    effects.Counts
	}{
		{faults.Stock, s.Stock.Counts},
		{faults.Payment, s.Payment.Counts},
		{faults.Carrier, s.Carrier.Counts},
		{faults.ERP, s.ERP.Counts},
		{faults.Hook, s.Hook.Counts},
		{faults.SMTP, s.SMTP.Counts},
	} {
		writeCounts(w, b.name, b.c)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write totals: %w", err)
	}
	return nil
}

func writeCounts(w io.Writer, name string, c effects.Counts) {
	fmt.Fprintf(w, "%s requests\t%d\t%d repeated a key that was done; at most %d at once, %d per second\n", name, c.Requests, c.Repeats, c.AtOnce, c.PerSecond)
	for _, g := range []struct {
		what   string
		counts map[string]int64
	}{{"fault", c.Faults}, {"refused", c.Refused}, {"anomaly", c.Anomalies}} {
		for _, what := range slices.Sorted(maps.Keys(g.counts)) {
			fmt.Fprintf(w, "%s %s\t%d\t%s\n", name, g.what, g.counts[what], what)
		}
	}
}
