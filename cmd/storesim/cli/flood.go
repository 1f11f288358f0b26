package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"millrace/cmd/storesim/flood"
)

const floodLong = `Flood loads a receiver over a fixed number of kept-alive connections and measures latency.

With --rate 0 every connection sends again when its answer is in: the ceiling. With a rate, requests have fixed
times and latency counts from the time a request was due, so a stall is paid for by all that were due in it
(no coordinated omission): use that for latency goals. Bodies are signed orders, made before the clock starts.

The secret may also come from the environment variable STORESIM_SECRET.

` + exitCodes

const floodExample = `  # the ceiling with 2 KB bodies
  storesim flood --url http://127.0.0.1:8080/webhooks --secret hush

  # latency at 5000 requests per second of 10 KB, as JSON
  storesim flood --url http://127.0.0.1:8080/webhooks --secret hush --body-size 10KB --rate 5000 --json`

func newFlood(p Process) *cobra.Command {
	cfg := flood.DefaultConfig()
	o := floodOptions{}
	cmd := &cobra.Command{
		Use: "flood", Short: "Load a receiver and measure latency", Long: floodLong, Example: floodExample, Args: cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fromEnv(p, &cfg.Secret, "STORESIM_SECRET")
			if err := cfg.Validate(); err != nil {
				return flagError(cmd, err)
			}
			return runFlood(cmd.Context(), p, cfg, o)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	all.SortFlags = false
	bind(all, &cfg)
	all.VisitAll(func(f *pflag.Flag) {
		if f.Name == "body-size" { // takes units
			f.Value, f.DefValue = size{&cfg.BodySize}, size{&cfg.BodySize}.String()
			f.Usage = "Length of each body, e.g. 2KB; at least 512 bytes."
		}
		fs.AddFlag(f)
	})
	fs.BoolVar(&o.allowErrors, "allow-errors", false, "Exit 0 although requests failed.")
	fs.BoolVar(&o.json, "json", false, "Print the report as JSON.")
	// The flag exists: it was bound above.
	_ = cmd.RegisterFlagCompletionFunc("body-size", cobra.FixedCompletions([]string{"2KB", "10KB", "100KB"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

type floodOptions struct{ allowErrors, json bool }

func runFlood(ctx context.Context, p Process, cfg flood.Config, o floodOptions) error {
	f, err := flood.New(cfg)
	if err != nil {
		return err
	}
	start := time.Now()
	whole := cfg.Warmup + cfg.Duration
	stop := watch(p.Stderr, func() state {
		phase := "measuring"
		if time.Since(start) < cfg.Warmup {
			phase = "warming up"
		}
		return state{
			done: int64(min(time.Since(start), whole) / time.Second), total: max(1, int64(whole/time.Second)),
			text: fmt.Sprintf("%s, %d answers", phase, f.Done()),
		}
	})
	r, err := f.Run(ctx)
	stop()
	if err != nil {
		return err
	}
	if o.json {
		err = writeJSON(p.Stdout, r)
	} else {
		err = r.WriteText(p.Stdout)
	}
	if err == nil && r.Failed() > 0 && !o.allowErrors {
		return errBadResult
	}
	if err == nil && r.Requests == 0 && r.Failed() == 0 {
		return errors.New("nothing was measured: the run was stopped in its warm-up")
	}
	return err
}
