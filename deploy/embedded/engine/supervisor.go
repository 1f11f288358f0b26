package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 5 * time.Second
	// healthyAfter is how long a child must have lived for the next crash to count as the first one.
	healthyAfter = 30 * time.Second
	pingInterval = 25 * time.Millisecond
)

// Deps is what the program hands to New.
type Deps struct {
	Logger *slog.Logger
	// Command starts a process that runs Child, by default this very executable with the argument "engine".
	Command []string
	// Env is added to this process's environment for the child.
	Env []string
}

// Supervisor keeps one engine process alive. Its methods may be called from any goroutine.
type Supervisor struct {
	cfg     Config
	command []string
	env     []string
	log     *slog.Logger
	client  *http.Client

	listener *net.TCPListener
	pid      atomic.Int64
	starts   atomic.Int64

	mu    sync.Mutex
	ready chan struct{} // closed while the child answers, replaced when it dies
	up    bool
}

// New checks cfg and builds a supervisor. It starts nothing.
func New(cfg Config, d Deps) (*Supervisor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("engine configuration: %w", err)
	}
	if d.Logger == nil {
		return nil, errors.New("engine: a logger is missing")
	}
	command := d.Command
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program's file: %w", err)
		}
		command = []string{self, "engine"}
	}
	return &Supervisor{
		cfg: cfg, command: command, env: d.Env, log: d.Logger.With("component", "engine"),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second},
		ready:  make(chan struct{}),
	}, nil
}

// Listen binds the address, and so tells that it is taken before anything is started. The listener stays with this process
// and is lent to each child: the port is never free for another program while the engine restarts, and a client that
// connects meanwhile waits instead of being refused. Run calls Listen if nobody did.
func (s *Supervisor) Listen(ctx context.Context) error {
	if s.listener != nil {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("ClickHouse engine: cannot listen on %s: %w", s.cfg.Addr, err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		_ = l.Close()
		return fmt.Errorf("ClickHouse engine: %s is not a TCP address", s.cfg.Addr)
	}
	s.listener = tcp
	return nil
}

// Addr is the bound address, host:port, once Listen has returned.
func (s *Supervisor) Addr() string { return s.listener.Addr().String() }

// URL is where the engine's HTTP interface is, once Listen has returned.
func (s *Supervisor) URL() string { return "http://" + s.Addr() }

// Pid is the process id of the running child, 0 when there is none.
func (s *Supervisor) Pid() int { return int(s.pid.Load()) }

// Starts is how many children have been started so far.
func (s *Supervisor) Starts() int { return int(s.starts.Load()) }

// WaitReady returns nil as soon as a child answers, or the cause of ctx. It does not tell that Run has failed: give it a
// context that ends with Run.
func (s *Supervisor) WaitReady(ctx context.Context) error {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the ClickHouse engine: %w", context.Cause(ctx))
	}
}

// Close lets the address go. It is for the caller of Listen who never gets to call Run; Run does the same when it ends.
func (s *Supervisor) Close() error {
	s.client.CloseIdleConnections()
	if s.listener == nil {
		return nil
	}
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close listener of the ClickHouse engine: %w", err)
	}
	return nil
}

// Run starts the engine and keeps it alive until ctx ends; then it stops the child, by SIGTERM and, StopTimeout later, by
// SIGKILL, and returns nil. It returns an error when the engine cannot be started at all: a child that ends before it has
// answered even once, which no restart would cure. After the first answer it restarts for ever, with growing pauses.
func (s *Supervisor) Run(ctx context.Context) (err error) {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	answered := false
	for pause := backoffFirst; ; pause = min(2*pause, backoffMost) {
		begin := time.Now()
		up, err := s.runOnce(ctx)
		answered = answered || up
		if ctx.Err() != nil {
			return nil
		}
		if !answered {
			return fmt.Errorf("start ClickHouse engine: %w", err)
		}
		if time.Since(begin) > healthyAfter {
			pause = backoffFirst
		}
		s.log.ErrorContext(ctx, "engine died, starting it again", "err", err, "pause_seconds", pause.Seconds())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// runOnce is the life of one child. It reports whether the child ever answered and why it ended.
func (s *Supervisor) runOnce(ctx context.Context) (bool, error) {
	p, err := s.start()
	if err != nil {
		return false, err
	}
	defer s.pid.Store(0)
	s.starts.Add(1)
	s.pid.Store(int64(p.pid()))
	err = s.awaitPing(ctx, p)
	if err == nil {
		s.setReady(true)
		defer s.setReady(false)
		s.log.InfoContext(ctx, "engine answers", "pid", p.pid(), "addr", s.Addr())
		select {
		case <-p.done:
			return true, p.exitError()
		case <-ctx.Done():
		}
	}
	up := err == nil
	p.stop(s.cfg.StopTimeout)
	if err == nil || errors.Is(err, errExited) {
		err = p.exitError()
	}
	return up, err
}

var errExited = errors.New("the process ended before it answered")

// awaitPing asks until the child answers, ends, or takes longer than StartTimeout. The listener takes connections all the
// time, so an unanswered ping hangs rather than fails; the client's timeout ends it.
func (s *Supervisor) awaitPing(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.StartTimeout, fmt.Errorf("no answer within %s", s.cfg.StartTimeout))
	defer cancel()
	ask, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-p.done:
			stop()
		case <-ask.Done():
		}
	}()
	for {
		if s.ping(ask) {
			return nil
		}
		select {
		case <-p.done:
			return errExited
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pingInterval):
		}
	}
}

func (s *Supervisor) ping(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/ping", nil)
	if err != nil {
		return false
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

func (s *Supervisor) setReady(up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if up == s.up {
		return
	}
	s.up = up
	if up {
		close(s.ready)
	} else {
		s.ready = make(chan struct{})
	}
}
