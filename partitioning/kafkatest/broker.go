package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// clusterID is the id that every broker's storage is formatted with: 16 bytes in base64url. Clusters never meet, so one will do.
const clusterID = "bWlsbHJhY2Uta2Fma2F0ZQ"

// broker is one Kafka node, running or not.
type broker struct {
	c          *Cluster
	index      int
	properties string // file
	dataDir    string
	logFile    string

	mu     sync.Mutex
	proc   *process // nil before the first start
	paused bool
}

func newBroker(c *Cluster, i int) *broker {
	dir := filepath.Join(c.dir, fmt.Sprintf("broker-%d", i))
	return &broker{
		c: c, index: i, properties: dir + ".properties", dataDir: dir, logFile: dir + ".log",
	}
}

// format writes the broker's properties and prepares its storage, SCRAM users included.
func (b *broker) format(ctx context.Context) error {
	if err := os.WriteFile(b.properties, []byte(b.c.properties(b.index, b.dataDir)), 0o600); err != nil {
		return fmt.Errorf("format kafka broker %d: %w", b.index, err)
	}
	args := []string{"format", "-t", clusterID, "-c", b.properties}
	if b.c.cfg.SASL {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, saslUser, saslPassword))
		}
	}
	if _, err := runClass(ctx, b.c.libs, nil, "kafka.tools.StorageTool", args...); err != nil {
		return fmt.Errorf("format kafka broker %d: %w", b.index, err)
	}
	return nil
}

// start starts the process; it does not wait for the broker to be ready.
func (b *broker) start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc != nil && b.proc.running() {
		return fmt.Errorf("start kafka broker %d: it is running already", b.index)
	}
	log, err := os.OpenFile(b.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start kafka broker %d: %w", b.index, err)
	}
	defer log.Close()
	args := []string{"-Xmx" + b.c.cfg.Heap, "-XX:+UseSerialGC"}
	if !b.c.cfg.FullJIT {
		args = append(args, "-XX:TieredStopAtLevel=1")
	}
	args = append(args, "-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS", "-cp", filepath.Join(b.c.libs, "*"), "kafka.Kafka", b.properties)
	// The broker lives until kill: the context bounds its start only.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "java", args...) //nolint:gosec // our own arguments
	cmd.Stdout, cmd.Stderr = log, log
	if b.proc, err = startProcess(cmd); err != nil {
		return fmt.Errorf("start kafka broker %d: %w", b.index, err)
	}
	b.paused = false
	return nil
}

func (b *broker) kill() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc == nil {
		return nil
	}
	if err := b.proc.end(context.Background(), syscall.SIGKILL, killTimeout); err != nil {
		return fmt.Errorf("kill kafka broker %d: %w", b.index, err)
	}
	b.paused = false
	return nil
}

func (b *broker) stop() error {
	b.mu.Lock()
	if b.proc == nil || b.paused {
		b.mu.Unlock()
		return fmt.Errorf("stop kafka broker %d: it is not running, or paused", b.index)
	}
	err := b.proc.end(context.Background(), syscall.SIGTERM, stopTimeout)
	b.mu.Unlock()
	if err != nil {
		return errors.Join(fmt.Errorf("stop kafka broker %d: %w", b.index, err), b.kill())
	}
	return nil
}

func (b *broker) pause() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc == nil || !b.proc.running() {
		return fmt.Errorf("pause kafka broker %d: it is not running", b.index)
	}
	if err := b.proc.signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("pause kafka broker %d: %w", b.index, err)
	}
	b.paused = true
	return nil
}

func (b *broker) resume() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.paused {
		return fmt.Errorf("resume kafka broker %d: it is not paused", b.index)
	}
	if err := b.proc.signal(syscall.SIGCONT); err != nil {
		return fmt.Errorf("resume kafka broker %d: %w", b.index, err)
	}
	b.paused = false
	return nil
}

func (b *broker) pid() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc == nil || !b.proc.running() {
		return 0
	}
	return b.proc.cmd.Process.Pid
}

// serving tells whether the broker runs and is not paused.
func (b *broker) serving() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.proc != nil && b.proc.running() && !b.paused
}

// logTail returns the last lines of the broker's log, for people.
func (b *broker) logTail() string {
	return b.logLines(func(string) bool { return true })
}

// complaints returns the last warnings and errors of the broker's log, for people.
func (b *broker) complaints() string {
	return b.logLines(func(line string) bool { return strings.Contains(line, " WARN ") || strings.Contains(line, " ERROR ") })
}

// logLines returns the last lines of the log that keep wants.
func (b *broker) logLines(keep func(string) bool) string {
	const most = 25
	data, err := os.ReadFile(b.logFile)
	if err != nil {
		return fmt.Sprintf("(its log cannot be read: %v)", err)
	}
	var kept []string
	for line := range strings.Lines(string(data)) {
		if keep(line) {
			kept = append(kept, strings.TrimRight(line, "\n"))
		}
	}
	return strings.Join(kept[max(0, len(kept)-most):], "\n")
}

// deathReport says why a broker that should run does not.
func (b *broker) deathReport() error {
	data, _ := os.ReadFile(b.logFile) // an unreadable log is reported by logTail
	if bytes.Contains(data, []byte("Address already in use")) || bytes.Contains(data, []byte("Socket server failed to bind")) {
		return fmt.Errorf("kafka broker %d ended: %w; the end of its log:\n%s", b.index, errPortTaken, b.logTail())
	}
	return fmt.Errorf("kafka broker %d ended; the end of its log:\n%s", b.index, b.logTail())
}
