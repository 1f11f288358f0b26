package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"millrace/cmd/storesim/flood"
	"millrace/deploy/bench/internal/shell"
	"millrace/partitioning/kafkatest"
)

// options are the command line.
type options struct {
	serve, brokers, dir string
	duration, warmup    time.Duration
	connections         int
	sizes               []int
	roles               []string
}

func main() { os.Exit(shell.Run("bench-ingest", run)) }

func parse(args []string) (options, error) {
	var o options
	var sizes, roles string
	f := flag.NewFlagSet("bench-ingest", flag.ContinueOnError)
	f.StringVar(&o.serve, "serve", "", "for the program itself: the server to be")
	f.StringVar(&o.brokers, "brokers", "", "for the program itself: Kafka's addresses")
	f.StringVar(&o.dir, "dir", "", "for the program itself: folder for data")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "measured time of each run")
	f.DurationVar(&o.warmup, "warmup", 20*time.Second, "load before each measured run; a JVM needs it")
	f.IntVar(&o.connections, "connections", 64, "kept-alive connections")
	f.StringVar(&sizes, "sizes", "2048,10240", "body sizes in bytes")
	f.StringVar(&roles, "roles", "bare,embedded,embedded-fsync,ingest", "servers to measure; ingest is the one on a real Kafka")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	o.roles = strings.Split(roles, ",")
	for s := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return o, fmt.Errorf("-sizes: %w", err)
		}
		o.sizes = append(o.sizes, n)
	}
	return o, nil
}

func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.serve != "" {
		return serve(ctx, o.serve, o.brokers, o.dir)
	}
	if o.dir, err = os.MkdirTemp("", "millrace-bench-"); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	fmt.Println("| server | body | requests/s | of bare | p50 ms | p99 ms | p99.9 ms | at half rate: p50 | p99 | p99.9 | resident MB | allocations/request | bytes/request |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, size := range o.sizes {
		var bareRate float64
		for _, role := range o.roles {
			r, err := measure(ctx, o, role, size)
			if err != nil {
				return fmt.Errorf("%s with %d bytes: %w", role, size, err)
			}
			if role == "bare" {
				bareRate = r.full.PerSecond
			}
			r.print(role, size, bareRate)
		}
	}
	return nil
}

// result is one server under one body size.
type result struct {
	full, half *flood.Report
	residentMB float64
	mallocs    float64 // per request, the server's whole process
	allocated  float64 // bytes per request
}

func (r result) print(role string, size int, bareRate float64) {
	ms := func(us int64) string { return strconv.FormatFloat(float64(us)/1000, 'f', 2, 64) }
	f, h := r.full.Latency, r.half.Latency
	fmt.Printf("| %s | %d | %.0f | %.2f | %s | %s | %s | %s | %s | %s | %.0f | %.0f | %.0f |\n", role, size, r.full.PerSecond, r.full.PerSecond/bareRate,
		ms(f.P50), ms(f.P99), ms(f.P999), ms(h.P50), ms(h.P99), ms(h.P999), r.residentMB, r.mallocs, r.allocated)
}

// measure starts a server, and a Kafka where it needs one, loads it as hard as it goes, then at half that rate.
func measure(ctx context.Context, o options, role string, size int) (r result, err error) {
	var brokers []string
	if role == "ingest" {
		kafka, err := kafkatest.New(ctx, kafkatest.Config{Brokers: 1, FullJIT: true, Heap: "1g"})
		if err != nil {
			return r, fmt.Errorf("start Kafka: %w", err)
		}
		defer func() { err = errors.Join(err, kafka.Close()) }()
		brokers = kafka.Brokers()
		if err := createTopics(ctx, brokers, 24); err != nil {
			return r, err
		}
	}
	s, err := launch(ctx, role, strings.Join(brokers, ","), filepath.Join(o.dir, fmt.Sprint(role, size)))
	if err != nil {
		return r, err
	}
	cfg := flood.DefaultConfig()
	cfg.URL, cfg.Secret = "http://"+s.addr+"/webhooks", benchSecret
	cfg.Connections, cfg.BodySize, cfg.Warmup, cfg.Duration = o.connections, size, o.warmup, o.duration
	var answered int64
	load := func(rate float64) (*flood.Report, error) {
		cfg.Rate = rate
		fl, err := flood.New(cfg)
		if err != nil {
			return nil, fmt.Errorf("prepare load: %w", err)
		}
		rep, err := fl.Run(ctx)
		if err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
		answered += fl.Done()
		if rep.Failed() > 0 {
			fmt.Fprintf(os.Stderr, "%s: %d requests failed: statuses %v, faults %v, %s\n", role, rep.Failed(), rep.Statuses, rep.Faults, rep.LastError)
		}
		return rep, nil
	}
	if r.full, err = load(0); err == nil {
		r.residentMB, err = s.residentMB()
	}
	if err == nil {
		cfg.Warmup = min(o.warmup, 2*time.Second)
		r.half, err = load(r.full.PerSecond / 2)
	}
	mallocs, allocated, stopErr := s.stop()
	r.mallocs, r.allocated = mallocs/float64(max(answered, 1)), allocated/float64(max(answered, 1))
	return r, errors.Join(err, stopErr)
}

// server is this program again, as one of the servers.
type server struct {
	cmd  *exec.Cmd
	addr string
	in   io.Closer
	out  *bufio.Reader
}

func launch(ctx context.Context, role, brokers, dir string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-serve", role, "-brokers", brokers, "-dir", dir) //nolint:gosec // this very program
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	s := &server{cmd: cmd, in: in, out: bufio.NewReader(out)}
	line, err := s.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not start: %w", role, err), cmd.Wait())
	}
	s.addr = strings.TrimSpace(line)
	return s, nil
}

// residentMB is the server's resident memory as Linux counts it.
func (s *server) residentMB() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of the server: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, errors.New("no VmRSS line")
}

// stop ends the server and returns what it allocated in its life.
func (s *server) stop() (mallocs, allocated float64, err error) {
	if err := s.in.Close(); err != nil {
		return 0, 0, fmt.Errorf("stop server: %w", err)
	}
	_, scanErr := fmt.Fscan(s.out, &mallocs, &allocated)
	return mallocs, allocated, errors.Join(scanErr, s.cmd.Wait())
}
