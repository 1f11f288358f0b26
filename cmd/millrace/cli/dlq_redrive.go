package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"millrace/consumers/group/deadletter"
)

// settling is the command line of redrive and drop.
type settling struct {
	action           deadletter.Action
	past             string // "redriven"
	dry, yes, asJSON bool
	rate             float64
}

func (a *app) dlqRedrive() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "redrive [ID...]",
		Short: "Send dead letters back to their service",
		Long: "Send open dead letters back to their service, as if they had come anew: no attempt counted, due at once, and in the order\n" +
			"of each entity. A letter's way back and the note that it is settled are one transaction, and a second run for the same\n" +
			"service ends the first, so nothing is sent twice. What was interrupted can be repeated. Each letter is logged.",
		Example: "  millrace dlq redrive --service inventory --dry-run\n" +
			"  millrace dlq redrive shopify.orders/5@1234\n" +
			"  millrace dlq redrive --service inventory --class exhausted --since 2h --rate 50 --yes",
	}
	return a.settleCommand(cmd, settling{action: deadletter.ActionRedrive, past: "redriven"})
}

func (a *app) dlqDrop() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop [ID...]",
		Short: "Settle dead letters without handling them",
		Long: "Settle open dead letters: nobody will handle them, and what is parked behind them goes on. They stay in Kafka, and\n" +
			"`dlq list --all` shows them. Otherwise as `dlq redrive`.",
		Example: "  millrace dlq drop shopify.orders/5@1234 --yes\n" +
			"  millrace dlq drop --service notifications --class permanent --until 2026-11-23",
	}
	return a.settleCommand(cmd, settling{action: deadletter.ActionDrop, past: "dropped"})
}

func (a *app) settleCommand(cmd *cobra.Command, s settling) *cobra.Command {
	cmd.Long += "\n\nFirst it says what it would do; then it asks, or, where nobody can answer, exits with 2 unless --yes was given. Exits with\n" +
		"1 if a single letter could not be settled, and with 0 if there was nothing to do."
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&s.yes, "yes", false, "do it without asking")
	cmd.Flags().BoolVar(&s.dry, "dry-run", false, "only say what would be done")
	cmd.Flags().Float64Var(&s.rate, "rate", 0, "at most so many letters per second; 0 for no limit")
	cmd.Flags().BoolVar(&s.asJSON, "json", false, "one JSON object per letter and line, with what became of it")
	return a.dlqVerb(cmd, false, func(ctx context.Context, d *desk, f deadletter.Filter) error {
		if s.rate < 0 {
			return fmt.Errorf("%w: --rate must not be negative", errUsage)
		}
		return d.settle(ctx, f, s)
	})
}

func (d *desk) settle(ctx context.Context, f deadletter.Filter, s settling) error {
	b, out := d.books[0], d.app.p.Stdout
	// Ids are looked up among the settled too: to name one twice is no mistake.
	f.Settled = len(f.IDs) > 0
	chosen, err := d.choose(ctx, b, f)
	if err != nil {
		return err
	}
	if err := missing(b, chosen); err != nil {
		return err
	}
	if err := d.preview(ctx, b, chosen, s); err != nil {
		return err
	}
	if s.dry || chosen.Open() == 0 {
		return nil
	}
	if !s.yes {
		if err := d.app.confirm(fmt.Sprintf("%s %s of %s?", s.action, many(chosen.Open(), "dead letter", "dead letters"), b.Group())); err != nil {
			return err
		}
	}
	work := deadletter.Work{By: whoami(), Rate: s.rate, Service: serviceOf(&d.cfg, b.Group()), Report: func(o deadletter.Outcome) { d.report(ctx, o, s) }}
	settle := b.Redrive
	if s.action == deadletter.ActionDrop {
		settle = b.Drop
	}
	result, err := settle(ctx, chosen, work)
	d.bar.clear()
	if !s.asJSON {
		fmt.Fprintf(out, "%d %s, %d skipped, %d failed\n", result.Settled, s.past, result.Skipped, result.Failed)
	}
	if result.Failed > 0 {
		err = errors.Join(err, fmt.Errorf("%s could not be %s", many(result.Failed, "dead letter", "dead letters"), s.past))
	}
	return err
}

// previewRows is how many letters are named before the question.
const previewRows = 10

