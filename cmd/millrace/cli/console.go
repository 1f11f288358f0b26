package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/supervise"
	"millrace/console"
	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/reports"
	"millrace/consumers/group/status"
	"millrace/consumers/orderstate"
	"millrace/schemas"
)

func (a *app) consoleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Show what goes through, on a web page",
		Long: "Serve the console on console.listen: throughput, orders and revenue, delays, products, how the services stand, events and\n" +
			"the story of each order. It only reads, from ClickHouse with limits (console.query) and from Kafka. Off loopback it asks\n" +
			"for a password, which must be set. ClickHouse or Kafka away is shown on the page, which recovers by itself.",
		Example: "  millrace console --config millrace.yaml\n" +
			"  millrace console --clickhouse-url http://ch1:8123 --clickhouse-user reader --kafka-brokers k1:9092\n" +
			"  MILLRACE_CONSOLE_PASSWORD_FILE=/run/secrets/console millrace console --console-listen :8088 \\\n" +
			"    --console-tls-cert-file console.pem --console-tls-key-file console.key",
		Args: cobra.NoArgs,
	}
	s := a.use(cmd, []string{"console", "kafka", "clickhouse", "admin", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		l, err := s.checked()
		if err != nil {
			return err
		}
		svc := a.newService("console", l)
		db, err := svc.cfg.ClickHouse.Open()
		if err != nil {
			return fmt.Errorf("open clickhouse %s: %w", svc.cfg.ClickHouse.URL, err)
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		page, err := svc.console(db, 0)
		if err != nil {
			return err
		}
		defer page.close()
		return svc.run(cmd.Context(), db.Ping, nil, supervise.Component{Name: "console", Run: page.server.Run})
	}
	return cmd
}

// page is the console with what it reads from.
type page struct {
	server *console.Server
	groups *status.Status
}

func (p page) close() { p.groups.Close() }

// console builds the web page. simulated is how many webhooks per second this process feeds itself with.
func (s *service) console(db *database.DB, simulated float64) (page, error) {
	questions, err := reports.New(db, s.cfg.Console.Query)
	if err != nil {
		return page{}, fmt.Errorf("console: %w", err)
	}
	options, err := kafkaOptions(s.cfg.Kafka, s.log, s.registry, "console")
	if err != nil {
		return page{}, err
	}
	asked, err := s.groups()
	if err != nil {
		return page{}, err
	}
	groups, err := status.New(options, status.Options{Groups: asked})
	if err != nil {
		return page{}, fmt.Errorf("console: %w", err)
	}
	server, err := console.New(s.cfg.Console, console.Deps{
		Reports: questions, Services: func(ctx context.Context) ([]console.Service, error) { return standing(ctx, groups) },
		Orders: func(ctx context.Context, shop, orderID string, at time.Time) (orderstate.View, error) {
			h, err := orderstate.Tell(ctx, copied{questions}, shop, orderID, at)
			if err != nil {
				return orderstate.View{}, err
			}
			return h.View(), nil
		},
		Logger: s.log, Registerer: s.registry, Listener: s.listeners.console, Version: s.build.Version, Simulated: simulated,
	})
	if err != nil {
		groups.Close()
		return page{}, err
	}
	return page{server: server, groups: groups}, nil
}

// groups are the consumer groups of the program's own services.
func (s *service) groups() ([]status.Group, error) {
	domains := make([]string, 0, len(schemas.Domains()))
	for _, d := range schemas.Domains() {
		domains = append(domains, d.KafkaTopic())
	}
	all := []status.Group{{Name: "analytics", Group: s.cfg.Analytics.Group, Topics: domains}}
	for _, k := range keyedServices() {
		topics, err := k.topics(&s.cfg)
		if err != nil {
			return nil, fmt.Errorf("%s.%w", k.sectionName(), err)
		}
		all = append(all, status.Group{Name: k.name, Group: k.groupID(&s.cfg), Topics: topics})
	}
	return all, nil
}

// stateUnknown is what Kafka calls a group that it has never seen.
const stateUnknown = "Dead"

// standing tells how the services stand, as the page shows it. A service that was never started here and has left nothing behind is not
// shown: not everybody runs all of them.
func standing(ctx context.Context, groups *status.Status) ([]console.Service, error) {
	read, err := groups.Read(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]console.Service, 0, len(read))
	for _, g := range read {
		if g.State == stateUnknown && g.DeadOpen == 0 && g.Waiting == 0 {
			continue
		}
		one := console.Service{Name: g.Name, Group: g.Group, State: g.State, Members: g.Members}
		seconds := g.LagAge.Seconds()
		one.LagRecords, one.LagSeconds = &g.Lag, &seconds
		if !g.Counting {
			one.DeadLetters, one.Retries = &g.DeadOpen, &g.Waiting
		}
		if g.Err != nil {
			one.Error = g.Err.Error()
		}
		all = append(all, one)
	}
	return all, nil
}
