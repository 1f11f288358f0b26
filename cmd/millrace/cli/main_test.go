package cli_test

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/cmd/millrace/cli"
	"millrace/deploy/embedded/enginetest"
)

// asProgram in the environment makes this binary the program: for a test that kills it.
const asProgram = "TEST_MILLRACE_PROGRAM"

// TestMain makes this binary the program when it is started as one: `millrace dev` starts itself again as the engine.
func TestMain(m *testing.M) {
	enginetest.Child() // tests of one-shot commands start the engine without `millrace dev`
	if os.Getenv(asProgram) != "" || len(os.Args) == 2 && os.Args[1] == "engine" {
		ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		code := cli.Run(ctx, cli.Process{Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
		release()
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// result is what a run of the program left.
type result struct {
	code           int
	stdout, stderr string
}

// program runs the program with args; entries of the form MILLRACE_NAME=value before them are its environment.
func program(ctx context.Context, args ...string) result {
	var environ []string
	for len(args) > 0 && strings.HasPrefix(args[0], "MILLRACE_") {
		environ, args = append(environ, args[0]), args[1:]
	}
	var stdout, stderr bytes.Buffer
	code := cli.Run(ctx, cli.Process{Args: args, Environ: environ, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr})
	return result{code, stdout.String(), stderr.String()}
}

// background is a run of the program that a test watches.
type background struct {
	t              *testing.T
	stop           context.CancelFunc // what a first SIGTERM does
	done           chan struct{}
	code           int // after done
	stdout, stderr *watched
}

// start runs the program until the test ends or stops it.
func start(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	b := &background{t: t, stop: cancel, done: make(chan struct{}), stdout: newWatched(), stderr: newWatched()}
	go func() {
		defer close(b.done)
		b.code = cli.Run(ctx, cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: b.stdout, Stderr: b.stderr})
	}()
	t.Cleanup(func() { cancel(); <-b.done })
	return b
}

// limit bounds every wait: a loaded machine reads half a gigabyte of engine from a cold disk.
const limit = 60 * time.Second

// until waits for text in w.
func (b *background) until(w *watched, text string) string {
	b.t.Helper()
	timeout := time.After(limit)
	for {
		seen, changed := w.text()
		if strings.Contains(seen, text) {
			return seen
		}
		select {
		case <-changed:
		case <-b.done:
			b.t.Fatalf("the program ended with %d before it wrote %q:\n%s%s", b.code, text, b.stdout, b.stderr)
		case <-timeout:
			b.t.Fatalf("no %q within %v:\n%s%s", text, limit, b.stdout, b.stderr)
		}
	}
}

// stopped stops the program and returns its exit code and how long it took.
func (b *background) stopped() (int, time.Duration) {
	b.t.Helper()
	began := time.Now()
	b.stop()
	select {
	case <-b.done:
	case <-time.After(limit):
		b.t.Fatalf("the program has not stopped within %v:\n%s", limit, b.stderr)
	}
	return b.code, time.Since(began)
}

// watched is an output that tells when it grows.
type watched struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newWatched() *watched { return &watched{changed: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	return w.buf.Write(p)
}

func (w *watched) text() (string, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String(), w.changed
}

func (w *watched) String() string { s, _ := w.text(); return s }
