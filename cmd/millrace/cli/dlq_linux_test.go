package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"millrace/cmd/millrace/cli"
)

// terminal is both ends of a pseudo-terminal: a person's, and the program's.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func TestOnATerminalRedriveAsks(t *testing.T) {
	t.Parallel()
	g := some(t)
	for _, step := range []struct {
		answer string
		code   int
		says   string
	}{
		{"\n", cli.ExitUsage, "not confirmed"},
		{"n\n", cli.ExitUsage, "not confirmed"},
		{"\x04", cli.ExitUsage, "no answer"},
		{"y\n", cli.ExitOK, "dead letter redriven"},
	} {
		person, tty := terminal(t)
		var seen watchedText
		read := make(chan struct{})
		go func() { // until the program's end is closed
			defer close(read)
			_, _ = io.Copy(&seen, person)
		}()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			for deadline := time.Now().Add(limit); !strings.Contains(seen.String(), "redrive 3 dead letters of millrace-inventory? [y/N]"); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					return
				}
			}
			_, _ = person.WriteString(step.answer)
		}()
		var stdout bytes.Buffer
		code := cli.Run(t.Context(), cli.Process{Args: append([]string{"dlq", "redrive"}, g.flags...), Stdin: tty, Stdout: &stdout, Stderr: tty})
		<-answered
		tty.Close()
		<-read
		if code != step.code || !strings.Contains(seen.String(), step.says) {
			t.Errorf("with the answer %q: %d, want %d and %q:\n%s%s", step.answer, code, step.code, step.says, stdout.String(), seen.String())
		}
		if done := strings.Contains(stdout.String(), "3 redriven"); done != (step.code == cli.ExitOK) {
			t.Errorf("with the answer %q it printed:\n%s", step.answer, stdout.String())
		}
	}
}

type watchedText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *watchedText) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *watchedText) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
