package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopWithin is how long a process may take for a clean stop.
const stopWithin = 30 * time.Second

// line is what a process prints about itself: how much it has handled when that has changed, each record where it was asked to
// trace, and a last word at a clean end.
type line struct {
	At      int64 `json:"at"` // microseconds since 1970
	Handled int64 `json:"handled,omitempty"`

	Trace     bool  `json:"trace,omitempty"`
	Partition int32 `json:"partition,omitempty"`
	Offset    int64 `json:"offset,omitempty"`

	End         bool    `json:"end,omitempty"`
	Mallocs     uint64  `json:"mallocs,omitempty"`
	Allocated   uint64  `json:"allocated,omitempty"`    // bytes
	ByPartition []int64 `json:"by_partition,omitempty"` // records
}

// child is a process under measurement. It ends when its standard input does.
type child struct {
	name    string
	cmd     *exec.Cmd
	in      io.Closer
	started time.Time
	done    chan struct{} // closed when it has ended and its output is read

	mu      sync.Mutex
	samples []sample
	traces  []line
	last    line // the last word
	err     error
}

// launch starts a process. It does not wait for anything.
func launch(ctx context.Context, name, program string, args ...string) (*child, error) {
	// A clean stop comes first, so the context alone must not kill.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...) //nolint:gosec // this very program, or java
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &child{name: name, cmd: cmd, in: in, started: time.Now(), done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(c.done)
		readErr := c.read(out)
		waitErr := cmd.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.err = errors.Join(readErr, waitErr)
	}()
	return c, nil
}

func (c *child) read(out io.Reader) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("%s said %q: %w", c.name, lines.Text(), err)
		}
		c.mu.Lock()
		switch {
		case l.Trace:
			c.traces = append(c.traces, l)
		case l.End:
			c.last = l
			c.samples = append(c.samples, sample{l.At, l.Handled})
		default:
			c.samples = append(c.samples, sample{l.At, l.Handled})
		}
		c.mu.Unlock()
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read output of %s: %w", c.name, err)
	}
	return nil
}

func (c *child) handled() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.samples) == 0 {
		return 0
	}
	return c.samples[len(c.samples)-1].handled
}

func (c *child) history() []sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]sample(nil), c.samples...)
}

// traced returns the records handled at or after a moment.
func (c *child) traced(since time.Time) []line {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := len(c.traces)
	for i > 0 && c.traces[i-1].At >= since.UnixMicro() {
		i--
	}
	return append([]line(nil), c.traces[i:]...)
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// memory returns the resident memory now and at its highest, in MB, as Linux counts it.
func (c *child) memory() (now, peak float64, err error) { return residentMB(c.cmd.Process.Pid) }

func residentMB(pid int) (now, peak float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	for l := range strings.Lines(string(text)) {
		for name, value := range map[string]*float64{"VmRSS:": &now, "VmHWM:": &peak} {
			if rest, ok := strings.CutPrefix(l, name); ok {
				kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				if err != nil {
					return 0, 0, fmt.Errorf("read memory of process %d: %w", pid, err)
				}
				*value = kb / 1024
			}
		}
	}
	return now, peak, nil
}

// stop ends the process cleanly and returns its last word.
func (c *child) stop() (line, error) {
	if err := c.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return line{}, fmt.Errorf("stop %s: %w", c.name, err)
	}
	return c.wait(stopWithin)
}

func (c *child) wait(within time.Duration) (line, error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-c.done:
	case <-limit.C:
		_ = c.cmd.Process.Kill() // it may just have ended
		<-c.done
		return line{}, fmt.Errorf("%s did not end within %s", c.name, within)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.last, fmt.Errorf("%s: %w", c.name, c.err)
	}
	if !c.last.End {
		return c.last, fmt.Errorf("%s ended without its last word", c.name)
	}
	return c.last, nil
}

// kill ends the process as kill -9 does.
func (c *child) kill() {
	_ = c.cmd.Process.Signal(syscall.SIGKILL) // already gone is as good
	<-c.done
}

// cpu is the time that the ended process has spent on processors in its whole life.
func (c *child) cpu() time.Duration {
	return c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime()
}

// until polls cond until it holds, a process has ended, or the time is over; what says what was waited for.
func until(ctx context.Context, within time.Duration, what string, processes []*child, cond func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := cond()
		if err != nil {
			return fmt.Errorf("wait until %s: %w", what, err)
		}
		if ok {
			return nil
		}
		for _, c := range processes {
			if c.ended() {
				_, err := c.wait(time.Second)
				return fmt.Errorf("wait until %s: %s has ended: %w", what, c.name, err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		}
	}
}
