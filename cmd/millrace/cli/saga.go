package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/consumers/saga"
	"millrace/schemas"
)

func (a *app) sagaCommand() *cobra.Command {
	return group("saga", "See the sagas of orders, and step in", a.sagaList(), a.sagaShow(), a.sagaRetry(), a.sagaAbort())
}

// sagaDesk is what a command about sagas works with.
type sagaDesk struct {
	*saga.Desk
	app *app
}

// sagaVerb completes a command about sagas.
func (a *app) sagaVerb(cmd *cobra.Command, do func(context.Context, *sagaDesk, []string) error) *cobra.Command {
	var groupID string
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&groupID, "group", "", "consumer `group` of the saga; without it that of saga.consumer.group")
	s := a.use(cmd, []string{"kafka", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		l, err := s.checked()
		if err != nil {
			return err
		}
		options, err := l.Config.Kafka.Options(newLogger(l.Config.Log, a.p.Stderr))
		if err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
		d, err := saga.OpenDesk(cmd.Context(), options, cmp.Or(groupID, l.Config.Saga.Consumer.Member.Group))
		if err != nil {
			return err
		}
		defer d.Close()
		return do(cmd.Context(), &sagaDesk{d, a}, args)
	}
	return cmd
}

// sagaPhases are those there are, in the order of a life.
func sagaPhases() []string {
	return []string{string(saga.Running), string(saga.Compensating), string(saga.Parked), string(saga.Completed), string(saga.Compensated), string(saga.Aborted)}
}

func (a *app) sagaList() *cobra.Command {
	var phases, shops []string
	var parked, all, asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the orders whose saga goes on, or waits for a person",
		Long: "List the orders whose saga is running, being undone, or parked because something could not be undone; the parked ones\n" +
			"first, then what has been where it is for longest. Read from Kafka as of now, beside the service.",
		Example: "  millrace saga list\n" +
			"  millrace saga list --parked\n" +
			"  millrace saga list --phase compensated --shop acme --json",
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.BoolVar(&parked, "parked", false, "only those that wait for a person")
	flags.StringSliceVar(&phases, "phase", nil, "only in this `phase`: "+strings.Join(sagaPhases(), ", "))
	flags.BoolVar(&all, "all", false, "in any phase")
	flags.StringSliceVar(&shops, "shop", nil, "only of this `shop`: acme or acme.myshopify.com")
	flags.IntVar(&limit, "limit", 0, "show at most so many; 0 for all (default 100, with --json 0)")
	flags.BoolVar(&asJSON, "json", false, "one JSON object per order and line")
	complete(cmd, "phase", sagaPhases()...)
	return a.sagaVerb(cmd, func(ctx context.Context, d *sagaDesk, _ []string) error {
		switch {
		case parked && (all || len(phases) > 0), all && len(phases) > 0:
			return fmt.Errorf("%w: --parked, --phase and --all exclude each other", errUsage)
		case parked:
			phases = []string{string(saga.Parked)}
		case all:
			phases = sagaPhases()
		case len(phases) == 0:
			phases = sagaPhases()[:3]
		}
		for _, p := range phases {
			if !slices.Contains(sagaPhases(), p) {
				return fmt.Errorf("%w: %q is no phase, there are %s", errUsage, p, strings.Join(sagaPhases(), ", "))
			}
		}
		for i := range shops {
			shops[i] = shopDomain(shops[i])
		}
		if !cmd.Flags().Changed("limit") && !asJSON {
			limit = listLimit
		}
		runs, err := d.runs(ctx, func(r *saga.OrderRun) bool {
			return slices.Contains(phases, string(r.Phase)) && (len(shops) == 0 || slices.Contains(shops, r.Shop))
		})
		if err != nil {
			return err
		}
		return d.list(runs, limit, asJSON)
	})
}

// shopDomain completes the name of a shop.
func shopDomain(name string) string {
	const suffix = ".myshopify.com"
	if strings.Contains(name, ".") {
		return name
	}
	return name + suffix
}

// runs reads and sorts.
func (d *sagaDesk) runs(ctx context.Context, want func(*saga.OrderRun) bool) ([]saga.OrderRun, error) {
	runs, err := d.Runs(ctx, want)
	slices.SortFunc(runs, func(x, y saga.OrderRun) int {
		parked := func(r *saga.OrderRun) int {
			if r.Phase == saga.Parked {
				return 0
			}
			return 1
		}
		return cmp.Or(parked(&x)-parked(&y), x.Since.Compare(y.Since), cmp.Compare(x.Shop, y.Shop), cmp.Compare(x.ID, y.ID))
	})
	return runs, err
}

