package supervise_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"millrace/cmd/millrace/supervise"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary collects what happens in which order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.lines...)
}

// part runs until it is told to stop and then takes a while.
func (d *diary) part(name string) supervise.Component {
	warm := make(chan struct{})
	return supervise.Component{
		Name:    name,
		Prepare: func(context.Context) error { d.add("prepare " + name); return nil },
		Run: func(ctx context.Context) error {
			d.add("run " + name)
			time.AfterFunc(time.Second, func() { close(warm) })
			<-ctx.Done()
			time.Sleep(100 * time.Millisecond) // virtual: a part that finishes what it had begun
			d.add("stopped " + name)
			return nil
		},
		Ready: func(context.Context) error {
			select {
			case <-warm:
				return nil
			default:
				return errors.New("warming up")
			}
		},
	}
}

func options() supervise.Options {
	return supervise.Options{Logger: slog.New(slog.DiscardHandler), ReadyTimeout: 5 * time.Second, StopTimeout: 5 * time.Second}
}

func TestPartsStartInOrderAndStopOneAtATimeInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		o := options()
		o.Started = func() { d.add("started"); cancel() }
		if err := supervise.Run(ctx, o, d.part("broker"), d.part("ingest")); err != nil {
			t.Fatalf("Run() error: %v", err)
		}
		want := []string{"prepare broker", "run broker", "prepare ingest", "run ingest", "started", "stopped ingest", "stopped broker"}
		if diff := cmp.Diff(want, d.all()); diff != "" {
			t.Errorf("order (-want, +got):\n%s", diff)
		}
	})
}

func TestAFailingPartTakesTheOthersDownInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		boom := errors.New("disk full")
		err := supervise.Run(t.Context(), options(), d.part("broker"), d.part("analytics"), supervise.Component{
			Name: "ingest",
			Run:  func(context.Context) error { time.Sleep(time.Minute); return boom },
		})
		if !errors.Is(err, boom) || !strings.Contains(err.Error(), "run ingest") {
			t.Errorf("Run() error = %v, want run ingest: disk full", err)
		}
		lines := d.all()
		if diff := cmp.Diff([]string{"stopped analytics", "stopped broker"}, lines[len(lines)-2:]); diff != "" {
			t.Errorf("stop order (-want, +got):\n%s", diff)
		}
	})
}

func TestAPartThatEndsByItselfIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := supervise.Run(t.Context(), options(), supervise.Component{Name: "engine", Run: func(context.Context) error { return nil }})
		if err == nil || !strings.Contains(err.Error(), "engine: it ended by itself") {
			t.Errorf("Run() error = %v, want that engine ended by itself", err)
		}
	})
}

func TestAPartThatFailsWhileItGetsReadyEndsTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		err := supervise.Run(t.Context(), options(), d.part("broker"),
			supervise.Component{
				Name:  "engine",
				Run:   func(context.Context) error { return errors.New("no such library") },
				Ready: func(context.Context) error { return errors.New("connection refused") },
			},
			d.part("never"))
		if err == nil || !strings.Contains(err.Error(), "run engine: no such library") {
			t.Errorf("Run() error = %v, want run engine: no such library", err)
		}
		if diff := cmp.Diff([]string{"prepare broker", "run broker", "stopped broker"}, d.all()); diff != "" {
			t.Errorf("diary (-want, +got):\n%s", diff)
		}
	})
}

func TestAPartThatIsNeverReadyIsNamedAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := supervise.Run(t.Context(), options(), supervise.Component{
			Name:  "engine",
			Run:   func(ctx context.Context) error { <-ctx.Done(); return nil },
			Ready: func(context.Context) error { return errors.New("connection refused") },
		})
		if err == nil || !strings.Contains(err.Error(), "engine is not ready after 5s: connection refused") {
			t.Errorf("Run() error = %v, want that engine is not ready", err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("gave up after %v, want 5s", took)
		}
	})
}

func TestAStopWhilePartsStartIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := supervise.Run(ctx, options(), d.part("broker"), d.part("never")); err != nil {
			t.Errorf("Run() error: %v", err)
		}
		if diff := cmp.Diff([]string{"prepare broker", "run broker", "stopped broker"}, d.all()); diff != "" {
			t.Errorf("diary (-want, +got):\n%s", diff)
		}
	})
}

func TestAPartThatDoesNotStopIsLeftBehindAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		defer close(release)
		o := options()
		o.Started = cancel
		err := supervise.Run(ctx, o, d.part("broker"), supervise.Component{
			Name: "stuck", Run: func(context.Context) error { <-release; return nil },
		})
		if err == nil || !strings.Contains(err.Error(), "stop stuck: it still runs after 5s") {
			t.Errorf("Run() error = %v, want that stuck still runs", err)
		}
		if lines := d.all(); lines[len(lines)-1] != "stopped broker" {
			t.Errorf("last line is %q, want the broker stopped all the same", lines[len(lines)-1])
		}
	})
}

func TestAnErrorWhileStoppingIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := options()
		o.Started = cancel
		err := supervise.Run(ctx, o, supervise.Component{
			Name: "analytics", Run: func(ctx context.Context) error { <-ctx.Done(); return errors.New("last commit refused") },
		})
		if err == nil || !strings.Contains(err.Error(), "stop analytics: last commit refused") {
			t.Errorf("Run() error = %v, want stop analytics: last commit refused", err)
		}
	})
}

func TestAPartThatFailsWhileAnotherStopsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		o := options()
		o.Started = cancel
		stopping := make(chan struct{})
		err := supervise.Run(ctx, o,
			supervise.Component{Name: "broker", Run: func(context.Context) error {
				<-stopping
				return errors.New("disk full")
			}},
			d.part("analytics"),
			supervise.Component{Name: "ingest", Run: func(ctx context.Context) error {
				<-ctx.Done()
				close(stopping)
				return nil
			}})
		if err == nil || !strings.Contains(err.Error(), "run broker: disk full") {
			t.Errorf("Run() error = %v, want run broker: disk full", err)
		}
	})
}
