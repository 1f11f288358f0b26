package outgoing

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"millrace/consumers/group/grouptest"
)

var errBroken = errors.New("broken")

// bench is a client with what can be seen of it.
type bench struct {
	*Client
	t   *testing.T
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) lines(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), part)
}

// setup opens at 4 calls of which half have failed, whether in a row or not, and has no limits but generous ones.
func setup(t *testing.T, changes ...func(*Config)) *bench {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Timeout = time.Second
	cfg.Breaker.MinimumCalls = 4
	cfg.Breaker.FailuresInRow, cfg.Breaker.ShopFailuresInRow = 1000, 1000
	cfg.Breaker.OpenDelay = 10 * time.Second
	cfg.Breaker.OpenDelayMax = 40 * time.Second
	cfg.Breaker.HalfOpenCalls = 2
	for _, change := range changes {
		change(&cfg)
	}
	log := &lockedBuffer{}
	c, err := New("stock", cfg, Deps{Logger: slog.New(slog.NewJSONHandler(log, nil)), Registerer: prometheus.NewPedanticRegistry()})
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	return &bench{Client: c, t: t, log: log}
}

func works(context.Context) error { return nil }
func fails(context.Context) error { return errBroken }

// hangs waits for the end of its context.
func hangs(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (b *bench) do(shop string, f func(context.Context) error) error {
	b.t.Helper()
	return b.Do(b.t.Context(), shop, f)
}

func (b *bench) times(n int, shop string, f func(context.Context) error) {
	b.t.Helper()
	for range n {
		_ = b.do(shop, f)
	}
}

// opened opens the breaker of the whole dependency and sleeps until its trial.
func (b *bench) trial() {
	b.t.Helper()
	b.times(4, "", fails)
	b.wantPermits(0)
	time.Sleep(12 * time.Second)
	synctest.Wait()
	b.wantPermits(2)
}

func (b *bench) wantPermits(want int) {
	b.t.Helper()
	if got := b.Permits(); got != want {
		b.t.Fatalf("Permits() = %d, want %d", got, want)
	}
}

// wantRefused checks that err costs no attempt, and comes back between least and most.
func (b *bench) wantRefused(err error, reason string, least, most time.Duration) {
	b.t.Helper()
	out := grouptest.Verdict(err)
	if out.Kind != grouptest.Unavailable || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), reason) {
		b.t.Fatalf("got %v (%s), want a refusal by its %s", err, out.Kind, reason)
	}
	if out.After < least || out.After > most {
		b.t.Errorf("refused for %s, want from %s to %s", out.After, least, most)
	}
}

func (b *bench) refusals(reason string) float64 { return value(b.m.refused[reason]) }
func (b *bench) calls(result string) float64    { return value(b.m.calls[result]) }

// free counts the places of the bulkhead that are free, and leaves them so.
func (b *bench) free() (n int) {
	for b.places.acquire(b.t.Context(), time.Time{}) == nil {
		n++
	}
	for range n {
		b.places.release()
	}
	return n
}

// value reads a counter or a gauge.
func value(m prometheus.Metric) float64 {
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		panic(err)
	}
	if out.Gauge != nil {
		return out.GetGauge().GetValue()
	}
	return out.GetCounter().GetValue()
}