func (d *sagaDesk) list(runs []saga.OrderRun, limit int, asJSON bool) error {
	out := d.app.p.Stdout
	found := len(runs)
	phases := map[string]int{}
	for i := range runs {
		phases[string(runs[i].Phase)]++
	}
	if limit > 0 && found > limit {
		runs = runs[:limit]
	}
	if asJSON {
		for i := range runs {
			if err := jsonLine(out, sagaToJSON(&runs[i])); err != nil {
				return err
			}
		}
		return nil
	}
	if found > 0 {
		t := newTable(out, "SHOP", "ORDER", "PHASE", "SINCE", "STEP", "TRY", "SAGA", "WHY")
		for i := range runs {
			r := &runs[i]
			step, try := sagaPlace(r)
			if err := t.row(r.Shop, r.ID, string(r.Phase), stamp(r.Since), step, try, sagaVersion(r), short(cmp.Or(r.Problem, r.Reason))); err != nil {
				return err
			}
		}
		if err := t.w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	line := many(found, "saga", "sagas")
	if found > 0 {
		line += ": " + counts(phases)
	}
	if len(runs) < found {
		line += fmt.Sprintf("; shown are the first %d, --limit 0 shows all", len(runs))
	}
	_, err := fmt.Fprintln(out, line)
	return err
}

func sagaVersion(r *saga.OrderRun) string { return r.Saga + " " + strconv.FormatInt(r.Version, 10) }

// sagaPlace is what a run is at.
func sagaPlace(r *saga.OrderRun) (step, try string) {
	if a := r.Asked; a != nil {
		step = r.Steps[a.Step].Name
		if a.Undo {
			step += " undo"
		}
		return step, strconv.Itoa(a.Attempt)
	}
	if r.Phase == saga.Parked || r.Phase == saga.Aborted {
		for i := len(r.Steps) - 1; i >= 0; i-- { // the one that could not be undone
			if s := r.Steps[i]; s.Error != "" && s.Outcome != saga.Undone {
				return s.Name + " undo", strconv.Itoa(s.Attempts)
			}
		}
	}
	return "", ""
}

func (a *app) sagaShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show SHOP ORDER",
		Short: "Show the saga of an order, step by step",
		Long: "Show where the saga of an order is, what became of each step, and what comes next. What happened when is in the order's\n" +
			"story: the console, or the events of the topic " + schemas.OrderEventsTopic + ".",
		Example: "  millrace saga show acme 820982911946154508\n" +
			"  millrace saga show acme.myshopify.com 820982911946154508 --json",
		Args: cobra.ExactArgs(2),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON object")
	return a.sagaVerb(cmd, func(ctx context.Context, d *sagaDesk, args []string) error {
		r, err := d.Run(ctx, saga.Order{Shop: shopDomain(args[0]), ID: args[1]})
		switch {
		case err != nil:
			return err
		case asJSON:
			return jsonLine(a.p.Stdout, sagaToJSON(&r))
		default:
			return a.printSaga(&r)
		}
	})
}

func (a *app) printSaga(r *saga.OrderRun) error {
	t := newTable(a.p.Stdout, fmt.Sprintf("order %s of %s", r.ID, r.Shop))
	for _, row := range [][2]string{
		{"saga", sagaVersion(r)}, {"phase", string(r.Phase) + " since " + stamp(r.Since)}, {"undone because", r.Reason}, {"cannot be undone", r.Problem}, {"next", sagaNext(r)},
	} {
		if row[1] != "" {
			if err := t.row("  "+row[0], row[1]); err != nil {
				return err
			}
		}
	}
	if err := t.w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.p.Stdout)
	t = newTable(a.p.Stdout, "STEP", "OUTCOME", "TRIES", "REFERENCE", "LAST ERROR")
	for _, s := range r.Steps {
		tries := ""
		if s.Attempts > 0 {
			tries = strconv.Itoa(s.Attempts)
		}
		if err := t.row(s.Name, string(s.Outcome), tries, s.Ref, s.Error); err != nil {
			return err
		}
	}
	return t.w.Flush()
}

func sagaNext(r *saga.OrderRun) string {
	a := r.Asked
	if a == nil {
		return ""
	}
	step, try := sagaPlace(r)
	text := step + ", try " + try
	if !a.NotBefore.IsZero() {
		text += ", not before " + stamp(a.NotBefore)
	}
	return text + ", until " + stamp(a.Deadline)
}

