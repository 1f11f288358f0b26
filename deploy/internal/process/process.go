// Package process runs our own programs for the runs that try them: it starts them, waits until they are ready, and ends them.
package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"millrace/deploy/internal/child"
)

// startWithin is how long a process may take to be ready.
const startWithin = 60 * time.Second

// Process is one program that can be killed and started again with the same arguments.
type Process struct {
	Name  string
	Path  string
	Args  []string
	Ready string // URL that answers 200 once the process can work
	Dir   string // for its log, <name>.log

	mu   sync.Mutex
	life *child.Process // the last one
}

// Start starts the process and waits until it is ready.
func (p *Process) Start(ctx context.Context) error {
	life, err := child.Program(ctx, p.Name, p.Dir, p.Path, p.Args...)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.life = life
	p.mu.Unlock()
	return p.waitReady(ctx, life.Done())
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
func (p *Process) Done() <-chan struct{} { return p.now().Done() }

func (p *Process) now() *child.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
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
	life := p.now()
	if life == nil {
		return nil
	}
	return life.End(sig)
}

// KillChildren ends the processes that p started, as kill -9 does.
func (p *Process) KillChildren(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "pgrep", "-P", strconv.Itoa(p.now().Pid())).Output() //nolint:gosec // a number
	if err != nil {
		return fmt.Errorf("list children of %s: %w", p.Name, err)
	}
	for field := range strings.FieldsSeq(string(out)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return fmt.Errorf("list children of %s: %w", p.Name, err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill child %d of %s: %w", pid, p.Name, err)
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
