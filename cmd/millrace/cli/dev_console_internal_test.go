package cli

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"millrace/cmd/millrace/config"
)

// consoleAt is a dev whose console is to listen on addr: by default, or because somebody said so.
func consoleAt(t *testing.T, addr string, said bool) *dev {
	t.Helper()
	defaults, sources := config.Default(), config.Sources{}
	if said {
		sources.Environ = []string{"MILLRACE_CONSOLE_LISTEN=" + addr}
	} else {
		defaults.Console.Listen = addr
	}
	l, err := config.Load(defaults, sources)
	if err != nil {
		t.Fatalf("Load() error: %v", err)
	}
	d := &dev{service: &service{loaded: l, cfg: l.Config, log: slog.New(slog.DiscardHandler)}, out: io.Discard}
	t.Cleanup(func() {
		for _, c := range d.open {
			_ = c.Close()
		}
	})
	return d
}

func TestATakenAddressOfTheConsoleIsAnErrorOnlyIfItWasAskedFor(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	addr := taken.Addr().String()
	want := "--console " + addr + " cannot be used"

	if err := consoleAt(t, addr, true).listenConsole(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("asked for: error %v, want %q", err, want)
	}
	d := consoleAt(t, addr, false)
	if err := d.listenConsole(t.Context()); err != nil {
		t.Fatalf("by default: error %v, want none", err)
	}
	if d.noConsole == nil || !strings.Contains(banner{NoConsole: d.noConsole.Error()}.String(), "console     none: "+want) {
		t.Errorf("by default: the banner does not say why there is no console: %v", d.noConsole)
	}
	free := consoleAt(t, "127.0.0.1:0", false)
	if err := free.listenConsole(t.Context()); err != nil || free.noConsole != nil || !strings.HasPrefix(free.consoleURL(), "http://127.0.0.1:") {
		t.Errorf("a free address: %v, %v, %s", err, free.noConsole, free.consoleURL())
	}
}

func TestABrowserIsOpenedOnlyWhereSomebodySeesIt(t *testing.T) {
	t.Parallel()
	d := consoleAt(t, "127.0.0.1:0", false)
	if err := d.listenConsole(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.cfg.Dev.Open = true
	d.browse = func(context.Context, string) error {
		t.Error("a browser was opened though the output is no terminal")
		return nil
	}
	d.show(t.Context())
	for _, environ := range [][]string{nil, {"CI=true", "DISPLAY=:0", "SSH_CONNECTION=x"}} {
		if len(environ) == 0 {
			environ = []string{"SSH_CONNECTION=x"} // what tells it elsewhere than on Linux
		}
		if browseOn(environ) != nil {
			t.Errorf("with %v a browser would be opened", environ)
		}
	}
	if browseOn([]string{"DISPLAY=:0"}) == nil {
		t.Error("with a screen no browser would be opened")
	}
}
