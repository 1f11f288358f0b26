// Command storesim is a simulated Shopify for testing what receives its webhooks. See package cli for what it does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"millrace/cmd/storesim/cli"
)

// version is set by the linker in a release: -ldflags '-X main.version=v1.2.3'.
var version string

func main() {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a graceful stop, a second one ends the process at once.
	context.AfterFunc(ctx, release)
	os.Exit(cli.Run(ctx, cli.Process{Version: version, Args: os.Args[1:], Getenv: os.Getenv, Stdout: os.Stdout, Stderr: os.Stderr}))
}
