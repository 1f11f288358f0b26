package kafkatest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const orphanEnv = "MILLRACE_KAFKATEST_ORPHAN"

// TestChildDiesWithAKilledParent runs this test again as the parent: it starts a child, tells its pid and gets killed.
func TestChildDiesWithAKilledParent(t *testing.T) {
	if os.Getenv(orphanEnv) != "" {
		dieAsParent(t)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildDiesWithAKilledParent$")
	cmd.Env = append(os.Environ(), orphanEnv+"=1")
	out, err := cmd.Output()
	if state := cmd.ProcessState; state == nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the parent was not killed: %v\n%s", err, out)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = poll(ctx, func(context.Context) error {
		if alive(pid) {
			return fmt.Errorf("the child %d lives", pid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func dieAsParent(t *testing.T) {
	t.Helper()
	p, err := startProcess(exec.CommandContext(t.Context(), "sleep", "300"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(p.cmd.Process.Pid)
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.done
}

// alive tells whether a process runs; one that has ended and that nobody has reaped yet does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}
