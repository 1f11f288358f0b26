package member

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestWithoutRoomNothingIsPolledAndTheMemberStays(t *testing.T) {
	w := newWorld(t, 1)
	cfg := testConfig()
	cfg.SessionTimeout = time.Second
	s := newShape(t, "a")
	var full atomic.Bool
	full.Store(true)
	s.room = func() bool { return !full.Load() }
	m := w.ready(cfg, s, 1)
	w.produce(0, 10)
	time.Sleep(2500 * time.Millisecond) // more than two sessions
	if n := len(s.accepted(tp(0))); n != 0 {
		t.Errorf("%d records accepted without room", n)
	}
	if _, drops, _ := s.counts(); drops != 0 {
		t.Error("the partition was taken away: the member did not heartbeat")
	}
	full.Store(false)
	begin := time.Now()
	m.Wake()
	eventually(t, "the records", func() bool { return len(s.accepted(tp(0))) == 10 })
	if took := time.Since(begin); took > pollWait/2 {
		t.Errorf("Wake took %s", took)
	}
	full.Store(true)
	m.mustStop(t, time.Second)
	w.wantCommitted(tp(0), Committed{10, "10"})
}

// A member that is woken all the time must read on all the same.
func TestWakingAllTheTimeDoesNotStarveThePoll(t *testing.T) {
	w := newWorld(t, 1)
	s := newShape(t, "a")
	s.room = func() bool { s.member.Wake(); return true } // no poll that waits gets as far as to look
	m := w.start(testConfig(), s)
	w.produce(0, 1000)
	eventually(t, "the records", func() bool { return len(s.accepted(tp(0))) == 1000 })
	m.mustStop(t, time.Second)
}

func TestAPausePausesItsPartitionOnlyAndDoesNotOutliveTheAssignment(t *testing.T) {
	w := newWorld(t, 2)
	s := newShape(t, "a")
	var mu sync.Mutex
	var pause, resume []TP
	s.throttle = func() ([]TP, []TP) {
		mu.Lock()
		defer mu.Unlock()
		p, r := pause, resume
		pause, resume = nil, nil
		return p, r
	}
	ask := func(p, r []TP) { mu.Lock(); pause, resume = p, r; mu.Unlock() }
	m := w.ready(testConfig(), s, 2)
	ask([]TP{tp(0)}, nil)
	m.Wake()
	eventually(t, "the pause", func() bool { return len(m.client().PauseFetchPartitions(nil)[topic]) == 1 })
	w.produce(0, 5)
	w.produce(1, 5)
	eventually(t, "the other partition", func() bool { return len(s.accepted(tp(1))) == 5 })
	time.Sleep(2 * pollWait)
	if n := len(s.accepted(tp(0))); n != 0 {
		t.Errorf("%d records of the paused partition", n)
	}
	ask(nil, []TP{tp(0)})
	begin := time.Now()
	m.Wake()
	eventually(t, "the paused partition", func() bool { return len(s.accepted(tp(0))) == 5 })
	if took := time.Since(begin); took > time.Second {
		t.Errorf("resuming took %s", took)
	}

	ask([]TP{tp(0), tp(1)}, nil)
	m.Wake()
	eventually(t, "the pause of both", func() bool { return len(m.client().PauseFetchPartitions(nil)[topic]) == 2 })
	other := w.ready(testConfig(), newShape(t, "b"), 1)
	moved := other.in("ready")[0]
	other.mustStop(t, 2*time.Second)
	eventually(t, "both again", func() bool { return len(s.in("ready")) == 2 })
	before := len(s.accepted(moved))
	w.produce(moved.Partition, 3)
	eventually(t, "records of the one that came back", func() bool { return len(s.accepted(moved)) == before+3 })
	m.mustStop(t, 2*time.Second)
}

func TestAPauseBeforeAPartitionIsReadyHolds(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(0, 5)
	s := newShape(t, "a")
	prepare := make(chan struct{})
	s.onPrepare = func(context.Context, TP, Committed) error { <-prepare; return nil }
	asked, resume := make(chan struct{}), make(chan struct{})
	paused := false // all on the goroutine of Run
	s.throttle = func() ([]TP, []TP) {
		if len(s.in("preparing")) == 1 && !paused {
			paused = true
			close(asked)
			return []TP{tp(0)}, nil
		}
		select {
		case <-resume:
			return nil, []TP{tp(0)}
		default:
			return nil, nil
		}
	}
	m := w.start(testConfig(), s)
	<-asked
	s.mu.Lock()
	n := s.polled
	s.mu.Unlock()
	m.Wake()
	eventually(t, "the pause noted", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.polled > n })
	close(prepare)
	eventually(t, "readiness", func() bool { return value(t, m.metrics.ready) == 1 })
	time.Sleep(2 * pollWait)
	if got := s.accepted(tp(0)); len(got) != 0 {
		t.Errorf("%d records of a paused partition", len(got))
	}
	close(resume)
	eventually(t, "the records", func() bool { return len(s.accepted(tp(0))) == 5 })
	m.mustStop(t, time.Second)
}

func TestAnAcceptTellsWhereThePartitionBeginsAndEnds(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(0, 7)
	s := newShape(t, "a")
	got := make(chan Fetched, 100)
	s.onAccept = func(f Fetched) { got <- f }
	m := w.start(testConfig(), s)
	f := <-got
	if f.End != 7 || f.LogStart != 0 || f.TP != tp(0) || len(f.Records) != 7 {
		t.Errorf("Accept got %s with %d records, end %d, log start %d", f.TP, len(f.Records), f.End, f.LogStart)
	}
	m.mustStop(t, time.Second)
}

func TestDefaultConfigurationIsValid(t *testing.T) {
	if err := DefaultConfig("g").Validate(); err != nil {
		t.Errorf("Validate() error: %v", err)
	}
}

func TestEverySettingThatCanBeWrongIsReportedWithItsKey(t *testing.T) {
	c := Config{StopGrace: -1, InstanceID: strings.Repeat("x", 300)}
	err := c.Validate()
	if err == nil {
		t.Fatal("Validate() = nil")
	}
	for f := range reflect.TypeFor[Config]().Fields() {
		key := f.Tag.Get("mapstructure")
		if key == "" || !strings.HasSuffix(f.Tag.Get("help"), ".") {
			t.Errorf("field %s needs a mapstructure tag and a help sentence", f.Name)
		}
		if !strings.Contains("\n"+err.Error(), "\n"+key+" ") {
			t.Errorf("Validate() does not complain about %s: %v", key, err)
		}
	}
}
