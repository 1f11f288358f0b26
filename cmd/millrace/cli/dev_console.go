package cli

import (
	"context"
	"io"
	"runtime"

	"github.com/cli/browser"

	"millrace/cmd/millrace/config"
)

// listenConsole opens the web page's address. One that is taken is an error where it was asked for; the default one is not: then there
// is no page, the banner says why, and all else starts.
func (d *dev) listenConsole(ctx context.Context) error {
	ln, err := d.listen(ctx, d.cfg.Console.Listen, "console")
	if err != nil {
		if d.loaded.Given("console.listen") {
			return err
		}
		d.noConsole = err
		return nil
	}
	d.listeners.console = ln
	return nil
}

func (d *dev) consoleURL() string {
	scheme := "http"
	if d.cfg.Console.TLS.CertFile != "" {
		scheme = "https"
	}
	return reachable(scheme, d.listeners.console.Addr()) + "/"
}

// show opens the page in a browser if that was asked for and somebody is there to see it. It waits for nothing, and a browser that
// does not start is nobody's trouble: the banner has the address.
func (d *dev) show(ctx context.Context) {
	if !d.cfg.Dev.Open || d.noConsole != nil || d.browse == nil || !isTerminal(d.out) {
		return
	}
	url := d.consoleURL()
	go func() {
		if err := d.browse(ctx, url); err != nil {
			d.log.DebugContext(ctx, "no browser opened", "url", url, "err", err)
		}
	}()
}

// browseOn returns how a browser is opened on a machine with this environment, nil where there is no screen.
func browseOn(environ []string) func(ctx context.Context, url string) error {
	screen := config.Getenv(environ, "DISPLAY") != "" || config.Getenv(environ, "WAYLAND_DISPLAY") != ""
	if runtime.GOOS != "linux" {
		// Elsewhere a session over SSH is what has no screen.
		screen = config.Getenv(environ, "SSH_CONNECTION") == ""
	}
	if !screen || config.Getenv(environ, "CI") != "" {
		return nil
	}
	return func(_ context.Context, url string) error {
		browser.Stdout, browser.Stderr = io.Discard, io.Discard // the terminal is the program's
		return browser.OpenURL(url)
	}
}
