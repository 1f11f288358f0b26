package cli

import (
	"context"
	"sync"

	"github.com/spf13/cobra"

	"millrace/cmd/storesim/verify"
)

const verifyLong = `Verify holds the events table of a ClickHouse against the ledger of storesim send.

Violations: acknowledged events that are missing; rows whose body, topic, shop, subject or key is not what was
sent; more Kafka records than requests that can have been stored; one Kafka record in several rows; per entity,
offsets that are not in the order sent; an entity in several partitions. Events stored without an acknowledgement
and rows that the ledger does not know are counted, and legal.

The password may also come from the environment variable STORESIM_PASSWORD.

` + exitCodes

const verifyExample = `  storesim verify --ledger run.jsonl
  storesim verify --ledger run.jsonl --clickhouse http://127.0.0.1:8123 --wait 2m --json`

func newVerify(p Process) *cobra.Command {
	cfg := verify.DefaultConfig()
	asJSON := false
	cmd := &cobra.Command{
		Use: "verify", Short: "Compare ClickHouse with the ledger", Long: verifyLong, Example: verifyExample, Args: cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fromEnv(p, &cfg.Password, "STORESIM_PASSWORD")
			if err := cfg.Validate(); err != nil {
				return flagError(cmd, err)
			}
			return runVerify(cmd.Context(), p, cfg, asJSON)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	bind(fs, &cfg)
	fs.BoolVar(&asJSON, "json", false, "Print the report as JSON.")
	return cmd
}

func runVerify(ctx context.Context, p Process, cfg verify.Config, asJSON bool) error {
	var mu sync.Mutex
	var now state
	v, err := verify.New(cfg, verify.Deps{Progress: func(phase string, done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		now = state{done: done, total: total, text: phase}
	}})
	if err != nil {
		return err
	}
	stop := watch(p.Stderr, func() state {
		mu.Lock()
		defer mu.Unlock()
		return now
	})
	r, err := v.Run(ctx)
	stop()
	if err != nil {
		return err
	}
	if asJSON {
		err = writeJSON(p.Stdout, r)
	} else {
		err = r.WriteText(p.Stdout)
	}
	if err == nil && !r.OK {
		return errBadResult
	}
	return err
}
