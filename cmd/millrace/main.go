// Command millrace carries Shopify webhooks through Kafka into ClickHouse. See package cli for what it does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"millrace/cmd/millrace/cli"
)

// version is set by the linker in a release: -ldflags '-X main.version=v1.2.3'.
var version string

func main() {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a graceful stop. Handing signals back to the runtime then lets a second one end the
	// process at once.
	context.AfterFunc(ctx, release)
	os.Exit(cli.Run(ctx, cli.Process{
		Version: version,
		Args:    os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
