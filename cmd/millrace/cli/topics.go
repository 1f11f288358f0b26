package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning/topicplan"
)

func (a *app) topicsCommand() *cobra.Command {
	return group("topics", "Compare the topics in Kafka with the plan, and create them",
		a.topicsVerb(cobra.Command{
			Use:   "plan",
			Short: "Show what `topics apply` would do",
			Long: "Compare the topics that Kafka has with those that millrace wants, and show what `topics apply` would do: the domains'\n" +
				"topics, and for each service those of its consumer group, for retries, dead letters and state. Changes nothing.",
			Example: "  millrace topics plan --kafka-brokers k1:9092,k2:9092\n" +
				"  millrace topics plan --topics-replication 1 --topics-min-insync-replicas 1   # a cluster of one broker",
		}, func(_ context.Context, _ *kgo.Client, plan topicplan.Plan) error {
			return plan.WriteTable(a.p.Stdout)
		}),
		a.topicsVerb(cobra.Command{
			Use:   "apply",
			Short: "Create missing topics and set settings that differ",
			Long: "Create the topics that are missing and set the settings that differ. Never changes a number of partitions, moves a\n" +
				"replica or deletes a topic. With a conflict it changes nothing and exits with 1. Safe to repeat.",
			Example: "  millrace topics apply --kafka-brokers k1:9092,k2:9092",
		}, func(ctx context.Context, client *kgo.Client, plan topicplan.Plan) error {
			if err := plan.WriteTable(a.p.Stdout); err != nil {
				return err
			}
			return topicplan.Apply(ctx, client, plan)
		}),
		a.topicsVerb(cobra.Command{
			Use:     "check",
			Short:   "Tell whether the topics are as planned, by the exit code",
			Long:    "Compare as `topics plan` does, and exit with 3 when anything differs.",
			Example: "  millrace topics check --kafka-brokers k1:9092 || echo differs",
		}, func(_ context.Context, _ *kgo.Client, plan topicplan.Plan) error {
			if err := plan.WriteTable(a.p.Stdout); err != nil {
				return err
			}
			if !plan.Empty() {
				return errDifferences
			}
			return nil
		}),
	)
}

// topicsVerb completes cmd to a command that asks the cluster and then does something with the plan.
func (a *app) topicsVerb(cmd cobra.Command, do func(context.Context, *kgo.Client, topicplan.Plan) error) *cobra.Command {
	cmd.Args = cobra.NoArgs
	s := a.use(&cmd, []string{"kafka", "topics", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := s.checked()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), topicsTimeout)
		defer cancel()
		wanted, err := allTopics(l.Config)
		if err != nil {
			return err
		}
		return withKafka(ctx, l.Config, newLogger(l.Config.Log, a.p.Stderr), func(ctx context.Context, client *kgo.Client) error {
			plan, err := topicplan.Make(ctx, client, wanted)
			if err != nil {
				return err
			}
			return do(ctx, client, plan)
		})
	}
	return &cmd
}
