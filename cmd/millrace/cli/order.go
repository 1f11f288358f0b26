package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
	"millrace/consumers/analytics/reports"
	consumer "millrace/consumers/group"
	"millrace/consumers/group/reread"
	"millrace/consumers/orderstate"
	"millrace/schemas"
)

func (a *app) orderCommand() *cobra.Command {
	return group("order", "See what is known of an order, why, and since when", a.orderShow(), a.orderHistory(), a.orderCheck())
}

// orderFlags are those of the commands about one order.
type orderFlags struct {
	at, source string
	json       bool
}

// Values of --source.
const (
	sourceAuto       = "auto"
	sourceKafka      = "kafka"
	sourceClickHouse = "clickhouse"
)

func (f *orderFlags) register(cmd *cobra.Command) {
	cmd.Args = cobra.ExactArgs(2)
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.at, "at", "", "as it was known at this `time`: 2026-11-23T10:00:00Z, or 2h for two hours ago")
	cmd.Flags().BoolVar(&f.json, "json", false, "JSON for scripts")
	cmd.Flags().StringVar(&f.source, "source", sourceAuto, "where to read: kafka, the event store itself; clickhouse, its copy, some seconds behind; or auto")
	_ = cmd.RegisterFlagCompletionFunc("source", cobra.FixedCompletions([]string{sourceAuto, sourceKafka, sourceClickHouse}, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that is not there
}

const orderSources = "The events are read from their copy in ClickHouse where clickhouse.url is set, else from Kafka, where the whole\n" +
	"partition that has the order must be read."

func (a *app) orderShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show SHOP ID",
		Short: "Show an order: its state, what is not final, and its timeline",
		Long: "Show what the events of an order say: its state, what is provisional, and who did what when, and why. With --at it is the\n" +
			"fold of the events that were known by then.\n" + orderSources,
		Example: "  millrace order show acme.myshopify.com 820982911946154508\n" +
			"  millrace order show acme.myshopify.com 820982911946154508 --at 2026-11-23T10:00:00Z --json",
	}
	return a.orderVerb(cmd, func(f *orderFlags, h *orderstate.History) error {
		v := h.View()
		if f.json {
			return jsonLine(a.p.Stdout, v)
		}
		return printOrder(a.p.Stdout, &v)
	})
}

func (a *app) orderHistory() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history SHOP ID",
		Short: "Show each event of an order and what it did",
		Long: "Show the events of an order in the order of the event store, each with what it did to the state: applied, older than what\n" +
			"was known, repeated, or waiting for the order. --json has each event as it stands in the store.\n" + orderSources,
		Example: "  millrace order history acme.myshopify.com 820982911946154508\n" +
			"  millrace order history acme.myshopify.com 820982911946154508 --json | jq 'select(.did != \"applied\")'",
	}
	return a.orderVerb(cmd, func(f *orderFlags, h *orderstate.History) error {
		if f.json {
			for i := range h.Events {
				if err := jsonLine(a.p.Stdout, toldJSON(&h.Events[i])); err != nil {
					return err
				}
			}
			return nil
		}
		return printTimeline(a.p.Stdout, h.View().Timeline)
	})
}

