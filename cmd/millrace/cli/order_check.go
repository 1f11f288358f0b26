package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"millrace/consumers/group/reread"
	"millrace/consumers/group/status"
	"millrace/consumers/orderstate"
)

const (
	// settleTime is how long what differs may take to be folded before it is looked at again.
	settleTime = 3 * time.Second
	// shownDifferences bounds what is printed; --json has all.
	shownDifferences = 20
)

func (a *app) orderCheck() *cobra.Command {
	var asJSON bool
	var parallel int
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compare the state of every order with the fold of its events",
		Long: "Make the state of every order anew from the event store in Kafka, and compare it with the one that the service orderstate\n" +
			"keeps. What differs is read again a moment later, so orders may go on meanwhile. Exits with 3 when a state differs, and\n" +
			"when the service is behind, since then they must.",
		Example: "  millrace order check\n" +
			"  millrace order check --json | jq .different",
		Args: cobra.NoArgs,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().IntVar(&parallel, "parallel", 2, "partitions read at once; the states of each are in memory meanwhile")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	s := a.use(cmd, []string{"kafka", "orderstate", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := s.checked()
		if err != nil {
			return err
		}
		options, err := l.Config.Kafka.Options(newLogger(l.Config.Log, a.p.Stderr))
		if err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
		groupID := l.Config.OrderState.Consumer.Member.Group
		groups, err := status.New(options, status.Options{Groups: []status.Group{{Name: orderstate.Name, Group: groupID, Topics: orderstate.Topics()}}})
		if err != nil {
			return err
		}
		defer groups.Close()
		return a.fromKafka(cmd.Context(), l.Config, func(ctx context.Context, r *reread.Reader) error {
			found := checkJSON{}
			found.Report, err = orderstate.Check(ctx, r, orderstate.CheckOptions{Group: groupID, Settle: settleTime, Parallel: parallel})
			if err != nil {
				return err
			}
			if found.Behind, err = behind(ctx, groups); err != nil {
				return err
			}
			return a.printCheck(&found, asJSON)
		})
	}
	return cmd
}

// checkJSON is what a check has found, for scripts. Fields are only ever added.
type checkJSON struct {
	orderstate.Report
	Behind int64 `json:"behind"` // events that the service has not folded
}

// behind is the lag of the fold.
func behind(ctx context.Context, groups *status.Status) (int64, error) {
	all, err := groups.Read(ctx)
	if err != nil {
		return 0, err
	}
	for _, g := range all {
		if g.Name == orderstate.Name {
			return g.Lag, g.Err
		}
	}
	return 0, nil
}

func (a *app) printCheck(c *checkJSON, asJSON bool) error {
	out := a.p.Stdout
	if asJSON {
		if err := jsonLine(out, c); err != nil {
			return err
		}
	} else {
		for i, d := range c.Different {
			if i == shownDifferences {
				fmt.Fprintf(out, "… and %d more; --json has them all\n", len(c.Different)-i)
				break
			}
			fmt.Fprintf(out, "%s\n  folded %s\n  kept   %s\n", printable(d.Key, ""), printable(d.Folded, ""), printable(d.Kept, ""))
		}
		fmt.Fprintf(out, "%s of %s folded in %.1f s (%.0f per second): %s from what is kept.\n", many(int(c.Events), "event", "events"), many(c.Orders, "order", "orders"),
			c.Seconds, float64(c.Events)/max(c.Seconds, 0.001), many(len(c.Different), "state differs", "states differ"))
		if c.Unreadable > 0 {
			fmt.Fprintf(out, "%s cannot be read by this program, and are in no state.\n", many(int(c.Unreadable), "event", "events"))
		}
		if c.Behind > 0 {
			fmt.Fprintf(out, "The service is %s behind: what it has not folded shows as a difference.\n", many(int(c.Behind), "event", "events"))
		}
	}
	if len(c.Different) > 0 || c.Behind > 0 {
		return errDifferences
	}
	return nil
}
