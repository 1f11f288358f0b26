package engine_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/deploy/embedded/engine"
	"millrace/deploy/embedded/enginetest"
	"millrace/deploy/embedded/filelock"
)

func TestATakenPortIsAnErrorBeforeAnythingStarts(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cfg := engine.DefaultConfig()
	cfg.Addr, cfg.DataDir, cfg.Library = l.Addr().String(), filepath.Join(t.TempDir(), "data"), "/nowhere/libchdb.so"
	sup, err := engine.New(cfg, engine.Deps{Logger: slog.New(slog.DiscardHandler), Command: []string{"/nowhere/millrace"}})
	if err != nil {
		t.Fatal(err)
	}
	err = sup.Run(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), cfg.Addr) {
		t.Errorf("Run() error = %v, want address in use, with the address", err)
	}
	if _, err := os.Stat(cfg.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data directory was touched: %v", err)
	}
	if sup.Starts() != 0 {
		t.Errorf("%d processes were started", sup.Starts())
	}
}

func TestAnEngineThatCannotStartSaysWhy(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := engine.DefaultConfig()
	cfg.Addr, cfg.DataDir, cfg.Library = "127.0.0.1:0", filepath.Join(t.TempDir(), "data"), "/nowhere/libchdb.so"
	sup, err := engine.New(cfg, engine.Deps{Logger: slog.New(slog.DiscardHandler), Command: []string{self}, Env: []string{enginetest.ChildEnv()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := sup.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "/nowhere/libchdb.so") {
		t.Errorf("Run() error = %v, want one that names the library", err)
	}
}

func TestConfigReportsAllMistakesAtOnce(t *testing.T) {
	cfg := engine.DefaultConfig()
	cfg.DataDir, cfg.Library = "d", "l"
	if err := cfg.Validate(); err != nil {
		t.Fatalf("the default configuration is wrong: %v", err)
	}
	err := engine.Config{}.Validate()
	for _, key := range []string{"addr ", "data_dir ", "library ", "user ", "connections ", "max_memory_bytes ", "start_timeout ", "stop_timeout "} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+key) {
			t.Errorf("Validate() error = %v, want a line that begins with %q", err, key)
		}
	}
}

// TestAcknowledgedRowsSurviveKills kills the engine while writers insert. A writer repeats what was not acknowledged under a
// new token: with the old one it would now and then be told OK for rows that are not there, since ClickHouse writes its log of
// tokens before it commits the part. That hole is ClickHouse's own, and whoever repeats a token after a crash has to read back.
func TestAcknowledgedRowsSurviveKills(t *testing.T) {
	e := enginetest.Start(t)
	conn := connect(t, e, func(o *clickhouse.Options) { o.MaxOpenConns = 8; o.DialTimeout = 10 * time.Second })
	execute(t, conn, "CREATE DATABASE millrace")
	execute(t, conn, "CREATE TABLE millrace.k (writer UInt32, n UInt32) ENGINE = MergeTree ORDER BY (writer, n) SETTINGS non_replicated_deduplication_window = 10000")
	const writers, kills = 4, 3
	var (
		acked   [writers]atomic.Uint32
		stopped atomic.Bool
		group   sync.WaitGroup
	)
	for w := range writers {
		group.Go(func() {
			for n, attempt := uint32(0), 0; !stopped.Load(); attempt++ {
				ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": fmt.Sprintf("%d/%d", w, attempt)}))
				if conn.Exec(ctx, fmt.Sprintf("INSERT INTO millrace.k VALUES (%d, %d)", w, n)) == nil {
					n++
					acked[w].Store(n)
				}
			}
		})
	}
	for kill := range kills {
		// Some progress by every writer between two kills, so that each kill meets inserts.
		for w := range writers {
			for from := acked[w].Load(); acked[w].Load() < from+5; {
				time.Sleep(time.Millisecond) // polls a condition
			}
		}
		pid := e.Pid()
		e.Restart()
		if e.Pid() == pid {
			t.Fatalf("kill %d: the process is still %d", kill, pid)
		}
	}
	stopped.Store(true)
	group.Wait()
	for w := range writers {
		var n uint64
		if err := conn.QueryRow(t.Context(), "SELECT uniqExact(n) FROM millrace.k WHERE writer = ? AND n < ?", w, acked[w].Load()).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n < uint64(acked[w].Load()) {
			t.Errorf("writer %d: %d rows of %d acknowledged", w, n, acked[w].Load())
		}
	}
}

