// Package enginetest gives tests the real ClickHouse engine in a child process: the test binary itself, started again.
//
// A package that uses it has a TestMain that begins with Child:
//
//	func TestMain(m *testing.M) {
//		enginetest.Child() // does not return in the engine's process
//		goleak.VerifyTestMain(m)
//	}
//
// The engine's library is fetched into the user's cache the first time. Where that cannot be (no npm, no package for the
// platform, no network) the test is skipped, unless MILLRACE_TEST_SERVICES=required, which makes it fail.
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"millrace/deploy/embedded/engine"
	"millrace/deploy/embedded/fetch"
)

// childEnv tells a test binary that it was started to be the engine.
const childEnv = "MILLRACE_ENGINETEST_CHILD"

// startLimit bounds the wait for an engine: a loaded machine reads half a gigabyte of library from a cold disk.
const startLimit = 90 * time.Second

// Child turns the process into the engine if Start has started it for that, and then never returns.
func Child() {
	if os.Getenv(childEnv) == "" {
		return
	}
	code := 0
	if err := engine.Child(context.Background(), os.Stdin, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // this process is the engine; the test framework must not run in it
}

// ChildEnv is the environment entry that makes Child run the engine, for tests that start an engine.Supervisor themselves.
func ChildEnv() string { return childEnv + "=1" }

// Engine is a running engine. It belongs to one test and ends with it.
type Engine struct {
	URL string // http://127.0.0.1:PORT, the same across restarts
	DSN string // for clickhouse.ParseDSN and database/sql; database "default"

	t       testing.TB
	sup     *engine.Supervisor
	dataDir string
	stop    func()
	running context.Context //nolint:containedctx // ends with Run, so that nobody waits for an engine that cannot start
}

// Option changes the engine's configuration before it starts.
type Option func(*engine.Config)

// WithFsync makes every insert durable against a power cut.
func WithFsync() Option { return func(c *engine.Config) { c.Fsync = true } }

// WithConfig changes anything. Addr, DataDir and Library are set already.
func WithConfig(change func(*engine.Config)) Option { return change }

// Start runs an engine with an empty data directory on a free port, and stops it when the test ends.
func Start(tb testing.TB, opts ...Option) *Engine {
	tb.Helper()
	return StartAt(tb, tb.TempDir(), opts...)
}

// StartAt is Start with data of an earlier engine in dir.
func StartAt(tb testing.TB, dir string, opts ...Option) *Engine {
	tb.Helper()
	cfg := engine.DefaultConfig()
	cfg.Addr, cfg.DataDir, cfg.Library, cfg.StartTimeout = "127.0.0.1:0", filepath.Join(dir, "clickhouse"), Library(tb), startLimit
	for _, o := range opts {
		o(&cfg)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatalf("find the test binary: %v", err)
	}
	sup, err := engine.New(cfg, engine.Deps{
		Logger: slog.New(slog.NewTextHandler(&testLog{tb}, nil)), Command: []string{self}, Env: []string{ChildEnv()},
	})
	if err != nil {
		tb.Fatalf("make engine: %v", err)
	}
	if err := sup.Listen(tb.Context()); err != nil {
		tb.Fatalf("start engine: %v", err)
	}
	e := &Engine{URL: sup.URL(), DSN: sup.URL() + "/default", t: tb, sup: sup, dataDir: dir}
	e.run()
	e.WaitReady()
	return e
}

func (e *Engine) run() {
	// Not the test's own context: that one ends before the cleanups of the code under test, which may still write.
	ctx, cancel := context.WithCancel(context.Background())
	running, ended := context.WithCancelCause(context.Background())
	e.running = running
	done := make(chan error, 1)
	go func() {
		err := e.sup.Run(ctx)
		ended(err)
		done <- err
	}()
	var once sync.Once
	e.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				e.t.Errorf("engine: %v", err)
			}
		})
	}
	e.t.Cleanup(e.stop)
}

// Pid is the engine's process id, 0 while there is no process.
func (e *Engine) Pid() int { return e.sup.Pid() }

// DataDir is the directory that StartAt takes.
func (e *Engine) DataDir() string { return e.dataDir }

// Kill9 kills the engine's process as a crash would. The supervisor starts another one, which WaitReady waits for.
func (e *Engine) Kill9() {
	e.t.Helper()
	pid, starts := e.sup.Pid(), e.sup.Starts()
	if pid == 0 {
		return // dead already, by an earlier call
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		e.t.Fatalf("kill engine %d: %v", pid, err)
	}
	// Until the supervisor has noticed, WaitReady would speak of the dead process.
	for deadline := time.Now().Add(startLimit); e.sup.Starts() == starts; {
		if time.Now().After(deadline) {
			e.t.Fatalf("engine %d was killed and not restarted within %s", pid, startLimit)
		}
		time.Sleep(5 * time.Millisecond) // polls a condition with a deadline; nothing hangs on the interval
	}
}

// Restart kills the engine and waits until its successor answers.
func (e *Engine) Restart() {
	e.t.Helper()
	e.Kill9()
	e.WaitReady()
}

// WaitReady waits until the engine answers.
func (e *Engine) WaitReady() {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.running, startLimit)
	defer cancel()
	if err := e.sup.WaitReady(ctx); err != nil {
		e.t.Fatalf("engine: %v", err)
	}
}

// Stop ends the engine as the program does. The test's cleanup does so too; this is for tests of what a stop leaves behind.
func (e *Engine) Stop() { e.stop() }

// Library is the path of the engine's library. It skips or fails the test where there is none.
func Library(tb testing.TB) string {
	tb.Helper()
	path, err := fetch.Library(tb.Context(), fetch.Config{}, fetch.Deps{Progress: &testLog{tb}, Logger: slog.New(slog.NewTextHandler(&testLog{tb}, nil))})
	if err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			tb.Fatalf("MILLRACE_TEST_SERVICES=required: %v", err)
		}
		tb.Skipf("needs the ClickHouse engine: %v", err)
	}
	return path
}

// testLog writes to the test's log. Nothing writes after the cleanup that stops the engine, as testing.T.Log demands.
type testLog struct{ t testing.TB }

func (l *testLog) Write(p []byte) (int, error) {
	l.t.Log(string(bytes.TrimRight(p, "\n")))
	return len(p), nil
}
