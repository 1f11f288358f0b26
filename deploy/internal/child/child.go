// Package child starts this program again in another role, or another of our programs, for runs that kill what they test.
package child

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// StopWithin is how long a member may take to end after SIGTERM: its grace, a commit and leaving the group.
const StopWithin = 20 * time.Second

// Process is one life of a child. It ends with us, however that comes.
type Process struct {
	Name  string
	log   string // file that gets what it prints
	cmd   *exec.Cmd
	stdin io.Closer
	asked atomic.Bool   // its end is ours
	done  chan struct{} // closed when it has ended
	err   error         // how it ended; to be read after done
}

// Start starts this program with the role as its first argument and the spec, as JSON, as its flag -spec, like Program.
func Start(ctx context.Context, role, name, dir string, spec any) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return Program(ctx, name, dir, self, role, "-spec", string(text))
}

// Program starts the program at path. What it prints goes to a file <name>.log in dir. Its standard input is a pipe that stays open for
// as long as this process lives.
func Program(ctx context.Context, name, dir, path string, args ...string) (*Process, error) {
	file := filepath.Join(dir, name+".log")
	log, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // a folder of ours
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path, args...) //nolint:gosec // ourselves, or a program of ours
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attr()
	p := &Process{Name: name, log: file, cmd: cmd, done: make(chan struct{})}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	started := make(chan error)
	go func() {
		// The kernel sends the parent-death signal when the thread that forked ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Spec reads what a child was told from its flag -spec into a value.
func Spec(text string, spec any) error {
	if err := json.Unmarshal([]byte(text), spec); err != nil {
		return fmt.Errorf("read the child's spec: %w", err)
	}
	return nil
}

// WithParent returns a context that ends with the parent: where a parent's death does not end its children, the end of standard
// input does.
func WithParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return ctx, stop
}

// Ask notes that an end of the process is wanted from now on.
func (p *Process) Ask() { p.asked.Store(true) }

// Asked tells whether an end was wanted.
func (p *Process) Asked() bool { return p.asked.Load() }

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended. Valid after Done.
func (p *Process) Err() error { return p.err }

// Signal sends a signal; that the process has ended is no error.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", sig, p.Name, err)
	}
	return nil
}

// Wait waits for the end, for d at most; false means that the process still runs.
func (p *Process) Wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// End ends the process with a signal that we answer for, or with kill -9 when that does not do. The error says how it went wrong.
func (p *Process) End(sig syscall.Signal) error {
	p.Ask()
	if err := p.Signal(sig); err != nil {
		return err
	}
	if !p.Wait(StopWithin) {
		_ = p.Signal(syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s did not end within %v of %v", p.Name, StopWithin, sig)
	}
	if sig == syscall.SIGTERM && p.err != nil && !p.unborn() {
		return fmt.Errorf("%s ended after SIGTERM with: %w", p.Name, p.err)
	}
	return nil
}

// unborn tells whether SIGTERM met the process before it could hear it: it died of the signal itself, and had not said a word. On a
// machine with more to do than it can, the start of a program takes seconds.
func (p *Process) unborn() bool {
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	said, err := os.Stat(p.log)
	return ok && status.Signaled() && status.Signal() == syscall.SIGTERM && err == nil && said.Size() == 0
}
