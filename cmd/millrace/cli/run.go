package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
)

// Exit codes of the program. They are part of its interface: scripts branch on them.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2   // wrong usage or configuration: trying again does not help
	ExitDifferences = 3   // a check ran and found differences
	ExitInterrupted = 130 // a signal ended a command before its work was done; 128 + SIGINT by the shells' convention
)

// exitCodes is the line under every help text.
const exitCodes = "Exit codes: 0 done (a service: stopped by SIGINT or SIGTERM), 1 failed, 2 wrong usage or configuration, or not confirmed,\n" +
	"            3 a check found differences, 130 interrupted before the work was done."

// errDifferences is what a check returns, after it printed them, so that the program exits with ExitDifferences.
var errDifferences = errors.New("differences found")

// Process is what the surrounding process gives to the program.
type Process struct {
	Version        string   // of the release; empty where it is none
	Args           []string // without the program's name
	Environ        []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Run runs the command that p.Args names until it is done or ctx ends, and returns the exit code. A service ends
// gracefully with ctx.
func Run(ctx context.Context, p Process) int {
	a := &app{p: p}
	root := a.root() //nolint:contextcheck // commands get ctx from cobra, as cmd.Context()
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	// Before a command's own function runs, all that can fail is the command line.
	reached := false
	root.PersistentPreRun = func(*cobra.Command, []string) { reached = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	code := exitCode(ctx, err, reached)
	if code != ExitDifferences {
		fmt.Fprintf(p.Stderr, "millrace: %s\n", strings.TrimSpace(err.Error()))
	}
	if code == ExitUsage && !reached {
		fmt.Fprintf(p.Stderr, "Run `%s --help` for what there is.\n", cmd.CommandPath())
	}
	return code
}

func exitCode(ctx context.Context, err error, reached bool) int {
	_, isConfig := errors.AsType[*config.Error](err)
	switch {
	case !reached || isConfig || errors.Is(err, errUsage):
		return ExitUsage
	case errors.Is(err, errDifferences):
		return ExitDifferences
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return ExitInterrupted
	default:
		return ExitFailure
	}
}

// app is one run of the program.
type app struct {
	p    Process
	file string // --config
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "millrace",
		Short: "Shopify webhooks, in order, through Kafka into ClickHouse",
		Long: "Millrace receives Shopify webhooks, stores each in Kafka before it answers, keeps the order of every entity,\n" +
			"and brings each event into ClickHouse. Services act on the events, in order and once.",
		Example: "  millrace dev --simulate 20              everything in one process, fed by a simulated store\n" +
			"  millrace ingest --config millrace.yaml  the receiver, in production\n" +
			"  millrace consume analytics              Kafka to ClickHouse, in production\n" +
			"  millrace consume inventory              one of the services, in production\n" +
			"  millrace console                        the web page beside them",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&a.file, "config", "", "configuration `file`: .yaml, .toml or .json (or "+config.EnvFile+")")
	root.SetHelpFunc(help)
	root.AddCommand(a.devCommand(), a.engineCommand(), a.ingestCommand(), a.consumeCommand(), a.consoleCommand(), a.topicsCommand(), a.clickhouseCommand(), a.configCommand(), a.metricsCommand(), a.orderCommand(), a.dlqCommand(), a.retryCommand(), a.replayCommand(), a.sagaCommand(), a.reconcileCommand(), a.versionCommand())
	return root
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(commands...)
	return c
}
