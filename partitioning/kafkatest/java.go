package kafkatest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// oldestJava is what Kafka 4 brokers need.
const oldestJava = 17

// checkJava tells whether java is there and young enough.
func checkJava(ctx context.Context) error {
	if _, err := exec.LookPath("java"); err != nil {
		return fmt.Errorf("%w: install Java %d or newer: %w", ErrUnavailable, oldestJava, err)
	}
	out, err := exec.CommandContext(ctx, "java", "-XshowSettings:properties", "-version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: java does not run: %w\n%s", ErrUnavailable, err, out)
	}
	version, err := javaVersion(string(out))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if version < oldestJava {
		return fmt.Errorf("%w: Kafka %s needs Java %d or newer, this is %d", ErrUnavailable, Version, oldestJava, version)
	}
	return nil
}

// javaVersion finds the feature release in the settings that java prints, e.g. 17.
func javaVersion(settings string) (int, error) {
	for line := range strings.Lines(settings) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "java.specification.version = "); ok {
			// Java 8 calls itself 1.8, which is as good as 1 here: too old.
			major, _, _ := strings.Cut(text, ".")
			return strconv.Atoi(major)
		}
	}
	return 0, fmt.Errorf("java does not tell its version: %q", settings)
}

// RunJava runs `java -cp <Kafka's jars> args...` with stdin (nil: none) and returns what it wrote to standard output. args may
// name a class or a single .java source file, and may begin with JVM options. ctx bounds it; the error has its standard error.
//
// libs is what Libs or Cluster.LibsDir returned.
func RunJava(ctx context.Context, libs string, stdin io.Reader, args ...string) ([]byte, error) {
	all := append([]string{
		"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		// A tool's log lines go to standard error; those below a warning would only hide the error there.
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(libs, "*"),
	}, args...)
	cmd := exec.CommandContext(ctx, "java", all...) //nolint:gosec // the caller's arguments are the point
	cmd.WaitDelay = time.Second
	stdout, err := runCommand(cmd, stdin)
	if err != nil {
		return stdout, fmt.Errorf("java %s: %w", strings.Join(args, " "), err)
	}
	return stdout, nil
}

// runClass is RunJava for a class of Kafka.
func runClass(ctx context.Context, libs string, stdin io.Reader, class string, args ...string) ([]byte, error) {
	return RunJava(ctx, libs, stdin, append([]string{class}, args...)...)
}

// runCommand runs a command that ends by itself; the error has what it wrote to standard error.
func runCommand(cmd *exec.Cmd, stdin io.Reader) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	p, err := startProcess(cmd)
	if err != nil {
		return nil, err
	}
	<-p.done
	if p.err != nil {
		return stdout.Bytes(), fmt.Errorf("%w: %s", p.err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// Tool runs a tool class of Kafka, e.g. org.apache.kafka.tools.TopicCommand with its arguments, and returns its standard
// output. ctx bounds it.
func (c *Cluster) Tool(ctx context.Context, class string, args ...string) ([]byte, error) {
	return runClass(ctx, c.libs, nil, class, args...)
}
