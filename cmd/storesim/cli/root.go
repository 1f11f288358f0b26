package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// Process is what the program gets from the operating system.
type Process struct {
	Version string
	Args    []string
	Getenv  func(string) string
	Stdout  io.Writer
	Stderr  io.Writer // is written to from several goroutines
}

// Exit codes.
const (
	exitOK  = 0
	exitBad = 1
	exitCan = 2 // cannot: the run could not be made
)

const exitCodes = `Exit codes:
  0  good
  1  the run was made and its result is bad: an event was given up, a request failed, a check was violated
  2  the run could not be made: wrong flags, nothing listening, a file that cannot be read or written`

// errBadResult is returned by commands whose result, already printed, is bad.
var errBadResult = errors.New("bad result")

// Run runs one command and returns the exit code of the process.
func Run(ctx context.Context, p Process) int {
	root := newRoot(p) //nolint:contextcheck // commands take their context from ExecuteContext
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errBadResult):
		return exitBad
	default:
		fmt.Fprintf(p.Stderr, "storesim: %v\n", err)
		return exitCan
	}
}

func newRoot(p Process) *cobra.Command {
	root := &cobra.Command{
		Use:   "storesim",
		Short: "A simulated Shopify: sends signed webhooks, floods a receiver, checks what arrived, plays the world outside",
		Long: `storesim is a simulated Shopify for testing what receives its webhooks, and the world outside of what handles them.

  send      makes up stores and the lives of their orders and delivers their webhooks, with
            duplicates, disorder, gaps and retries, and keeps a ledger of what was acknowledged;
            the stores answer questions about themselves as Shopify's Admin API does
  flood     loads a receiver over a fixed number of connections and measures latency
  verify    compares ClickHouse with the ledger
  backends  serves what services call: stock, payment, carrier, ERP, a hook and SMTP, with faults on demand and a ledger

` + exitCodes,
		Version: orDevel(p.Version), Args: cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		// Without this a bare "storesim" would be a good run.
		RunE: func(cmd *cobra.Command, _ []string) error {
			return errors.Join(cmd.Help(), errors.New("a command is needed: send, flood, verify or backends"))
		},
	}
	root.SetArgs(p.Args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(newSend(p), newFlood(p), newVerify(p), newBackends(p))
	return root
}

func orDevel(version string) string {
	if version == "" {
		return "devel"
	}
	return version
}

// logger writes for people: warnings, or everything with verbose.
func logger(out io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
}

// writeJSON prints v, indented.
func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
