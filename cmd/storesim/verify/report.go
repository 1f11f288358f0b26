package verify

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// maxExamples bounds what a report tells of one kind of violation.
const maxExamples = 10

// Finding is one kind of violation.
type Finding struct {
	Count    int64    `json:"count"`
	Examples []string `json:"examples,omitempty"` // the first ten met
}

func (f *Finding) add(format string, args ...any) {
	f.Count++
	if len(f.Examples) < maxExamples {
		f.Examples = append(f.Examples, fmt.Sprintf(format, args...))
	}
}

// Report is the outcome of a verification.
type Report struct {
	// The ledger.
	Lines     int64 `json:"lines"`
	Acked     int64 `json:"acked"`
	GivenUp   int64 `json:"given_up"`
	Abandoned int64 `json:"abandoned"`
	Forgotten int64 `json:"forgotten"` // never sent
	Torn      bool  `json:"torn"`      // its last line was cut off and is not counted
	// The table.
	Rows          int64 `json:"rows"`
	Stored        int64 `json:"stored"`         // distinct events of the ledger that are there
	Entities      int64 `json:"entities"`       // of these events
	StoredUnacked int64 `json:"stored_unacked"` // of these, never acknowledged: legal
	Unknown       int64 `json:"unknown"`        // rows whose id the ledger does not know: legal
	Resent        int64 `json:"resent"`         // further Kafka records of an event, up to the requests made: legal
	// Violations.
	Missing       Finding `json:"missing"`
	Wrong         Finding `json:"wrong"`
	Surplus       Finding `json:"surplus"`
	Repeated      Finding `json:"repeated"`
	Order         Finding `json:"order"`
	Split         Finding `json:"split"`
	WaitedSeconds float64 `json:"waited_seconds"`
	OK            bool    `json:"ok"`
}

// findings lists the kinds in the order of weight.
func (r *Report) findings() []struct {
	name, meaning string
	f             *Finding
} {
	return []struct {
		name, meaning string
		f             *Finding
	}{
		{"missing", "acknowledged, not in the table", &r.Missing},
		{"wrong", "body, topic, shop, subject or key differ", &r.Wrong},
		{"surplus", "more Kafka records than requests that can have been stored", &r.Surplus},
		{"repeated", "one Kafka record in several rows", &r.Repeated},
		{"order", "offsets of an entity not in the order sent", &r.Order},
		{"split", "an entity in several partitions", &r.Split},
	}
}

// Violations counts what must not be.
func (r *Report) Violations() int64 {
	sum := int64(0)
	for _, v := range r.findings() {
		sum += v.f.Count
	}
	return sum
}

// WriteText prints the report for people.
func (r *Report) WriteText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "ledger\t%d events\t%d acknowledged, %d given up, %d abandoned, %d never sent\n", r.Lines, r.Acked, r.GivenUp, r.Abandoned, r.Forgotten)
	if r.Torn {
		fmt.Fprintf(w, "\t\tits last line is cut off and was passed over\n")
	}
	fmt.Fprintf(w, "table\t%d rows\t%d events of the ledger about %d entities\n", r.Rows, r.Stored, r.Entities)
	fmt.Fprintf(w, "unacknowledged\t%d\tstored although never acknowledged (legal)\n", r.StoredUnacked)
	fmt.Fprintf(w, "not in ledger\t%d\trows of other senders or of a killed run (legal)\n", r.Unknown)
	fmt.Fprintf(w, "resent\t%d\tfurther records of duplicate or retried deliveries (legal)\n", r.Resent)
	for _, v := range r.findings() {
		verdict := "ok"
		if v.f.Count > 0 {
			verdict = "VIOLATION"
		}
		fmt.Fprintf(w, "%s\t%d\t%s: %s\n", v.name, v.f.Count, verdict, v.meaning)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for _, v := range r.findings() {
		for _, example := range v.f.Examples {
			if _, err := fmt.Fprintf(out, "  %s: %s\n", v.name, example); err != nil {
				return fmt.Errorf("write report: %w", err)
			}
		}
	}
	return nil
}
