package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"millrace/consumers/group/deadletter"
)

// listLimit is how many rows a table has unless told otherwise; JSON has all.
const listLimit = 100

func (a *app) dlqList() *cobra.Command {
	var asJSON, all bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters",
		Long: "List what services gave up, the newest failure first. Letters that were redriven or dropped are settled, and left out\n" +
			"unless --all is given.",
		Example: "  millrace dlq list\n" +
			"  millrace dlq list --service inventory --class exhausted --since 2h\n" +
			"  millrace dlq list --shop acme --entity order/820982911946154508 --all\n" +
			"  millrace dlq list --service inventory --json | jq -r 'select(.error | test(\"503\")) | .id'",
		Args: cobra.NoArgs,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&all, "all", false, "settled letters too, with who settled them and when")
	cmd.Flags().IntVar(&limit, "limit", 0, "show at most so many; 0 for all (default 100, with --json 0)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object per letter and line, with headers and body")
	return a.dlqVerb(cmd, true, func(ctx context.Context, d *desk, f deadletter.Filter) error {
		if !cmd.Flags().Changed("limit") && !asJSON {
			limit = listLimit
		}
		f.Settled = all
		return d.list(ctx, f, limit, asJSON)
	})
}

func (d *desk) list(ctx context.Context, f deadletter.Filter, limit int, asJSON bool) error {
	out := d.app.p.Stdout
	shown, found := 0, 0
	classes := map[string]int{}
	var rows *letterTable
	for _, b := range d.books {
		s, err := d.choose(ctx, b, f)
		if err != nil {
			return err
		}
		found += s.Len()
		for class, n := range s.Classes() {
			classes[class] += n
		}
		left := limit - shown
		if s.Len() == 0 || (limit > 0 && left == 0) {
			continue
		}
		if rows == nil && !asJSON {
			rows = newLetterTable(out, f.Settled, len(d.books) > 1)
		}
		err = b.Read(ctx, s, max(left, 0), func(l deadletter.Letter) error {
			shown++
			if asJSON {
				return jsonLine(out, letterToJSON(&l))
			}
			return rows.letter(&l)
		})
		if err != nil {
			return err
		}
	}
	if asJSON {
		return nil
	}
	if rows != nil {
		if err := rows.w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	return d.summary(out, f, found, shown, classes)
}

func (d *desk) summary(out io.Writer, f deadletter.Filter, found, shown int, classes map[string]int) error {
	kind := "open dead "
	if f.Settled {
		kind = "dead "
	}
	line := many(found, kind+"letter", kind+"letters")
	if len(d.books) == 1 {
		line += " of " + d.books[0].Group()
	}
	if found > 0 {
		line += ": " + counts(classes)
	}
	if shown < found {
		line += fmt.Sprintf("; shown are the %d newest, --limit 0 shows all", shown)
	}
	_, err := fmt.Fprintln(out, line)
	return err
}

func (a *app) dlqShow() *cobra.Command {
	var asJSON, raw bool
	cmd := &cobra.Command{
		Use:   "show ID...",
		Short: "Show dead letters whole: error, headers, body, and what waits behind them",
		Long: "Show dead letters whole, settled ones too: why and when they were given up, their headers, the body (JSON indented), and\n" +
			"how many later events of the entity wait behind each.",
		Example: "  millrace dlq show shopify.orders/5@1234\n" +
			"  millrace dlq show shopify.orders/5@1234 --service inventory --raw > body.json",
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "only the body, byte for byte; of one letter")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object per letter and line")
	return a.dlqVerb(cmd, false, func(ctx context.Context, d *desk, f deadletter.Filter) error {
		if raw && len(f.IDs) != 1 {
			return fmt.Errorf("%w: --raw takes one id", errUsage)
		}
		f.Settled = true
		s, err := d.choose(ctx, d.books[0], f)
		if err != nil {
			return err
		}
		err = d.books[0].Read(ctx, s, 0, func(l deadletter.Letter) error { return d.show(ctx, &l, asJSON, raw) })
		return errors.Join(err, missing(d.books[0], s))
	})
}

// missing is an error for ids that do not exist.
func missing(b *deadletter.Book, s *deadletter.Selection) error {
	var errs []error
	for _, id := range s.Missing() {
		errs = append(errs, fmt.Errorf("%s has no dead letter %s that matches", b.Group(), id))
	}
	return errors.Join(errs...)
}

func (d *desk) show(ctx context.Context, l *deadletter.Letter, asJSON, raw bool) error {
	b, out := d.books[0], d.app.p.Stdout
	if l.Bare {
		r, err := b.Source(ctx, l.ID)
		if err != nil {
			return err
		}
		if r != nil {
			l.Value, l.Bare = r.Value, false
		}
	}
	if raw {
		if l.Bare {
			return deadletter.ErrBodyGone
		}
		_, err := out.Write(l.Value)
		return err
	}
	place, err := b.Place(ctx, *l)
	if err != nil {
		return err
	}
	d.bar.clear()
	if asJSON {
		j := letterToJSON(l)
		j.Waits = &placeJSON{place.Parked, place.Waiting, place.Behind}
		return jsonLine(out, j)
	}
	return printLetter(out, l, place)
}

func printLetter(out io.Writer, l *deadletter.Letter, place deadletter.Place) error {
	state := stateOf(l)
	if r := l.Resolution; r != nil {
		state = fmt.Sprintf("%s by %s at %s", r.What, r.By, stamp(r.Time))
	}
	t := newTable(out, fmt.Sprintf("%s of %s", l.ID, l.Group))
	for _, row := range [][2]string{
		{"state", state},
		{"class", l.Class},
		{"error", l.Error},
		{"attempts", strconv.Itoa(l.Attempts)},
		{"first failure", stamp(l.FirstFailure)},
		{"last failure", stamp(l.LastFailure)},
		{"shop", l.Shop},
		{"entity", l.Entity},
		{"key", string(l.Key)},
		{"shopify topic", l.ShopifyTopic},
		{"webhook id", l.WebhookID},
		{"waits", placeText(place)},
	} {
		if err := t.row("  "+row[0], row[1]); err != nil {
			return err
		}
	}
	fmt.Fprintln(t.w, "headers")
	headers := slices.Clone(l.Headers)
	for _, h := range headers {
		if err := t.row("  "+h.Key, string(h.Value)); err != nil {
			return err
		}
	}
	if err := t.w.Flush(); err != nil {
		return err
	}
	if l.Bare {
		_, err := fmt.Fprintln(out, "body: too large to be kept with the letter, and no longer at its source")
		return err
	}
	_, err := fmt.Fprintf(out, "body of %s\n%s\n", many(len(l.Value), "byte", "bytes"), pretty(l.Value))
	return err
}

func placeText(p deadletter.Place) string {
	behind := "nothing waits behind it"
	switch {
	case p.Behind == 1:
		behind = "1 later event of its entity waits"
	case p.Behind > 1:
		behind = fmt.Sprintf("%d later events of its entity wait", p.Behind)
	}
	switch {
	case p.Parked:
		return "parked: " + behind + "; redrive or drop lets go of it"
	case p.Waiting:
		return "on its way back; " + behind
	}
	return behind
}
