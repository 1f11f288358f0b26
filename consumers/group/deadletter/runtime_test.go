package deadletter_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"millrace/consumers/group"
	"millrace/consumers/group/deadletter"
	"millrace/partitioning/kafkatest"
	"millrace/schemas"
)

// shop is a service whose handler refuses what it is told to, and notes what it has done.
type shop struct {
	mu     sync.Mutex
	broken map[int64]bool // by source offset
	done   []int64
}

func (s *shop) Handle(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken[e.Offset] {
		return group.Permanent(errors.New("no such variant"))
	}
	s.done = append(s.done, e.Offset)
	return nil
}

func (s *shop) breaks(offsets ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = map[int64]bool{}
	for _, o := range offsets {
		s.broken[o] = true
	}
}

func (s *shop) effects() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.done)
}

// serve runs the service until the test ends.
func (w *world) serve(s *shop, deadLetter string) {
	w.t.Helper()
	cfg := group.DefaultConfig(groupID)
	cfg.DeadLetter = deadLetter
	cfg.Member.SessionTimeout = 6 * time.Second
	rt, err := group.New(group.Service{Name: "shop", Topics: []string{orders}, Handler: s}, cfg,
		group.Deps{Kafka: w.opts, Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil)), Registerer: prometheus.NewRegistry()})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := rt.Run(ctx); err != nil {
			w.t.Errorf("the service ended: %v", err)
		}
	}()
	w.t.Cleanup(func() { stop(); <-ended })
}

// until waits for what a running service does.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (w *world) letterCount(b *deadletter.Book, n int) {
	w.t.Helper()
	w.until("dead letters", func() bool { return len(w.list(b, deadletter.Filter{})) == n })
}

// parks: what waits behind a dead letter is handled after it is redriven, in order; and a letter that fails again is dropped at last.
func (w *world) parks(s *shop) {
	w.t.Helper()
	for range 3 {
		w.write(letter{order: 1}.event())
	}
	w.write(letter{order: 2}.event())
	s.breaks(0)
	w.serve(s, group.DeadLetterPark)
	b := w.book(deadletter.Options{})
	w.letterCount(b, 1)
	w.until("the other entity goes on", func() bool { return slices.Contains(s.effects(), 3) })
	l := w.list(b, deadletter.Filter{})[0]
	w.until("two events are parked", func() bool {
		place, err := b.Place(w.t.Context(), l)
		return err == nil && place == deadletter.Place{Parked: true, Behind: 2}
	})
	redrive := func() {
		w.t.Helper()
		if result, err := b.Redrive(w.t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{By: "ann@desk"}); err != nil || result.Settled != 1 {
			w.t.Fatalf("Redrive gave %+v, %v", result, err)
		}
	}
	redrive() // it fails again
	w.until("the letter comes back", func() bool {
		letters := w.list(b, deadletter.Filter{})
		return len(letters) == 1 && letters[0].LastFailure.After(l.LastFailure)
	})
	if diff := cmp.Diff([]int64{3}, s.effects()); diff != "" {
		w.t.Errorf("effects while parked (-want +got):\n%s", diff)
	}
	s.breaks()
	redrive()
	w.until("all is done", func() bool { return len(s.effects()) == 4 })
	if diff := cmp.Diff([]int64{3, 0, 1, 2}, s.effects()); diff != "" {
		w.t.Errorf("effects after the redrive (-want +got):\n%s", diff)
	}

	s.breaks(4)
	w.write(letter{order: 1}.event(), letter{order: 1}.event())
	w.letterCount(b, 1)
	if result, err := b.Drop(w.t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{By: "ann@desk"}); err != nil || result.Settled != 1 {
		w.t.Fatalf("Drop gave %+v, %v", result, err)
	}
	w.until("the event behind the dropped one is done", func() bool { return slices.Contains(s.effects(), 5) })
	w.until("nothing waits", func() bool {
		q, err := b.Waiting(w.t.Context(), deadletter.Filter{})
		return err == nil && q.Len() == 0 && q.Parked() == 0
	})
	w.letterCount(b, 0)
}

