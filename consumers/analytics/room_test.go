package analytics

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// In a catch-up the buffer is full several times a second.
func TestAPauseIsAWarningOnlyWhenClickHouseFails(t *testing.T) {
	for failing, want := range map[int]slog.Level{0: slog.LevelDebug, 1: slog.LevelWarn} {
		var log strings.Builder
		s, err := newSink(testConfig(), Deps{
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), Registerer: prometheus.NewRegistry(),
		}, &fakeStore{})
		if err != nil {
			t.Fatalf("newSink() error: %v", err)
		}
		s.failing, s.buffered = failing, s.cfg.BufferBytes
		if (work{s}).Room() {
			t.Error("there is room in a full buffer")
		}
		if text := log.String(); !strings.Contains(text, "level="+want.String()+` msg="fetching paused`) {
			t.Errorf("with %d batches failing it logs %q, want level %s", failing, text, want)
		}
		s.failing, s.buffered = 0, 0
		if !(work{s}).Room() || !strings.Contains(log.String(), `level=DEBUG msg="fetching resumed"`) {
			t.Errorf("no room in an empty buffer, or it is not logged: %q", log.String())
		}
	}
}
