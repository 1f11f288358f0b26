package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
	"millrace/consumers/group/replay"
)

// defaultReplayRate leaves a service most of its time for what comes anew.
const defaultReplayRate = 500

// replayFlags are the command's own.
type replayFlags struct {
	service, resume           string
	chosen                    replay.Selection
	from, to                  string
	rate                      float64
	list, dry, yes, asJSON    bool
	givenTopics, givenFilters bool
}

func (a *app) replayCommand() *cobra.Command {
	f := &replayFlags{}
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Have past events handled once more by one service",
		Long: "Give past events to one service once more, in the order of each entity, through its own retry topic: no other service sees\n" +
			"anything. The service handles them between those that come anew, with its retries, limits and dead letters, and knows them\n" +
			"for a replay; its effects outside stay single by their idempotency keys. What waits to be handled anyway, is parked, or is\n" +
			"an open dead letter (see `dlq redrive`) is left alone and counted. Events that the service keeps for itself, as the tasks\n" +
			"of fulfillment, are only replayed where --topic names them.\n\n" +
			"The service has to run: no more than " + strconv.Itoa(replay.DefaultBacklog) + " events of a replay wait for it. What was interrupted or killed goes on\n" +
			"with --resume, exactly where it was; how far it is, is kept in the consumer group " + replay.GroupPrefix + "SERVICE.ID for as\n" +
			"long as Kafka keeps offsets (a week, unless set otherwise). For ClickHouse there is `clickhouse rebuild`.\n\n" +
			"First it counts what it would do; then it asks, or, where nobody can answer, exits with 2 unless --yes was given.",
		Example: "  millrace replay --service inventory --from 2026-11-23 --to 2026-11-24 --dry-run\n" +
			"  millrace replay --service erp --shop acme --from 3d --rate 20 --yes\n" +
			"  millrace replay --service notifications --shopify-topic orders/create --entity order/820982911946154508\n" +
			"  millrace replay --list\n" +
			"  millrace replay --resume 20261123-100000-3fa2",
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.service, "service", "", "the `service` of millrace that handles them: "+strings.Join(serviceNames(), ", "))
	flags.StringSliceVar(&f.chosen.Shops, "shop", nil, "only of this `shop`: acme or acme.myshopify.com; this and the following may have several words, with commas or repeated")
	flags.StringSliceVar(&f.chosen.ShopifyTopics, "shopify-topic", nil, "only of this Shopify `topic`, e.g. orders/create")
	flags.StringSliceVar(&f.chosen.Entities, "entity", nil, "only of this `entity`: order/820982911946154508, or the number alone")
	flags.StringSliceVar(&f.chosen.Topics, "topic", nil, "only of this Kafka `topic`")
	flags.StringVar(&f.from, "from", "", "only if it came at this `time` or later: 2h or 3d ago, 2026-11-23, 2026-11-23T10:00:00Z; without it, all there is")
	flags.StringVar(&f.to, "to", "", "only if it came before this `time`; without it, up to what the service has handled when the replay begins")
	flags.Float64Var(&f.rate, "rate", defaultReplayRate, "at most so many events per second; 0 for as fast as the service takes them")
	flags.BoolVar(&f.dry, "dry-run", false, "only count, by Shopify topic and partition")
	flags.BoolVar(&f.yes, "yes", false, "do it without asking")
	flags.StringVar(&f.resume, "resume", "", "go on with the replay of this `id`")
	flags.BoolVar(&f.list, "list", false, "list the replays that Kafka remembers, with who began them and how far they are")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object per replay and line")
	cmd.MarkFlagsMutuallyExclusive("list", "resume")
	s := a.use(cmd, []string{"kafka", "log"}, nil, nil)
	complete(cmd, "service", serviceNames()...)
	complete(cmd, "topic", kafkaTopics()...)
	complete(cmd, "shopify-topic", shopifyTopics()...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := s.checked()
		if err != nil {
			return err
		}
		f.givenTopics = flags.Changed("topic")
		f.givenFilters = slices.ContainsFunc([]string{"service", "shop", "shopify-topic", "entity", "topic", "from", "to"}, flags.Changed)
		if err := f.check(&l.Config, time.Now()); err != nil {
			return err
		}
		return a.replay(cmd.Context(), l.Config, f)
	}
	return cmd
}

