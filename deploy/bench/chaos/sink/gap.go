package sink

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"millrace/deploy/internal/pause"
)

// gapKill kills the engine in the gap of a table: its deduplication log has the token of an insert, and the part that was written
// has not got its name. After the restart the token is known and the rows are not there, so that a repeat with the same token is
// answered with success and stores nothing.
//
// The gap is some microseconds long. strace makes it longer: it holds every rename of the engine up at its beginning. The log's growth
// then says that the gap has begun. Without strace the growth is all there is, and the kill often comes too late.
type gapKill struct {
	engine *keeper
	strace string // path; "" for none
}

func newGapKill(k *keeper) *gapKill {
	path, err := exec.LookPath("strace")
	if err != nil {
		path = ""
	}
	return &gapKill{engine: k, strace: path}
}

// Times of a gapKill. A rename is held up for longer than the look at the log takes on a busy machine.
const (
	renameHeld = 250 * time.Millisecond
	gapWithin  = 12 * time.Second
)

var (
	errNoGap   = errors.New("no insert came in time")
	errNoTrace = errors.New("strace cannot attach")
)

// strike waits for the gap of the table whose data is in folder and kills the engine in it. It reports whether the process was
// seen in the gap: a part that waits for its name was left behind.
func (g *gapKill) strike(ctx context.Context, folder string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, gapWithin)
	defer cancel()
	if g.strace != "" {
		detach, err := g.attach(ctx)
		if err != nil {
			return false, err
		}
		defer detach()
	}
	before := logSize(folder)
	for logSize(folder) == before {
		if pause.For(ctx, time.Millisecond) != nil {
			return false, errNoGap
		}
	}
	if err := g.engine.kill(); err != nil {
		return false, err
	}
	return unnamed(folder), nil
}

// attach makes strace hold every rename of the engine up. detach lets go of it, also when the engine is dead.
func (g *gapKill) attach(ctx context.Context) (detach func(), err error) {
	pid := g.engine.pid()
	if pid == 0 {
		return nil, errNoTrace
	}
	//nolint:gosec // our own arguments
	cmd := exec.CommandContext(context.WithoutCancel(ctx), g.strace, "-f", "-p", strconv.Itoa(pid), "-e", "trace=/^rename", "-e", "signal=none",
		"-e", fmt.Sprintf("inject=/^rename:delay_enter=%d", renameHeld.Microseconds()))
	said, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoTrace, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoTrace, err)
	}
	attached := make(chan bool, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			if strings.Contains(lines.Text(), " attached") {
				select {
				case attached <- true:
				default:
				}
			}
		}
		select {
		case attached <- false:
		default:
		}
	}()
	detach = func() {
		_ = cmd.Process.Signal(os.Interrupt) // the end with which strace lets its tracees go
		timer := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		<-read
		_ = cmd.Wait()
	}
	select {
	case ok := <-attached:
		if ok {
			return detach, nil
		}
	case <-ctx.Done():
	}
	detach()
	return nil, errNoTrace
}

// logSize is the size of a table's deduplication log, all its files together.
func logSize(folder string) (sum int64) {
	files, _ := filepath.Glob(filepath.Join(folder, "deduplication_logs", "*"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// unnamed tells whether there is a part of an insert that has not got its name.
func unnamed(folder string) bool {
	parts, _ := filepath.Glob(filepath.Join(folder, "tmp_insert_*"))
	return len(parts) > 0
}