func (a *app) sagaRetry() *cobra.Command {
	return a.sagaAsk(&cobra.Command{
		Use:   "retry [SHOP ORDER]",
		Short: "Try at once what waits, or could not be undone",
		Long: "Ask the service to try at once what the saga of an order is at: a step that waits for its next attempt, or the undoing\n" +
			"of one that had failed for good, when the cause has been removed. With --parked, of all orders that wait for a person.",
		Example: "  millrace saga retry acme 820982911946154508\n" +
			"  millrace saga retry --parked --yes",
	}, saga.Retry)
}

func (a *app) sagaAbort() *cobra.Command {
	return a.sagaAsk(&cobra.Command{
		Use:   "abort SHOP ORDER",
		Short: "End the saga of an order",
		Long: "Ask the service to end the saga of an order. One that is running is undone. One that is parked is left as it is, for\n" +
			"whoever has put things right by hand; its dead letter can be dropped then (`millrace dlq drop`).",
		Example: "  millrace saga abort acme 820982911946154508",
	}, saga.Abort)
}

// sagaAsk completes a command that wants something of runs.
func (a *app) sagaAsk(cmd *cobra.Command, want saga.Want) *cobra.Command {
	var parked, yes bool
	cmd.Long += "\n\nFirst it says what it would do; then it asks, or, where nobody can answer, exits with 2 unless --yes was given. The\n" +
		"request is an event in " + schemas.OrderEventsTopic + " with your name; the service acts on it when it runs."
	cmd.Args = cobra.ExactArgs(2)
	if want == saga.Retry {
		cmd.Args = cobra.MatchAll(cobra.MaximumNArgs(2), func(_ *cobra.Command, args []string) error {
			if parked == (len(args) > 0) || len(args) == 1 {
				return errors.New("it takes SHOP and ORDER, or --parked")
			}
			return nil
		})
		cmd.Flags().BoolVar(&parked, "parked", false, "all that wait for a person")
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	return a.sagaVerb(cmd, func(ctx context.Context, d *sagaDesk, args []string) error {
		runs, err := d.asked(ctx, want, parked, args)
		if err != nil {
			return err
		}
		if len(runs) == 0 {
			_, err := fmt.Fprintln(a.p.Stdout, "nothing to do: no saga is parked")
			return err
		}
		if !yes {
			if err := d.list(runs, previewRows, false); err != nil {
				return err
			}
			if err := a.confirm(fmt.Sprintf("%s %s?", want, many(len(runs), "saga", "sagas"))); err != nil {
				return err
			}
		}
		if err := d.Ask(ctx, want, whoami(), runs...); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.p.Stdout, "asked to %s %s\n", want, many(len(runs), "saga", "sagas"))
		return err
	})
}

func (d *sagaDesk) asked(ctx context.Context, want saga.Want, parked bool, args []string) ([]saga.OrderRun, error) {
	if parked {
		return d.runs(ctx, func(r *saga.OrderRun) bool { return r.Phase == saga.Parked })
	}
	r, err := d.Run(ctx, saga.Order{Shop: shopDomain(args[0]), ID: args[1]})
	if err != nil {
		return nil, err
	}
	if err := r.Refuses(want); err != nil {
		return nil, fmt.Errorf("%s the saga of order %s: %w", want, r.ID, err)
	}
	return []saga.OrderRun{r}, nil
}

// sagaJSON is a run for scripts. Fields are only ever added.
type sagaJSON struct {
	Shop    string         `json:"shop"`
	OrderID string         `json:"order_id"`
	Saga    string         `json:"saga"`
	Version int64          `json:"version"`
	Phase   saga.Phase     `json:"phase"`
	Since   time.Time      `json:"since"`
	Reason  string         `json:"reason,omitempty"`  // why it is undone
	Problem string         `json:"problem,omitempty"` // why it is parked
	Steps   []saga.StepRun `json:"steps"`
	Next    *sagaNextJSON  `json:"next,omitempty"`
}

// sagaNextJSON is what a run is at.
type sagaNextJSON struct {
	Step      string     `json:"step"`
	Undo      bool       `json:"undo,omitempty"`
	Attempt   int        `json:"attempt"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	Deadline  time.Time  `json:"deadline"`
}

func sagaToJSON(r *saga.OrderRun) sagaJSON {
	j := sagaJSON{
		Shop: r.Shop, OrderID: r.ID, Saga: r.Saga, Version: r.Version, Phase: r.Phase, Since: r.Since.UTC(), Reason: r.Reason, Problem: r.Problem, Steps: r.Steps,
	}
	if a := r.Asked; a != nil {
		j.Next = &sagaNextJSON{Step: r.Steps[a.Step].Name, Undo: a.Undo, Attempt: a.Attempt, NotBefore: given(a.NotBefore), Deadline: a.Deadline.UTC()}
	}
	return j
}