// preview says what would be done.
func (d *desk) preview(ctx context.Context, b *deadletter.Book, chosen *deadletter.Selection, s settling) error {
	out := d.app.p.Stdout
	if s.asJSON {
		if !s.dry {
			return nil
		}
		return b.Read(ctx, chosen, 0, func(l deadletter.Letter) error {
			o := deadletter.Outcome{Letter: l, Action: s.action, Skipped: l.Resolution != nil}
			return jsonLine(out, outcomeToJSON(o, "would_"+s.action.String()))
		})
	}
	if chosen.Open() == 0 {
		text := fmt.Sprintf("nothing to %s: no open dead letter of %s matches", s.action, b.Group())
		if n := chosen.Len(); n > 0 {
			text = fmt.Sprintf("nothing to %s: %s settled already, see `millrace dlq show`", s.action, many(n, "letter is", "letters are"))
		}
		_, err := fmt.Fprintln(out, text)
		return err
	}
	if !s.yes || s.dry {
		rows := newLetterTable(out, chosen.Open() < chosen.Len(), false)
		if err := b.Read(ctx, chosen, previewRows, func(l deadletter.Letter) error { return rows.letter(&l) }); err != nil {
			return err
		}
		if err := rows.w.Flush(); err != nil {
			return err
		}
		if n := chosen.Len() - previewRows; n > 0 {
			fmt.Fprintf(out, "… and %d more\n", n)
		}
		fmt.Fprintln(out)
	}
	would := "to " + s.action.String()
	_, err := fmt.Fprintf(out, "%s of %s %s, of %s: %s\n", many(chosen.Open(), "open dead letter", "open dead letters"), b.Group(), would,
		many(chosen.Entities(), "entity", "entities"), counts(chosen.OpenClasses()))
	if err == nil && s.dry {
		_, err = fmt.Fprintln(out, "dry run: nothing was done")
	}
	return err
}

// confirm asks, where somebody can answer.
func (a *app) confirm(question string) error {
	p := a.p
	terminal, ok := p.Stdin.(io.Writer) // a file: what isTerminal can tell about
	if !ok || !isTerminal(terminal) || !isTerminal(p.Stderr) {
		return fmt.Errorf("%w: nothing was done; add --yes to do it", errUsage)
	}
	fmt.Fprintf(p.Stderr, "%s [y/N] ", question)
	answer, err := bufio.NewReader(p.Stdin).ReadString('\n')
	if err != nil && answer == "" {
		return fmt.Errorf("%w: no answer, nothing was done", errUsage)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return fmt.Errorf("%w: not confirmed, nothing was changed", errUsage)
}

// report is the audit: one line for each letter.
func (d *desk) report(ctx context.Context, o deadletter.Outcome, s settling) {
	if s.asJSON {
		result := s.past
		switch {
		case o.Skipped:
			result = "skipped"
		case o.Err != nil:
			result = "failed"
		}
		_ = jsonLine(d.app.p.Stdout, outcomeToJSON(o, result)) // like any print
		return
	}
	l := o.Letter
	about := []any{"group", l.Group, "id", l.ID.String(), "key", string(l.Key), "class", l.Class, "shopify_topic", l.ShopifyTopic, "webhook_id", l.WebhookID, "by", whoami()}
	// The run may be interrupted; what is done is told all the same.
	ctx = context.WithoutCancel(ctx)
	switch {
	case o.Skipped:
		d.log.InfoContext(ctx, "dead letter skipped, it is settled", about...)
	case o.Err != nil:
		d.log.ErrorContext(ctx, "dead letter left as it was", append(about, "err", o.Err)...)
	case o.Action == deadletter.ActionDrop:
		d.log.InfoContext(ctx, "dead letter dropped", about...)
	default:
		d.log.InfoContext(ctx, "dead letter redriven", about...)
	}
}

// outcomeJSON is what became of a letter, for scripts.
type outcomeJSON struct {
	ID     deadletter.ID `json:"id"`
	Group  string        `json:"group"`
	Result string        `json:"result"` // redriven, dropped, skipped, failed; with --dry-run would_redrive, would_drop
	Error  string        `json:"error,omitempty"`
	Class  string        `json:"class"`
	Key    string        `json:"key,omitempty"`
	By     string        `json:"by"`
}

func outcomeToJSON(o deadletter.Outcome, result string) outcomeJSON {
	j := outcomeJSON{ID: o.Letter.ID, Group: o.Letter.Group, Result: result, Class: o.Letter.Class, Key: string(o.Letter.Key), By: whoami()}
	if o.Skipped {
		j.Result = "skipped"
	}
	if o.Err != nil {
		j.Error = o.Err.Error()
	}
	return j
}
