package engine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one child.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{} // closed when the child is reaped and its output is read to the end
	err   error         // of Wait, valid after done

	mu   sync.Mutex
	last []string // the last lines it printed, for the error message
}

// start runs the command, hands it the listener as descriptor 3 and its configuration on a pipe that stays open for as long
// as this process lives.
func (s *Supervisor) start() (*process, error) {
	listener, err := s.listener.File()
	if err != nil {
		return nil, fmt.Errorf("lend listener: %w", err)
	}
	defer func() { _ = listener.Close() }()
	config, err := json.Marshal(s.cfg.serveConfig()) //nolint:gosec // the password goes to the child alone, by a pipe
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	//nolint:gosec,noctx // the program's own command; a context would kill the child where it is to be stopped gently
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.ExtraFiles = []*os.File{listener}
	// A group of its own: Ctrl-C goes to the whole group of the terminal, and the engine must outlive what still writes to it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.command[0], err)
	}
	p := &process{cmd: cmd, stdin: stdin, done: make(chan struct{})}
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.readOutput(reader, s.log)
	}()
	go func() {
		p.err = cmd.Wait()
		_ = writer.Close()
		<-read
		close(p.done)
	}()
	if _, err := stdin.Write(append(config, '\n')); err != nil {
		p.stop(0)
		return nil, fmt.Errorf("configure engine: %w", errors.Join(err, p.exitError()))
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// readOutput logs what the child prints, line by line.
func (p *process) readOutput(r io.Reader, log *slog.Logger) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		p.remember(line)
		log.Info("engine output", "pid", p.pid(), "line", line)
	}
	_, _ = io.Copy(io.Discard, r) // a line too long for the scanner must not block the child
}

func (p *process) remember(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = append(p.last, line)
	if len(p.last) > 5 {
		p.last = p.last[1:]
	}
}

// stop asks the child to end, waits for grace and kills it. It returns when the child is reaped.
func (p *process) stop(grace time.Duration) {
	defer func() { _ = p.stdin.Close() }()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// exitError says how the child ended, with the last lines it printed. Valid after done.
func (p *process) exitError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	if len(p.last) == 0 {
		return fmt.Errorf("process %d: %s", p.pid(), how)
	}
	return fmt.Errorf("process %d: %s: %s", p.pid(), how, strings.Join(p.last, " | "))
}
