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
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopWithin is how long a process may take for a clean stop.
const stopWithin = 60 * time.Second

// line is what a process prints about itself whenever its rows have changed.
type line struct {
	At        int64   `json:"at"` // microseconds since 1970
	Rows      int64   `json:"rows"`
	Batches   int64   `json:"batches"`
	Began     int64   `json:"began"` // microseconds since 1970: the first batch of records came from Kafka, or the first insert was sent
	CPUMicros int64   `json:"cpu_micros"`
	PeakMB    float64 `json:"peak_mb"`
	Allocated uint64  `json:"allocated"` // bytes in all
	Mallocs   uint64  `json:"mallocs"`
}

// child is a process under measurement. It ends when its standard input does.
type child struct {
	name string
	cmd  *exec.Cmd
	in   io.Closer
	done chan struct{} // closed when it has ended and its output is read

	mu    sync.Mutex
	lines []line
	err   error
}

// launch starts this program as a child.
func launch(ctx context.Context, spec childSpec) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode what the child is: %w", err)
	}
	// A clean stop comes first, so the context alone must not kill.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, "-child", string(text)) //nolint:gosec // this very program
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Role, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Role, err)
	}
	c := &child{name: spec.Role, cmd: cmd, in: in, done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Role, err)
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
	for lines := bufio.NewScanner(out); ; {
		if !lines.Scan() {
			return lines.Err()
		}
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("%s said %q: %w", c.name, lines.Text(), err)
		}
		c.mu.Lock()
		c.lines = append(c.lines, l)
		c.mu.Unlock()
	}
}

// reached returns the first line with at least so many rows.
func (c *child) reached(rows int) (line, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		if l.Rows >= int64(rows) {
			return l, true
		}
	}
	return line{}, false
}

// await waits until the child has so many rows.
func (c *child) await(ctx context.Context, rows int, within time.Duration) (line, error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if l, ok := c.reached(rows); ok {
			return l, nil
		}
		select {
		case <-tick.C:
		case <-c.done:
			if l, ok := c.reached(rows); ok {
				return l, nil
			}
			return line{}, errors.Join(fmt.Errorf("%s ended before it had %d rows", c.name, rows), c.failure())
		case <-limit.C:
			return line{}, fmt.Errorf("%s did not get to %d rows within %s", c.name, rows, within)
		case <-ctx.Done():
			return line{}, context.Cause(ctx)
		}
	}
}

func (c *child) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// stop ends the process cleanly.
func (c *child) stop() error {
	if err := c.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	limit := time.NewTimer(stopWithin)
	defer limit.Stop()
	select {
	case <-c.done:
	case <-limit.C:
		c.kill()
		return fmt.Errorf("%s did not end within %s", c.name, stopWithin)
	}
	if err := c.failure(); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// kill ends the process as kill -9 does.
func (c *child) kill() {
	_ = c.cmd.Process.Signal(syscall.SIGKILL) // already gone is as good
	<-c.done
}

// usage is what this process has used so far.
func usage(l *line) error {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return fmt.Errorf("read processor time: %w", err)
	}
	l.CPUMicros = time.Duration(u.Utime.Nano() + u.Stime.Nano()).Microseconds()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	l.Allocated, l.Mallocs = mem.TotalAlloc, mem.Mallocs
	peak, err := peakMB(os.Getpid())
	l.PeakMB = peak
	return err
}

// peakMB is the highest resident memory of a process as Linux counts it.
func peakMB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	for l := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, errors.New("no VmHWM line")
}