// check completes the selection, and finds what does not go together.
func (f *replayFlags) check(cfg *config.Config, now time.Time) error {
	switch {
	case f.rate < 0:
		return fmt.Errorf("%w: --rate must not be negative", errUsage)
	case f.list || f.resume != "":
		if f.givenFilters {
			return fmt.Errorf("%w: --list and --resume go with no selection: a replay is resumed with the one that it began with", errUsage)
		}
		return nil
	case f.service == analyticsService:
		return fmt.Errorf("%w: analytics takes no event twice: ClickHouse has each of them; `millrace clickhouse rebuild` makes a read model anew from them", errUsage)
	}
	var err error
	if f.chosen.From, err = parseWhen(f.from, now); err != nil {
		return fmt.Errorf("%w: --from %w", errUsage, err)
	}
	if f.chosen.To, err = parseWhen(f.to, now); err != nil {
		return fmt.Errorf("%w: --to %w", errUsage, err)
	}
	if !f.chosen.To.IsZero() && !f.chosen.From.Before(f.chosen.To) {
		return fmt.Errorf("%w: --from must be before --to", errUsage)
	}
	i := slices.IndexFunc(keyedServices(), func(k keyedService) bool { return k.name == f.service })
	if i < 0 {
		return fmt.Errorf("%w: say which service with --service: %s", errUsage, strings.Join(serviceNames(), ", "))
	}
	return f.of(cfg, &keyedServices()[i])
}

// of completes the selection with what is known of the service.
func (f *replayFlags) of(cfg *config.Config, k *keyedService) error {
	topics, err := k.topics(cfg)
	if err != nil {
		return fmt.Errorf("%w: %s.%w", errUsage, k.sectionName(), err)
	}
	for _, t := range f.chosen.Topics {
		if !slices.Contains(topics, t) {
			return fmt.Errorf("%w: --topic: %s does not read %s, but %s (for Shopify's topics there is --shopify-topic)", errUsage, k.name, t, strings.Join(topics, ", "))
		}
	}
	if !f.givenTopics { // what it has put off itself is no past of others'
		f.chosen.Topics = slices.DeleteFunc(slices.Clone(topics), func(t string) bool { return slices.Contains(k.own, t) })
	}
	f.chosen.Service, f.chosen.Group, f.chosen.By = k.name, k.groupID(cfg), whoami()
	return nil
}

// replayDesk is what the command works with.
type replayDesk struct {
	*replay.Desk
	app *app
	log *slog.Logger
	bar *progress
	f   *replayFlags
}

func (a *app) replay(ctx context.Context, cfg config.Config, f *replayFlags) error {
	d := &replayDesk{app: a, bar: &progress{out: a.p.Stderr}, f: f}
	d.log = newLogger(textFor(cfg.Log, a.p.Stderr), d.bar)
	options, err := cfg.Kafka.Options(d.log)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	if d.Desk, err = replay.Open(replay.Deps{Kafka: options, Logger: d.log, Progress: d.bar.show}); err != nil {
		return err
	}
	defer d.Close()
	defer d.bar.clear()
	if f.list {
		return d.list(ctx)
	}
	var run *replay.Run
	if f.resume != "" {
		run, err = d.Resume(ctx, f.resume)
	} else {
		run, err = d.New(ctx, f.chosen)
	}
	if err != nil {
		return err
	}
	if f.dry || !f.yes {
		count, err := run.Count(ctx)
		d.bar.clear()
		if err != nil {
			return fmt.Errorf("count the events to replay: %w", err)
		}
		if err := d.preview(run, &count); err != nil || f.dry || count.Open() == 0 {
			return err
		}
		s := run.Selection()
		if err := a.confirm(fmt.Sprintf("replay %s to %s?", many(int(count.Open()), "event", "events"), s.Service)); err != nil {
			return err
		}
	}
	return d.do(ctx, run)
}

// do replays, and tells what came of it. What is logged is the audit.
func (d *replayDesk) do(ctx context.Context, run *replay.Run) error {
	told := context.WithoutCancel(ctx) // the run may be interrupted; what is done is told all the same
	before := run.Result()
	d.log.InfoContext(told, "replay begins", append(aboutReplay(run), "rate", d.f.rate)...)
	err := run.Do(ctx, replay.Work{Rate: d.f.rate})
	d.bar.clear()
	r := run.Result()
	about := append(aboutReplay(run), "chosen", r.Chosen, "written", r.Written, "skipped", r.Skipped, "written_now", r.Written-before.Written)
	word := "done"
	switch {
	case err == nil:
		d.log.InfoContext(told, "replay done", about...)
	case errors.Is(err, context.Canceled):
		word = "interrupted"
		d.log.InfoContext(told, "replay interrupted", about...)
	default:
		word = "failed"
		d.log.ErrorContext(told, "replay failed", append(about, "err", err)...)
	}
	return errors.Join(err, d.summary(run, word))
}

// aboutReplay is who does what, for the audit.
func aboutReplay(run *replay.Run) []any {
	s := run.Selection()
	about := []any{"replay", run.ID(), "service", s.Service, "group", s.Group, "by", whoami(), "topics", s.Topics}
	for _, words := range []struct {
		name string
		list []string
	}{{"shops", s.Shops}, {"shopify_topics", s.ShopifyTopics}, {"entities", s.Entities}} {
		if len(words.list) > 0 {
			about = append(about, words.name, words.list)
		}
	}
	if !s.From.IsZero() {
		about = append(about, "from", s.From)
	}
	if !s.To.IsZero() {
		about = append(about, "to", s.To)
	}
	if s.By != whoami() {
		about = append(about, "begun_by", s.By)
	}
	return about
}
