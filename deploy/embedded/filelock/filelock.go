// Package filelock keeps two processes out of one directory.
//
// It is flock(2): the kernel drops the lock when its holder dies, however it dies, so there is never a stale lock file to
// clean up. The file itself stays behind on purpose: removing it would let a waiter hold a lock on a file that nobody else
// can see.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHeld is wrapped by the errors of TryLock and Lock when another process holds the lock.
var ErrHeld = errors.New("held by another process")

// retryInterval is how often Lock looks again. flock has a blocking form, but a goroutine stuck in it cannot be cancelled.
const retryInterval = 50 * time.Millisecond

// Lock is a held lock. Close lets it go.
type Lock struct{ file *os.File }

// TryLock takes the lock at path, creating the file and its directory where needed, and never waits. The error wraps
// ErrHeld, and names the holder's process id where that is known, when the lock is taken.
func TryLock(path string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("create directory of lock %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600) //nolint:gosec // the path is the caller's own
	if err != nil {
		return nil, fmt.Errorf("open lock %s: %w", path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := readHolder(f)
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s%s: %w", path, holder, ErrHeld)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The id is for the message above alone; a failure to write it must not cost the lock.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &Lock{file: f}, nil
}

// Acquire takes the lock, waiting for its present holder until ctx ends. waiting, if not nil, is called once when the
// first try finds the lock taken. The error joins ErrHeld and the cause of ctx when the wait was in vain.
func Acquire(ctx context.Context, path string, waiting func()) (*Lock, error) {
	tick := time.NewTicker(retryInterval)
	defer tick.Stop()
	for first := true; ; first = false {
		l, err := TryLock(path)
		if err == nil || !errors.Is(err, ErrHeld) {
			return l, err
		}
		if first && waiting != nil {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Close lets the lock go.
func (l *Lock) Close() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("release lock %s: %w", l.file.Name(), err)
	}
	return nil
}

func readHolder(f *os.File) string {
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	if pid := strings.TrimSpace(string(buf[:n])); pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}
