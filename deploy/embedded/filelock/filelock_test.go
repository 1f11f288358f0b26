package filelock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/deploy/embedded/filelock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestASecondHolderIsToldWhoHoldsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "lock")
	first, err := filelock.TryLock(path)
	if err != nil {
		t.Fatalf("TryLock() error: %v", err)
	}
	_, err = filelock.TryLock(path)
	if !errors.Is(err, filelock.ErrHeld) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Fatalf("second TryLock() error = %v, want ErrHeld with the holder's id", err)
	}
	if err := first.Close(); err != nil {
		t.Fatalf("Close() error: %v", err)
	}
	again, err := filelock.TryLock(path)
	if err != nil {
		t.Fatalf("TryLock() after Close error: %v", err)
	}
	_ = again.Close()
}

func TestAcquireWaitsForTheHolderAndGivesUpWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := filelock.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := filelock.Acquire(ctx, path, nil); !errors.Is(err, filelock.ErrHeld) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Acquire() error = %v, want ErrHeld and DeadlineExceeded", err)
	}
	// The holder lets go once the waiter has said that it waits: no timing involved.
	l, err := filelock.Acquire(t.Context(), path, func() { _ = held.Close() })
	if err != nil {
		t.Fatalf("Acquire() error: %v", err)
	}
	_ = l.Close()
}
