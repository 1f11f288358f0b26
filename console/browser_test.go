package console_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"

	"millrace/console"
	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/reports"
)

// limit bounds every wait: the machine may be busy.
const limit = 90 * time.Second

// tab is one page in a real browser.
type tab struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // chromedp keeps its browser in the context
	base string

	mu       sync.Mutex
	messages []string // what the page wrote to its console
}

// newBrowser starts a headless Chromium. Without one the test is skipped, or fails where the services are required.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatal("MILLRACE_TEST_SERVICES=required: Chromium is not installed (Debian package chromium)")
		}
		t.Skip("needs Chromium (Debian package chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(limit))
	ctx, stopAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, stop := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		_ = chromedp.Cancel(closing)
		stop()
		stopAllocator()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// open shows path of the console at base in a new tab of a window of that size.
func open(browser context.Context, t *testing.T, base, path string, width, height int64, scheme string) *tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(browser)
	ctx, cancel := context.WithTimeout(ctx, 2*limit)
	b := &tab{t: t, ctx: ctx, base: base}
	b.do(chromedp.EmulateViewport(width, height))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range chromedp.Console(ctx) {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException || m.Type == chromedp.ConsoleWarning {
				b.mu.Lock()
				b.messages = append(b.messages, fmt.Sprintf("%s: %s (%s)", m.Type, m.Text, m.URL))
				b.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { cancel(); stop(); <-done })
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
		t.Fatalf("choose the colour scheme: %v", err)
	}
	b.do(chromedp.Navigate(base + path))
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// eval returns what an expression gives in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for an expression to become true.
func (b *tab) until(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool]("Boolean("+expression+")", chromedp.WithPollingTimeout(limit), chromedp.WithPollingInterval(100*time.Millisecond))); err != nil {
		b.t.Fatalf("wait for %s: %v\nthe page has: %.2000s", expression, err, eval[string](b, "document.body.innerText"))
	}
}

func (b *tab) keys(text string) { b.t.Helper(); b.do(chromedp.KeyEvent(text)) }

// emptied takes out of the focused field the character of the shortcut that led there: a person's key is one event, which the page
// swallows, while the protocol sends the key and its character apart.
func (b *tab) emptied() {
	b.t.Helper()
	eval[bool](b, `(() => { const e = document.activeElement; e.value = ''; return e.dispatchEvent(new Event('input', { bubbles: true })); })()`)
}

// quiet fails the test where the page has complained.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) > 0 {
		b.t.Errorf("the page wrote to its console:\n%s", strings.Join(b.messages, "\n"))
	}
}

// picture keeps what is to be seen in MILLRACE_TEST_SCREENSHOTS, for whoever looks at it after the run.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("MILLRACE_TEST_SCREENSHOTS")
	if dir == "" {
		dir = b.t.TempDir()
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatalf("take a picture: %v", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
	if len(png) < 10_000 {
		b.t.Errorf("the picture %s has %d bytes: nothing is on it", name, len(png))
	}
}

// serve runs a console over db and returns its address.
func serve(t *testing.T, db *database.DB, services console.Services) string {
	t.Helper()
	query := reports.DefaultConfig()
	query.Timeout = limit
	questions, err := reports.New(db, query)
	if err != nil {
		t.Fatalf("reports: %v", err)
	}
	cfg := console.DefaultConfig()
	cfg.Listen, cfg.Query = "127.0.0.1:0", query
	s, err := console.New(cfg, console.Deps{
		Reports: questions, Services: services, Orders: someOrder, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(), Version: "test",
	})
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() error: %v", err)
		}
	})
	for deadline := time.Now().Add(limit); s.Addr() == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the console does not listen")
		}
		time.Sleep(time.Millisecond) // polls a condition with a deadline
	}
	return "http://" + s.Addr().String()
}
