// Package process runs our own programs for the runs that try them: it starts them, waits until they are ready, and ends them.
package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Deadlines of one process.
const (
	startWithin = 60 * time.Second
	stopWithin  = 20 * time.Second
)

// Process is one program that can be killed and started again with the same arguments.
type Process struct {
	Name  string
	Path  string
	Args  []string
	Env   []string // beside that of this process
	Ready string   // URL that answers 200 once the process can work
	Dir   string   // for its log, <name>.log

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts the process and waits until it is ready.
func (p *Process) Start(ctx context.Context) error {
	log, err := os.OpenFile(p.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", p.Name, err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), p.Path, p.Args...) //nolint:gosec // our own programs
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	// Some programs end with their standard input; it stays open for as long as this process lives.
	if _, err := cmd.StdinPipe(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", p.Name, err), log.Close())
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", p.Name, err), log.Close())
	}
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.done = cmd, done
	p.mu.Unlock()
	go func() {
		_ = cmd.Wait() // killed on purpose; an end that was not asked for shows as a start that is never ready
		_ = log.Close()
		close(done)
	}()
	return p.waitReady(ctx, done)
}

func (p *Process) waitReady(ctx context.Context, done <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (see %s)", p.Name, ctx.Err(), p.Log())
		case <-done:
			return fmt.Errorf("%s ended while starting (see %s)", p.Name, p.Log())
		case <-tick.C:
			if answers(ctx, p.Ready) {
				return nil
			}
		}
	}
}

// Log is the file that gets what the process prints.
func (p *Process) Log() string { return filepath.Join(p.Dir, p.Name+".log") }

// Done is closed when the process that was started last has ended.
func (p *Process) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// answers reports whether a URL answers 200.
func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// End sends sig to the process and waits for its end. It is no error when the process is not running.
func (p *Process) End(sig syscall.Signal) error {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	_ = cmd.Process.Signal(sig) // already gone is as good
	select {
	case <-done:
		return nil
	case <-time.After(stopWithin):
		_ = cmd.Process.Kill()
		<-done
		return fmt.Errorf("%s did not end within %v of %v", p.Name, stopWithin, sig)
	}
}

// KillChildren ends the processes that p started, as kill -9 does.
func (p *Process) KillChildren(ctx context.Context) error {
	p.mu.Lock()
	pid := p.cmd.Process.Pid
	p.mu.Unlock()
	out, err := exec.CommandContext(ctx, "pgrep", "-P", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	if err != nil {
		return fmt.Errorf("list children of %s: %w", p.Name, err)
	}
	for field := range strings.FieldsSeq(string(out)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return fmt.Errorf("list children of %s: %w", p.Name, err)
		}
		if err := syscall.Kill(child, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill child %d of %s: %w", child, p.Name, err)
		}
	}
	return nil
}

// FreeAddr returns a loopback address that nobody listens on. The process that gets it binds it a moment later.
func FreeAddr(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