// orderVerb completes a command about one order.
func (a *app) orderVerb(cmd *cobra.Command, show func(*orderFlags, *orderstate.History) error) *cobra.Command {
	f := &orderFlags{}
	f.register(cmd)
	s := a.use(cmd, []string{"kafka", "clickhouse", "console", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		l, err := s.load()
		if err != nil {
			return err
		}
		shop, id, err := orderArgs(args)
		if err != nil {
			return err
		}
		at, err := parseWhen(f.at, time.Now())
		if err != nil {
			return fmt.Errorf("%w: --at %w", errUsage, err)
		}
		var h *orderstate.History
		err = a.withOrders(cmd.Context(), l, f.source, func(ctx context.Context, source orderstate.Source) (err error) {
			h, err = orderstate.Tell(ctx, source, shop, id, at)
			return err
		})
		if err != nil {
			return err
		}
		return show(f, h)
	}
	return cmd
}

// orderArgs reads SHOP and ID: the shop may go without its ending, the id may be a gid.
func orderArgs(args []string) (shop, id string, err error) {
	shop = strings.ToLower(args[0])
	if !strings.Contains(shop, ".") {
		shop += ".myshopify.com"
	}
	n, err := schemas.ParseID(args[1])
	if err != nil || n == 0 {
		return "", "", fmt.Errorf("%w: %q is no id of an order: want digits, or gid://shopify/Order/…", errUsage, args[1])
	}
	return shop, n.String(), nil
}

// withOrders gives f the events of orders: the copy in ClickHouse where one is configured, else Kafka.
func (a *app) withOrders(ctx context.Context, l *config.Loaded, source string, f func(context.Context, orderstate.Source) error) error {
	if source == sourceAuto {
		source = sourceKafka
		if l.Given("clickhouse.url") {
			source = sourceClickHouse
		}
	}
	switch source {
	case sourceClickHouse:
		if err := l.Check("clickhouse", "console", "log"); err != nil {
			return err
		}
		return fromClickHouse(ctx, l.Config, f)
	case sourceKafka:
		if err := l.Check("kafka", "log"); err != nil {
			return err
		}
		return a.fromKafka(ctx, l.Config, func(ctx context.Context, r *reread.Reader) error { return f(ctx, orderstate.FromKafka{Reader: r}) })
	default:
		return fmt.Errorf("%w: --source must be %s, %s or %s, is %q", errUsage, sourceAuto, sourceKafka, sourceClickHouse, source)
	}
}

func fromClickHouse(ctx context.Context, cfg config.Config, f func(context.Context, orderstate.Source) error) error {
	db, err := cfg.ClickHouse.Open()
	if err != nil {
		return fmt.Errorf("open clickhouse %s: %w", cfg.ClickHouse.URL, err)
	}
	defer func() { _ = db.Close() }() // nothing is written
	asked, err := reports.New(db, cfg.Console.Query)
	if err != nil {
		return err
	}
	err = f(ctx, copied{asked})
	if errors.Is(err, reports.ErrAway) || errors.Is(err, reports.ErrNotReady) {
		return fmt.Errorf("%w; --source kafka reads the event store itself", err)
	}
	return err
}

// fromKafka opens a reader, with a bar while it reads for long.
func (a *app) fromKafka(ctx context.Context, cfg config.Config, f func(context.Context, *reread.Reader) error) error {
	bar := &progress{out: a.p.Stderr}
	options, err := cfg.Kafka.Options(newLogger(cfg.Log, bar))
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	r, err := reread.Open(options)
	if err != nil {
		return err
	}
	defer r.Close()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				bar.clear()
				return
			case <-tick.C:
				read, total := r.Progress()
				bar.show("reading", read, total)
			}
		}
	}()
	err = f(ctx, r)
	close(stop)
	<-done
	return err
}

// copied is the copy of the event store as a source.
type copied struct{ reports *reports.Reports }

// OrderEvents implements orderstate.Source.
func (c copied) OrderEvents(ctx context.Context, shop, orderID string, f func(*consumer.Event) error) error {
	return c.reports.OrderEvents(ctx, shop, orderID, func(row *reports.OrderEvent) error {
		e := &consumer.Event{
			Event: schemas.Event{
				ID: row.ID, Shop: row.Shop, Topic: schemas.OrderEventTopic(row.Type), Subject: "order/" + row.OrderID, Time: row.At.UTC(), Received: row.Received.UTC(),
			},
			Body: []byte(row.Value), KafkaTopic: row.Topic, Partition: int32(row.Partition), Offset: int64(row.Offset), //nolint:gosec // as Kafka has them
		}
		e.PartitionKey = (&schemas.OrderEvent{Shop: row.Shop, OrderID: row.OrderID}).Key()
		e.Key = e.PartitionKey
		return f(e)
	})
}
