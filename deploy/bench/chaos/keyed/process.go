package keyed

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

// stopWithin is how long a member may take to end after SIGTERM: its grace, a commit and leaving the group.
const stopWithin = 20 * time.Second

// process is one life of a member process.
type process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	asked atomic.Bool   // its end is ours
	done  chan struct{} // closed when it has ended
	err   error         // how it ended; to be read after done
}

// launch starts this program again as a member. The child ends with us, however that comes.
func launch(ctx context.Context, spec *memberSpec) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Process, err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Process, err)
	}
	log, err := os.OpenFile(filepath.Join(spec.Dir, spec.Process+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Process, err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, MemberRole, "-spec", string(text)) //nolint:gosec // ourselves
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttr()
	p := &process{name: spec.Process, cmd: cmd, done: make(chan struct{})}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Process, err)
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
		return nil, fmt.Errorf("start %s: %w", spec.Process, err)
	}
	return p, nil
}

func (p *process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", sig, p.name, err)
	}
	return nil
}

// wait waits for the end, for d at most; false means that the process still runs.
func (p *process) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// end ends the process with a signal that we answer for, or with kill -9 when that does not do. The error says how it went wrong.
func (p *process) end(sig syscall.Signal) error {
	p.asked.Store(true)
	if err := p.signal(sig); err != nil {
		return err
	}
	if !p.wait(stopWithin) {
		_ = p.signal(syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s did not end within %v of %v", p.name, stopWithin, sig)
	}
	if sig == syscall.SIGTERM && p.err != nil {
		return fmt.Errorf("%s ended after SIGTERM with: %w", p.name, p.err)
	}
	return nil
}
