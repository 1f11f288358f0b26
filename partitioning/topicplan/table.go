package topicplan

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteTable writes p for people: a line per change under a heading, then what to do about conflicts; or one line when there
// is nothing to tell.
func (p Plan) WriteTable(w io.Writer) error {
	if len(p.Changes) == 0 {
		_, err := fmt.Fprintf(w, "All %d topics are as planned.\n", len(p.wanted))
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TOPIC\tCHANGE\tSETTING\tCLUSTER\tPLAN")
	for _, c := range p.Changes {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", c.Topic, c.Kind, orDash(c.Setting), orDash(c.Have), c.Want)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, c := range p.Changes {
		if c.Kind == Conflict {
			if _, err := fmt.Fprintf(w, "\n%s: %s.\n", c.Kind, c.advice()); err != nil {
				return err
			}
		}
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
