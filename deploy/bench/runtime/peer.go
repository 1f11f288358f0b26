package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"millrace/partitioning/kafkatest"
)

// peerVersion is what peer/pom.xml asks for.
const peerVersion = "0.5.3.3"

// peerHeap is the limit of the peer's memory.
const peerHeap = "1g"

//go:embed peer/pom.xml
var peerPOM []byte

//go:embed peer/libs.sha256
var peerSums string

//go:embed peer/Peer.java
var peerSource []byte

// peer is Confluent's Parallel Consumer, ready to be run.
type peer struct {
	classpath string
}

// newPeer fetches the peer's jars and compiles the program around them.
func newPeer(ctx context.Context, dir string, progress io.Writer) (*peer, error) {
	jars := kafkatest.Jars{
		Name: "Confluent Parallel Consumer", Version: peerVersion, Folder: "parallel-consumer-" + peerVersion, POM: peerPOM, Sums: peerSums,
	}
	libs, err := jars.Dir(ctx, progress)
	if err != nil {
		return nil, fmt.Errorf("%w (-no-peer measures without it)", err)
	}
	javac, err := exec.LookPath("javac")
	if err != nil {
		return nil, fmt.Errorf("install a Java development kit (javac), which compiles the peer's program; -no-peer measures without it: %w", err)
	}
	source, classes := filepath.Join(dir, "Peer.java"), filepath.Join(dir, "classes")
	if err := os.WriteFile(source, peerSource, 0o600); err != nil {
		return nil, fmt.Errorf("write the peer's program: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, javac, "-d", classes, "-cp", filepath.Join(libs, "*"), source).CombinedOutput() //nolint:gosec // our own program
	if err != nil {
		return nil, fmt.Errorf("compile the peer's program: %w\n%s", err, out)
	}
	return &peer{classpath: classes + string(os.PathListSeparator) + filepath.Join(libs, "*")}, nil
}

// start starts a peer in a consumer group.
func (p *peer) start(ctx context.Context, brokers, topic, group string, workers int, sleep time.Duration, settings []string) (*child, error) {
	if p == nil {
		return nil, errors.New("start the peer: it was left out")
	}
	args := []string{
		"-Xmx" + peerHeap, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", p.classpath, "Peer",
		brokers, topic, group, strconv.Itoa(workers), strconv.FormatInt(sleep.Milliseconds(), 10),
	}
	return launch(ctx, "the peer", "java", append(args, settings...)...)
}
