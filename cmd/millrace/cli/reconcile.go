package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
	"millrace/cmd/millrace/supervise"
	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/reports"
	"millrace/consumers/reconcile"
	"millrace/schemas"
)

// reconcileFlags are the command's own.
type reconcileFlags struct {
	shops                   []string
	all, watch, dry, asJSON bool
	sinceText, untilText    string
	since, until            time.Time
}

func (a *app) reconcileCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Find what the webhooks did not bring, and make it good",
		Long: "List what changed in a store over Shopify's Admin API (orders, fulfilments, refunds, inventory levels), compare it with the\n" +
			"events in ClickHouse, and write what is missing or stale to Kafka, as an event that says so (ce_origin: reconcile). A\n" +
			"webhook that comes later does no harm, and a finding that was made good is not sent twice. It can be ended and repeated\n" +
			"at any time; the summary says from where to go on.\n\n" +
			"With --watch it runs until it is stopped, and looks at all stores every reconcile.every.\n\n" +
			"With --dry-run it exits with 3 when something is missing.",
		Example: "  millrace reconcile --shop acme.myshopify.com --since 2d --dry-run --reconcile-token-file /run/secrets/admin\n" +
			"  millrace reconcile --all-shops --since 2026-11-23T10:00:00Z --reconcile-tokens-file tokens.yaml\n" +
			"  millrace reconcile --watch --config millrace.yaml",
		Args: cobra.NoArgs,
	}
	f := &reconcileFlags{}
	cmd.Flags().StringSliceVar(&f.shops, "shop", nil, "`domain` of a store, e.g. acme.myshopify.com; may be repeated")
	cmd.Flags().BoolVar(&f.all, "all-shops", false, "all stores of reconcile.tokens_file and reconcile.shops")
	cmd.Flags().StringVar(&f.sinceText, "since", "", "what changed at this `time` or later: 2h, 3d, 2026-11-23 or 2026-11-23T10:00:00Z")
	cmd.Flags().StringVar(&f.untilText, "until", "", "what changed before this `time`; what changed within reconcile.grace is left alone in any case")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "only say what is missing")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "one JSON object per finding and line, and one with the summary of each store")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "look at all stores every reconcile.every, until stopped; --since is how far the first look goes back")
	s := a.use(cmd, []string{"reconcile", "kafka", "topics", "clickhouse", "admin", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		l, err := s.checked()
		if err != nil {
			return err
		}
		if err := f.check(time.Now()); err != nil {
			return err
		}
		svc := a.newService("reconcile", l)
		db, err := svc.cfg.ClickHouse.Open()
		if err != nil {
			return fmt.Errorf("open clickhouse %s: %w", svc.cfg.ClickHouse.URL, err)
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		if f.watch {
			return svc.watchStores(cmd.Context(), db, f)
		}
		return a.reconcileOnce(cmd.Context(), svc, db, f)
	}
	return cmd
}

// check reads the times and finds what does not go together.
func (f *reconcileFlags) check(now time.Time) error {
	var err error
	if f.since, err = parseWhen(f.sinceText, now); err != nil {
		return fmt.Errorf("%w: --since %w", errUsage, err)
	}
	if f.until, err = parseWhen(f.untilText, now); err != nil {
		return fmt.Errorf("%w: --until %w", errUsage, err)
	}
	switch {
	case f.watch && (len(f.shops) > 0 || f.all || f.dry || f.asJSON || f.untilText != ""):
		return fmt.Errorf("%w: --watch looks at all stores and goes with none of --shop, --all-shops, --until, --dry-run and --json", errUsage)
	case f.watch:
		return nil
	case f.all == (len(f.shops) > 0):
		return fmt.Errorf("%w: say which stores: --shop or --all-shops", errUsage)
	case f.since.IsZero():
		return fmt.Errorf("%w: say from when on: --since", errUsage)
	}
	for i, shop := range f.shops {
		f.shops[i] = strings.ToLower(shop)
	}
	return nil
}

// reconciler builds the reconciler.
func (s *service) reconciler(db *database.DB) (*reconcile.Reconciler, error) {
	options, err := kafkaOptions(s.cfg.Kafka, s.log, s.registry, "reconcile")
	if err != nil {
		return nil, err
	}
	questions, err := reports.New(db, reports.DefaultConfig())
	if err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	return reconcile.New(s.cfg.Reconcile, reconcile.Deps{Kafka: options, State: known{questions}, Logger: s.log, Registerer: s.registry})
}

// awaitDomains waits for Kafka and the topics that events are written to.
func (s *service) awaitDomains(ctx context.Context) error {
	wanted, err := schemas.TopicPlan(s.cfg.Topics)
	if err != nil {
		return err
	}
	return awaitTopics(ctx, s.cfg, s.log, s.ready.waiting, wanted)
}

// watchStores runs the periodic job.
func (s *service) watchStores(ctx context.Context, db *database.DB, f *reconcileFlags) error {
	r, err := s.reconciler(db)
	if err != nil {
		return err
	}
	defer r.Close()
	return s.run(ctx, db.Ping, nil,
		supervise.Component{Name: "topics", Prepare: s.awaitDomains},
		supervise.Component{Name: "reconcile", Run: func(ctx context.Context) error {
			return r.Watch(ctx, f.since, reconcile.Options{By: whoami()})
		}},
	)
}

// reconcileOnce looks once at the stores that were asked for.
func (a *app) reconcileOnce(ctx context.Context, s *service, db *database.DB, f *reconcileFlags) error {
	bar := &progress{out: a.p.Stderr}
	s.log = newLogger(textFor(s.cfg.Log, a.p.Stderr), bar)
	r, err := s.reconciler(db)
	if err != nil {
		return err
	}
	defer r.Close()
	shops := f.shops
	if f.all {
		if shops, err = r.Shops(); err != nil {
			return err
		}
		if len(shops) == 0 {
			return fmt.Errorf("%w: no store is configured, see reconcile.tokens_file", errUsage)
		}
	}
	if err := s.awaitDomains(ctx); err != nil {
		return err
	}
	span := r.Span(f.since, f.until, time.Now())
	out := a.p.Stdout
	var told error
	o := reconcile.Options{DryRun: f.dry, By: whoami(), Progress: func(done, total time.Duration) {
		bar.show("looking", int64(done/time.Second), int64(total/time.Second))
	}}
	if f.asJSON || f.dry {
		o.Found = func(found reconcile.Finding) { told = errors.Join(told, writeFinding(out, found, f)) }
	}
	all, err := r.Run(ctx, shops, func(string) reconcile.Span { return span }, o)
	bar.clear()
	err = errors.Join(err, told, writeSummaries(out, all, f))
	if err != nil {
		return err
	}
	for _, sum := range all {
		if f.dry && sum.Found() > 0 {
			return errDifferences
		}
	}
	return nil
}

// textFor is the configuration of a log that people read beside a bar.
func textFor(cfg config.Log, out io.Writer) config.Log {
	if cfg.Format == "auto" && isTerminal(out) {
		cfg.Format = "text"
	}
	return cfg
}

func writeFinding(out io.Writer, f reconcile.Finding, flags *reconcileFlags) error {
	result := "sent"
	if flags.dry {
		result = "would_send"
	}
	if flags.asJSON {
		return jsonLine(out, struct {
			reconcile.Finding
			Result string `json:"result"`
		}{f, result})
	}
	_, err := fmt.Fprintf(out, "%-7s  %s  %s  %s\n", f.Problem, f.Shop, f.Topic, f.GID)
	return err
}

// writeSummaries prints a table of what came of all stores, and what is to be known of single ones.
func writeSummaries(out io.Writer, all []*reconcile.Summary, f *reconcileFlags) error {
	if f.asJSON {
		for _, s := range all {
			if err := jsonLine(out, map[string]any{"summary": s}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		return nil
	}
	total := reconcile.Total(all)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\tCHECKED\tMISSING\tSTALE\tSENT\n")
	for _, k := range reconcile.Kinds() {
		c := total[k]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", k, c.Checked, c.Missing, c.Stale, c.Sent)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range all {
		var err error
		switch {
		case s.Error != "":
			_, err = fmt.Fprintf(out, "%s is not done; go on with --shop %s --since %s\n", s.Shop, s.Shop, s.Through.UTC().Format(time.RFC3339))
		case s.Gone > 0:
			_, err = fmt.Fprintf(out, "%s: %s deleted meanwhile\n", s.Shop, many(s.Gone, "order was", "orders were"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// known lets the reconciler ask ClickHouse.
type known struct{ reports *reports.Reports }

// Orders implements reconcile.State.
func (k known) Orders(ctx context.Context, shop string, ids []schemas.ID) (map[schemas.ID]reconcile.Known, error) {
	have, err := k.reports.KnownOrders(ctx, shop, numbers(ids), schemas.OriginReconcile+":")
	if err != nil {
		return nil, fmt.Errorf("ask clickhouse what is known of orders of %s: %w", shop, err)
	}
	out := make(map[schemas.ID]reconcile.Known, len(have))
	for id, o := range have {
		one := reconcile.Known{
			Topics: o.Topics, Updated: o.Updated, FinancialStatus: o.FinancialStatus, FulfillmentStatus: o.FulfillmentStatus, Cancelled: o.Cancelled,
			Fulfillments: make(map[schemas.ID]reconcile.KnownPart, len(o.Fulfillments)), Refunds: make(map[schemas.ID]bool, len(o.Refunds)), Made: o.Made,
		}
		for part, f := range o.Fulfillments {
			one.Fulfillments[schemas.ID(part)] = reconcile.KnownPart(f) //nolint:gosec // it was an ID
		}
		for part := range o.Refunds {
			one.Refunds[schemas.ID(part)] = true //nolint:gosec // it was an ID
		}
		out[schemas.ID(id)] = one //nolint:gosec // it was an ID
	}
	return out, nil
}

// Levels implements reconcile.State.
func (k known) Levels(ctx context.Context, shop string, items []schemas.ID) (map[reconcile.LevelKey]reconcile.KnownLevel, error) {
	have, err := k.reports.KnownLevels(ctx, shop, numbers(items))
	if err != nil {
		return nil, fmt.Errorf("ask clickhouse for inventory levels of %s: %w", shop, err)
	}
	out := make(map[reconcile.LevelKey]reconcile.KnownLevel, len(have))
	for key, l := range have {
		out[reconcile.LevelKey{Item: schemas.ID(key.Item), Location: schemas.ID(key.Location)}] = reconcile.KnownLevel(l) //nolint:gosec // they were IDs
	}
	return out, nil
}

func numbers(ids []schemas.ID) []uint64 {
	out := make([]uint64, len(ids))
	for i, id := range ids {
		out[i] = uint64(id) //nolint:gosec // an ID is not negative
	}
	return out
}
