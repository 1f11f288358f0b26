package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
	"millrace/consumers/group/deadletter"
	"millrace/schemas"
)

// filterFlags are the flags by which letters and waiting events are chosen.
type filterFlags struct {
	settings     *settings
	service      string
	group        string
	chosen       deadletter.Filter
	ids          []string
	since, until string
}

func (f *filterFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.service, "service", "", "only of this `service` of millrace: "+strings.Join(letterServices(), ", ")+"; not needed where there is only one")
	flags.StringVar(&f.group, "group", "", "only of this consumer `group`, for services of your own; --service has that of its settings")
	flags.StringSliceVar(&f.chosen.Topics, "topic", nil, "only of this Kafka `topic`; this and the following may have several words, with commas or repeated")
	flags.StringSliceVar(&f.chosen.ShopifyTopics, "shopify-topic", nil, "only of this Shopify `topic`, e.g. orders/create")
	flags.StringSliceVar(&f.chosen.Shops, "shop", nil, "only of this `shop`: acme or acme.myshopify.com")
	flags.StringSliceVar(&f.chosen.Entities, "entity", nil, "only of this `entity`: order/820982911946154508, or the number alone")
	flags.StringSliceVar(&f.chosen.Classes, "class", nil, "only with this error `class`: "+strings.Join(schemas.ErrorClasses(), ", "))
	flags.StringVar(&f.since, "since", "", "only if the last failure was at this `time` or later: 2h or 3d ago, 2026-11-23, 2026-11-23T10:00:00Z")
	flags.StringVar(&f.until, "until", "", "only if the last failure was before this `time`")
	flags.StringSliceVar(&f.ids, "id", nil, "only this `id`: shopify.orders/5@1234")
	complete(cmd, "service", letterServices()...)
	complete(cmd, "class", schemas.ErrorClasses()...)
	complete(cmd, "topic", kafkaTopics()...)
	complete(cmd, "shopify-topic", shopifyTopics()...)
	// The only error is that the flag does not exist.
	_ = cmd.RegisterFlagCompletionFunc("group", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return groupsFor(cmd.Context(), f.settings), cobra.ShellCompDirectiveNoFileComp
	})
}

// analyticsService is the name of the service that fills ClickHouse, as of its section.
const analyticsService = "analytics"

// letterServices are the services that can have dead letters.
func letterServices() []string { return append([]string{analyticsService}, serviceNames()...) }

func kafkaTopics() []string {
	var topics []string
	for _, d := range schemas.Domains() {
		if d != schemas.DomainQuarantine {
			topics = append(topics, d.KafkaTopic())
		}
	}
	return topics
}

func shopifyTopics() []string {
	var topics []string
	for _, t := range schemas.Topics() {
		topics = append(topics, t.Name)
	}
	return topics
}

// groupID returns the consumer group that is asked for, "" for any.
func (f *filterFlags) groupID(cfg *config.Config) (string, error) {
	if f.service == "" {
		return f.group, nil
	}
	if f.group != "" {
		return "", fmt.Errorf("%w: --service and --group are two ways to say the same, give one", errUsage)
	}
	if f.service == analyticsService {
		return cfg.Analytics.Group, nil
	}
	for _, k := range keyedServices() {
		if k.name == f.service {
			return k.groupID(cfg), nil
		}
	}
	return "", fmt.Errorf("%w: %q is no service of millrace, there are %s; --group takes any consumer group", errUsage, f.service, strings.Join(letterServices(), ", "))
}

// serviceOf returns the name of the service of millrace that has the consumer group, "" for a group of somebody's own.
func serviceOf(cfg *config.Config, groupID string) string {
	for _, k := range keyedServices() {
		if k.groupID(cfg) == groupID {
			return k.name
		}
	}
	return ""
}

// filter returns the filter; ids are those of the arguments and of --id.
func (f *filterFlags) filter(args []string, now time.Time) (deadletter.Filter, error) {
	out := f.chosen
	for _, text := range append(args, f.ids...) {
		id, err := deadletter.ParseID(text)
		if err != nil {
			return out, fmt.Errorf("%w: %w", errUsage, err)
		}
		out.IDs = append(out.IDs, id)
	}
	var err error
	if out.Since, err = parseWhen(f.since, now); err != nil {
		return out, fmt.Errorf("%w: --since %w", errUsage, err)
	}
	if out.Until, err = parseWhen(f.until, now); err != nil {
		return out, fmt.Errorf("%w: --until %w", errUsage, err)
	}
	return out, nil
}

// parseWhen reads a time, or how long ago it was. A time without a zone is local.
func parseWhen(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 {
			return now.Add(-time.Duration(n * float64(24*time.Hour))), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: want 2h, 3d, 2026-11-23 or 2026-11-23T10:00:00Z", text)
}
