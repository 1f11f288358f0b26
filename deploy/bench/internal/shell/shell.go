// Package shell is what every bench has around it: the end of the process, notes to people at the terminal, and the report.
package shell

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Run runs a bench until it ends or is interrupted, with the program's arguments, and returns the exit code: 1 after an error,
// which it prints behind the bench's name.
func Run(name string, bench func(ctx context.Context, args []string) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		return 1
	}
	return 0
}

// Note tells people at the terminal what is going on; the report goes to standard output.
func Note(to io.Writer, format string, args ...any) {
	fmt.Fprintf(to, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// Report prints the report, and writes it to a file as well where one is named.
func Report(text, file string) error {
	if _, err := io.WriteString(os.Stdout, text); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	if file == "" {
		return nil
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // a report for everybody
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