func TestTablesSurviveAStopAndASecondStart(t *testing.T) {
	dir := t.TempDir()
	e := enginetest.StartAt(t, dir)
	sql(t, e, "CREATE DATABASE millrace")
	sql(t, e, "CREATE TABLE millrace.t (a UInt8) ENGINE = MergeTree ORDER BY a")
	sql(t, e, "INSERT INTO millrace.t VALUES (1), (2)")
	e.Stop()
	e = enginetest.StartAt(t, dir)
	if got := sql(t, e, "SELECT sum(a) FROM millrace.t"); got != "3\n" {
		t.Errorf("sum = %q, want 3", got)
	}
}

func TestFsyncIsForTablesThatExistAlreadyToo(t *testing.T) {
	dir := t.TempDir()
	syncs := func(e *enginetest.Engine) int {
		sql(t, e, "CREATE TABLE IF NOT EXISTS f (a UInt8) ENGINE = MergeTree ORDER BY a")
		read := func() int {
			n, err := strconv.Atoi(strings.TrimSpace(sql(t, e, "SELECT sum(value) FROM system.events WHERE event IN ('FileSync', 'DirectorySync')")))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := read()
		sql(t, e, "INSERT INTO f VALUES (1)")
		return read() - before
	}
	e := enginetest.StartAt(t, dir)
	without := syncs(e)
	e.Stop()
	if with := syncs(enginetest.StartAt(t, dir, enginetest.WithFsync())); with < without+2 {
		t.Errorf("an insert made %d calls of fsync with Fsync and %d without", with, without)
	}
}

func TestPasswordIsAskedForWhereItIsSet(t *testing.T) {
	e := enginetest.Start(t, enginetest.WithConfig(func(c *engine.Config) { c.User, c.Password = "milla", "s3cret" }))
	if r := do(t, e, call{body: "SELECT 1"}); r.status != 403 {
		t.Errorf("without credentials: status %d, want 403", r.status)
	}
	if got := sql(t, e, "SELECT 1", "user=milla&password=s3cret"); got != "1\n" {
		t.Errorf("with credentials: %q", got)
	}
	conn := connect(t, e, func(o *clickhouse.Options) { o.Auth.Username, o.Auth.Password = "milla", "s3cret" })
	if err := conn.Ping(t.Context()); err != nil {
		t.Errorf("clickhouse-go with credentials: %v", err)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", e.Pid()))
	if err == nil && strings.Contains(string(line), "s3cret") {
		t.Errorf("the password is in the child's argument list: %q", line)
	}
}

func TestOneEnginePerDataDirectory(t *testing.T) {
	e := enginetest.Start(t)
	_, err := filelock.TryLock(filepath.Join(e.DataDir(), "clickhouse.lock"))
	if !errors.Is(err, filelock.ErrHeld) || !strings.Contains(err.Error(), strconv.Itoa(e.Pid())) {
		t.Errorf("TryLock() error = %v, want ErrHeld with the engine's process id", err)
	}
}

// parentEnv makes the test binary a program that runs an engine, to be killed by the test below.
const parentEnv = "MILLRACE_ENGINE_TEST_PARENT"

func runParent() {
	dir := os.Getenv(parentEnv)
	if dir == "" {
		return
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cfg := engine.DefaultConfig()
	cfg.Addr, cfg.DataDir, cfg.Library = "127.0.0.1:0", filepath.Join(dir, "clickhouse"), os.Getenv("MILLRACE_ENGINE_TEST_LIBRARY")
	sup, err := engine.New(cfg, engine.Deps{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Command: []string{self}, Env: []string{enginetest.ChildEnv(), parentEnv + "="}})
	if err != nil {
		panic(err)
	}
	go func() {
		if sup.WaitReady(context.Background()) == nil {
			fmt.Println(sup.Pid())
		}
	}()
	if err := sup.Run(context.Background()); err != nil {
		panic(err)
	}
}

func TestTheEngineDiesWithItsParentAndLetsTheNextOneStart(t *testing.T) {
	library, dir := enginetest.Library(t), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), parentEnv+"="+dir, "MILLRACE_ENGINE_TEST_LIBRARY="+library)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, convErr := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || convErr != nil {
		t.Fatalf("no process id from the parent: %q, %v", line, err)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	// The next engine starts while the old one may still be there: the lock makes it wait.
	begin := time.Now()
	e := enginetest.StartAt(t, dir)
	t.Logf("the next engine answered after %s", time.Since(begin))
	if e.Pid() == pid {
		t.Fatal("the same process")
	}
	// Orphans are reaped by init, so the process is gone or, where nobody reaps, a zombie.
	if err := syscall.Kill(pid, 0); err == nil {
		state, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if !strings.Contains(string(state), ") Z ") {
			t.Errorf("engine %d outlived its parent: %s", pid, state)
		}
	}
}