func TestARunningServiceTakesUpWhatIsRedrivenAndDropped(t *testing.T) {
	w := newWorld(t, kfake.GroupMinSessionTimeout(time.Second))
	w.parks(&shop{})
}

func TestWithContinueLettersGoBackInTheirOrder(t *testing.T) {
	w := newWorld(t, kfake.GroupMinSessionTimeout(time.Second))
	for range 4 {
		w.write(letter{order: 1}.event())
	}
	s := &shop{}
	s.breaks(0, 2)
	w.serve(s, group.DeadLetterContinue)
	b := w.book(deadletter.Options{})
	w.letterCount(b, 2)
	w.until("the others are done", func() bool { return len(s.effects()) == 2 })
	s.breaks()
	if result, err := b.Redrive(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{}); err != nil || result.Settled != 2 {
		t.Fatalf("Redrive gave %+v, %v", result, err)
	}
	w.until("the letters are done", func() bool { return len(s.effects()) == 4 })
	if diff := cmp.Diff([]int64{1, 3, 0, 2}, s.effects()); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func TestOnARealKafka(t *testing.T) {
	c := kafkatest.Start(t)
	w := newWorldAt(t, nil, c.Brokers())
	o := schemas.DefaultPlanOptions()
	o.Partitions, o.Replication, o.MinInsyncReplicas = partitions, 1, 1
	plan, err := schemas.GroupTopics(groupID, []string{orders}, false, o)
	if err != nil {
		t.Fatal(err)
	}
	c.CreateTopic(t, orders, partitions, nil)
	for _, s := range plan {
		c.CreateTopic(t, s.Name, s.Partitions, s.Configs)
	}

	t.Run("a service parks, letters are redriven and dropped", func(t *testing.T) { w.in(t).parks(&shop{}) })

	t.Run("a second run takes over", func(t *testing.T) {
		w := w.in(t)
		const n = 1500
		w.empty()
		w.letters(n)
		w.takeOver(n)
	})

	t.Run("a letter at the limit of size goes back", func(t *testing.T) {
		w := w.in(t)
		w.empty()
		body := make([]byte, schemas.MaxBodyBytes)
		for i := range body {
			body[i] = byte(i * 7919 >> 3)
		}
		w.write(letter{offset: 1, order: 1, value: body}.record())
		b := w.book(deadletter.Options{})
		if result, err := b.Redrive(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{}); err != nil || result.Settled != 1 {
			t.Fatalf("Redrive gave %+v, %v", result, err)
		}
		if back := w.committed(retry)[0]; len(back[len(back)-1].Value) != len(body) {
			t.Error("the body that went back is another")
		}
	})
}

// in is the world for a part of a test.
func (w *world) in(t *testing.T) *world {
	t.Helper()
	copied := *w
	copied.t = t
	return &copied
}

// empty removes what is in the topics of the group.
func (w *world) empty() {
	w.t.Helper()
	admin := kadm.NewClient(w.cl)
	// After the deletion the names are taken for a moment.
	if _, err := admin.DeleteTopics(w.t.Context(), dlq, retry); err != nil {
		w.t.Fatal(err)
	}
	limit := "10600000"
	for _, topic := range []string{dlq, retry} {
		w.until("the topic is gone", func() bool {
			created, err := admin.CreateTopic(w.t.Context(), partitions, 1, map[string]*string{"max.message.bytes": &limit}, topic)
			if errors.Is(err, kerr.TopicAlreadyExists) || errors.Is(created.Err, kerr.TopicAlreadyExists) {
				return false
			}
			if err != nil {
				w.t.Fatal(err)
			}
			return true
		})
	}
	// The client that writes letters would go on to the topics that are gone.
	w.cl = w.writer()
}
