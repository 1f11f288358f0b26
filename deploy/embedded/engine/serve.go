package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"millrace/deploy/embedded/engine/chdb"
	"millrace/deploy/embedded/filelock"
)

const (
	// lockWait is how long a new engine waits for the one before it, which ends itself when its parent dies.
	lockWait = 15 * time.Second
	// drainGrace is how long requests may go on after the stop was asked for.
	drainGrace = 5 * time.Second
	// maxInsertBytes is the largest data of one INSERT.
	maxInsertBytes = 8 << 30
	// listenerFD is the descriptor under which a child finds the listener that its parent bound: the first of ExtraFiles.
	listenerFD = 3
)

// Child is the body of the hidden command "millrace engine": it reads a ServeConfig from stdin, takes the listener that its
// parent left it in descriptor 3, and serves until ctx ends, SIGTERM arrives or stdin ends. stdin is a pipe whose other end only the parent
// holds, so it ends when the parent dies, kill -9 included, and does so on every system. Log lines go to logs as JSON.
func Child(ctx context.Context, stdin io.Reader, logs io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logs, nil))
	stdin, err := detachStdin(stdin)
	if err != nil {
		return err
	}
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read configuration from standard input (this command is started by millrace, not by hand): %w", err)
	}
	var cfg ServeConfig
	if err := json.Unmarshal(line, &cfg); err != nil {
		return fmt.Errorf("decode configuration: %w", err)
	}
	file := os.NewFile(listenerFD, "listener")
	listener, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("take over listener: %w", err)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		_, err := io.Copy(io.Discard, in)
		cancel(errors.Join(errors.New("the parent process is gone"), err))
	}()
	return Serve(ctx, cfg, listener, log)
}

// detachStdin moves standard input to another descriptor and leaves an empty one in its place. The engine, which thinks it is
// a command-line client, now and then asks descriptor 0 for more data to insert. On a pipe that stays open that never returns.
func detachStdin(stdin io.Reader) (io.Reader, error) {
	f, ok := stdin.(*os.File)
	if !ok || f.Fd() != 0 {
		return stdin, nil
	}
	moved, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("move standard input: %w", err)
	}
	empty, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("empty standard input: %w", err)
	}
	defer func() { _ = empty.Close() }()
	if err := replace(int(empty.Fd()), 0); err != nil {
		return nil, fmt.Errorf("empty standard input: %w", err)
	}
	return os.NewFile(uintptr(moved), "configuration"), nil
}

// Serve loads the engine, opens its data directory and serves HTTP on listener, which it closes, until ctx ends; then it
// lets running requests finish for a few seconds. One process can do this once. The error is nil after a stop by ctx.
func Serve(ctx context.Context, cfg ServeConfig, listener net.Listener, log *slog.Logger) error {
	defer func() { _ = listener.Close() }()
	begin := time.Now()
	wait, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock, err := filelock.Acquire(wait, cfg.DataDir+".lock", func() { log.InfoContext(ctx, "waiting for the engine before this one to end") })
	if err != nil {
		return fmt.Errorf("data directory %s is in use: %w", cfg.DataDir, err)
	}
	defer func() { _ = lock.Close() }()
	h, err := openEngine(cfg, log)
	if err != nil {
		return err
	}
	defer h.spool.close()
	log.InfoContext(ctx, "engine ready", "version", h.info.version, "seconds", time.Since(begin).Seconds(), "data_dir", cfg.DataDir, "fsync", cfg.Fsync)
	srv := &http.Server{Handler: h.routes(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.InfoContext(ctx, "engine stopping", "cause", context.Cause(ctx).Error())
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), drainGrace)
	defer stop()
	if err := srv.Shutdown(drain); err != nil {
		// A statement cannot be interrupted; the process ends with it, which is what a crash would do and is safe.
		log.WarnContext(ctx, "engine stopped with requests running", "err", err)
		return nil
	}
	h.pool.close()
	return nil
}

func openEngine(cfg ServeConfig, log *slog.Logger) (*handler, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o750); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	sp, err := newSpool(cfg.DataDir, maxInsertBytes)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(cfg.DataDir, "millrace-config.xml")
	if err := writeEngineConfig(config, cfg); err != nil {
		return nil, err
	}
	lib, err := chdb.Open(cfg.Library)
	if err != nil {
		return nil, err
	}
	p, err := openPool(lib, []string{"--path=" + cfg.DataDir, "--config-file=" + config}, cfg.Connections, log)
	if err != nil {
		return nil, err
	}
	h := &handler{pool: p, spool: sp, user: cfg.User, password: cfg.Password, log: log}
	about, err := p.anchor.Query([]byte("SELECT version(), displayName(), timezone()"), "TSV", nil)
	if err != nil {
		return nil, fmt.Errorf("ask the engine for its version: %w", err)
	}
	defer about.Close()
	if f := strings.Split(strings.TrimSpace(string(about.Bytes())), "\t"); len(f) == 3 {
		h.info = serverInfo{version: f[0], name: f[1], timezone: f[2]}
	}
	return h, nil
}

// engineConfig is the part of ClickHouse's server configuration that matters here.
//
// The two fsync settings are defaults of every MergeTree table, so they hold for tables made earlier as well, and stop
// holding when Fsync is switched off. Caches and pools are sized for a laptop: the defaults are those of a server with
// hundreds of gigabytes.
type engineConfig struct {
	XMLName            xml.Name `xml:"clickhouse"`
	MaxMemory          int64    `xml:"max_server_memory_usage"`
	BackgroundPool     int      `xml:"background_pool_size"`
	MarkCache          int      `xml:"mark_cache_size"`
	IndexMarkCache     int      `xml:"index_mark_cache_size"`
	PrimaryIndexCache  int      `xml:"primary_index_cache_size"`
	CompiledExpression int      `xml:"compiled_expression_cache_size"`
	MergeTree          struct {
		FsyncAfterInsert   int `xml:"fsync_after_insert"`
		FsyncPartDirectory int `xml:"fsync_part_directory"`
	} `xml:"merge_tree"`
}

func writeEngineConfig(path string, cfg ServeConfig) error {
	c := engineConfig{
		MaxMemory: cfg.MaxMemoryBytes, BackgroundPool: 2, MarkCache: 256 << 20,
		IndexMarkCache: 64 << 20, PrimaryIndexCache: 256 << 20, CompiledExpression: 32 << 20,
	}
	if cfg.Fsync {
		c.MergeTree.FsyncAfterInsert, c.MergeTree.FsyncPartDirectory = 1, 1
	}
	text, err := xml.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encode engine configuration: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write engine configuration: %w", err)
	}
	return nil
}
