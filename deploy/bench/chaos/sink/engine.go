package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"millrace/deploy/embedded/engine"
	"millrace/deploy/embedded/fetch"
	"millrace/deploy/internal/pause"
)

// EngineRole is the first argument that turns the program into the engine's process.
const EngineRole = "engine"

// keeper keeps the engine running. Each life has a supervisor of its own: one supervisor waits longer from death to death, up to
// five seconds, as it should; here the engine dies every few seconds and shall be back at once.
type keeper struct {
	cfg engine.Config
	log *os.File

	mu         sync.Mutex
	supervisor *engine.Supervisor
	stop       context.CancelFunc
	done       chan error
}

func newKeeper(ctx context.Context, dir string, progress io.Writer) (*keeper, error) {
	library, err := fetch.Library(ctx, fetch.Config{}, fetch.Deps{Progress: progress, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("fetch the engine: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "engine.log")) //nolint:gosec // a folder of ours
	if err != nil {
		return nil, fmt.Errorf("open log of the engine: %w", err)
	}
	cfg := engine.DefaultConfig()
	cfg.Addr, cfg.DataDir, cfg.Library = "127.0.0.1:0", filepath.Join(dir, "clickhouse"), library
	k := &keeper{cfg: cfg, log: log}
	if err := k.start(ctx); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return k, nil
}

// start begins a life. The address of the first stays.
func (k *keeper) start(ctx context.Context) error {
	supervisor, err := engine.New(k.cfg, engine.Deps{Logger: slog.New(slog.NewJSONHandler(k.log, nil))})
	if err != nil {
		return fmt.Errorf("build the engine's supervisor: %w", err)
	}
	// What else runs here binds ports as well, and may have got ours for a moment.
	for try := 0; ; try++ {
		if err = supervisor.Listen(ctx); err == nil || try == 50 {
			break
		}
		_ = pause.For(ctx, 100*time.Millisecond)
	}
	if err != nil {
		return err
	}
	k.cfg.Addr = supervisor.Addr()
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- supervisor.Run(run) }()
	k.mu.Lock()
	k.supervisor, k.stop, k.done = supervisor, stop, done
	k.mu.Unlock()
	return nil
}

func (k *keeper) addr() string { return k.cfg.Addr }

func (k *keeper) pid() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.supervisor.Pid()
}

// restarts counts the deaths in this life that nobody here has dealt.
func (k *keeper) restarts() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.supervisor.Starts() - 1
}

// readyWithin is how long the engine may take to answer, on a machine that does much else.
const readyWithin = 90 * time.Second

func (k *keeper) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	k.mu.Lock()
	supervisor := k.supervisor
	k.mu.Unlock()
	return supervisor.WaitReady(ctx)
}

// kill ends the engine as kill -9 does and waits for the process to be gone.
func (k *keeper) kill() error {
	pid := k.pid()
	if pid == 0 {
		return errors.New("kill the engine: it does not run")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill the engine: %w", err)
	}
	return nil
}

// revive begins the next life after a kill, once the killed process is gone.
func (k *keeper) revive(ctx context.Context) error {
	if err := k.close(); err != nil {
		return err
	}
	if err := k.start(ctx); err != nil {
		return err
	}
	return k.waitReady(ctx)
}

// close ends this life.
func (k *keeper) close() error {
	k.mu.Lock()
	stop, done := k.stop, k.done
	k.mu.Unlock()
	stop()
	if err := <-done; err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}
