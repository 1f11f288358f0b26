package analytics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/schemas/ddl"
)

var errDead = errors.New("the process is dead")

// doomed is what ties one sink to the world, so that it can die as by kill -9: from then on nothing that it sends arrives, and its
// group hears no more of it. As a store it is the door to the shared one.
type doomed struct {
	store
	t    *testing.T
	plan crash

	mu    sync.Mutex
	dead  bool
	steps map[step]int
	conns []net.Conn
}

// step is where a sink is in the life of a batch.
type step string

const (
	beforeMark     step = "before the mark"
	beforeInsert   step = "after the mark, before the insert"
	afterInsert    step = "after the insert, before it is finalised"
	beforeReadBack step = "before the read-back"
	afterReadBack  step = "after the read-back, before the projection"
	afterProject   step = "after the projection"
	beforeIdle     step = "before the idle commit"
)

// crash is when a sink dies: at a step, the nth time that it is there, from 1.
type crash struct {
	at step
	n  int
}

func newDoomed(t *testing.T, st store, plan crash) *doomed {
	t.Helper()
	return &doomed{store: st, t: t, plan: plan, steps: map[step]int{}}
}

// pass dies if it is time to, and tells whether the process is dead.
func (d *doomed) pass(at step) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return errDead
	}
	if d.steps[at]++; d.plan == (crash{at, d.steps[at]}) {
		d.dieLocked()
		return errDead
	}
	return nil
}

func (d *doomed) dieLocked() {
	d.dead = true
	for _, c := range d.conns {
		_ = c.Close()
	}
}

func (d *doomed) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return nil, errDead
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err == nil {
		d.conns = append(d.conns, c)
	}
	return c, err
}

func (d *doomed) insert(ctx context.Context, rows rowBlock, token string) error {
	if err := d.pass(beforeInsert); err != nil {
		return err
	}
	err := d.store.insert(ctx, rows, token)
	if dead := d.pass(afterInsert); dead != nil {
		return dead
	}
	return err
}

func (d *doomed) offsets(ctx context.Context, table string, b bounds) ([]uint64, error) {
	if err := d.pass(beforeReadBack); err != nil {
		return nil, err
	}
	found, err := d.store.offsets(ctx, table, b)
	if dead := d.pass(afterReadBack); dead != nil {
		return nil, dead
	}
	return found, err
}

func (d *doomed) project(ctx context.Context, m ddl.Model, b bounds, first, last time.Time) error {
	if err := d.pass(afterReadBack + "!"); err != nil { // only when dead already
		return err
	}
	err := d.store.project(ctx, m, b, first, last)
	if dead := d.pass(afterProject); dead != nil {
		return dead
	}
	return err
}

// startDoomed starts a sink whose every way to the world goes through d.
func (w *world) startDoomed(cfg Config, d *doomed) *running {
	w.t.Helper()
	s := w.startWith(cfg, d, func(deps *Deps) { deps.Kafka = append(deps.Kafka, kgo.Dialer(d.dial)) })
	return s
}

// watchCommits tells the doomed sinks of their commits, before the broker does them.
func (w *world) watchCommits(all ...*doomed) {
	w.cluster.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		at := beforeIdle
		for _, t := range req.(*kmsg.OffsetCommitRequest).Topics {
			for _, p := range t.Partitions {
				if p.Metadata != nil && *p.Metadata != "" {
					at = beforeMark
				}
			}
		}
		for _, d := range all {
			if d.alive() { // of these tests' sinks one is alive at a time, in this order
				return nil, errDead, d.pass(at) != nil
			}
		}
		return nil, nil, false
	})
}

func (d *doomed) awaitDeath(t *testing.T) {
	t.Helper()
	eventually(t, "death at: "+string(d.plan.at), func() bool { return !d.alive() })
}

func (d *doomed) alive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.dead
}

func crashConfig() Config {
	cfg := testConfig()
	cfg.SessionTimeout, cfg.CommitTimeout, cfg.BatchLinger = time.Second, time.Second, 50*time.Millisecond
	cfg.RetryBackoffMin, cfg.RetryBackoffMax, cfg.StopGrace = time.Millisecond, 10*time.Millisecond, 100*time.Millisecond
	return cfg
}

// whereSinksDie runs a test in real time, since commits meet rebalances in it.
func whereSinksDie(t *testing.T, test func(w *world)) {
	t.Helper()
	outside(t, 1, test)
}

// wantEach checks that every record up to end has exactly one row, and that all of it is finalised.
func (w *world) wantEach(st *fakeStore, end int64) {
	w.t.Helper()
	st.mu.Lock()
	defer st.mu.Unlock()
	var got, want []int64
	for _, r := range st.rows {
		got = append(got, r.offset)
	}
	for o := range end {
		want = append(want, o)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("offsets of the rows (-want, +got):\n%s\ninserts: %v", diff, st.calls)
	}
}

func (w *world) awaitFinal(end int64) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("offset %d without a mark", end), func() bool { c := w.commit(0); return c.At == end && c.Metadata == "" })
}

// A first sink dies at every step of a batch, in the first and in a later batch; the second, with other limits of a batch, must bring in
// what the first has begun, exactly once, and go on.
func TestASinkDiesAtEveryStepAndItsSuccessorBringsInEachRecordOnce(t *testing.T) {
	t.Parallel()
	for _, at := range []step{beforeMark, beforeInsert, afterInsert, beforeIdle} {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprintf("%s, %d", at, n), func(t *testing.T) {
				t.Parallel()
				whereSinksDie(t, func(w *world) {
					st := &fakeStore{}
					first := newDoomed(t, st, crash{at, n})
					w.watchCommits(first)
					cfg := crashConfig()
					cfg.BatchRows = 10
					a := w.startDoomed(cfg, first)
					w.produce(orders(0, 0, 25)...)
					eventually(t, "the first half or a death", func() bool { return !first.alive() || w.committed(0) == 25 })
					w.produce(orders(0, 25, 50)...)
					first.awaitDeath(t)
					cfg.BatchRows = 7
					b := w.start(cfg, st)
					w.awaitFinal(50)
					w.wantEach(st, 50)
					mustStop(t, b)
					_ = a.stop()
				})
			})
		}
	}
}

// What the first has left in ClickHouse can be nothing, a token without rows, or some of the parts. The second dies too, while it
// replays; the third brings it to its end.
func TestASuccessorDiesWhileItReplaysAndTheNextGoesOn(t *testing.T) {
	t.Parallel()
	left := map[string]*fakeStore{
		"everything":           {},
		"a token without rows": {losesRows: func(n int) bool { return n == 0 }},
		"one part of two":      {breaksOff: func(n int) bool { return n == 0 }},
	}
	for what, like := range left {
		for _, at := range []step{beforeInsert, afterInsert, beforeReadBack, afterReadBack, afterProject, beforeMark} {
			t.Run(what+", "+string(at), func(t *testing.T) {
				t.Parallel()
				whereSinksDie(t, func(w *world) {
					st := &fakeStore{losesRows: like.losesRows, breaksOff: like.breaksOff}
					first, second := newDoomed(t, st, crash{afterInsert, 1}), newDoomed(t, st, crash{at, 1})
					w.watchCommits(first, second)
					a := w.startDoomed(crashConfig(), first)
					w.produce(orders(0, 0, 20)...)
					first.awaitDeath(t)
					b := w.startDoomed(crashConfig(), second)
					// The last step comes when the replay is over and the next batch begins.
					eventually(t, "the second has the partition", func() bool { return len(b.owned()) > 0 })
					w.produce(orders(0, 20, 30)...)
					second.awaitDeath(t)
					cfg := crashConfig()
					cfg.BatchRows = 3
					c := w.start(cfg, st)
					w.awaitFinal(30)
					w.wantEach(st, 30)
					for _, model := range []string{"orders", "first_orders", "refunds", "fulfillments"} {
						if !slices.ContainsFunc(st.projected, func(x projection) bool { return x == projection{model, "shopify.orders/0/0-20"} }) {
							t.Errorf("projected %v, want the pending range into %s: its view may have lost its part of it", st.projected, model)
						}
					}
					mustStop(t, c)
					_ = b.stop()
					_ = a.stop()
				})
			})
		}
	}
}

// The insert of a sink that the group has given up lands after its successor's.
func TestTheInsertOfAZombieLandsAfterItsSuccessors(t *testing.T) {
	t.Parallel()
	whereSinksDie(t, func(w *world) {
		st := &fakeStore{}
		late, landed := make(chan struct{}), make(chan error, 1)
		zombie := &slowStore{store: st, hold: late, landed: landed}
		d := newDoomed(t, zombie, crash{})
		a := w.startDoomed(crashConfig(), d)
		w.produce(orders(0, 0, 20)...)
		eventually(t, "an insert on its way", func() bool { return zombie.began() })
		d.mu.Lock()
		d.dieLocked()
		d.mu.Unlock()
		b := w.start(crashConfig(), st)
		w.produce(orders(0, 20, 30)...)
		w.awaitFinal(30)
		close(late)
		if err := <-landed; err != nil {
			t.Errorf("the zombie's insert: %v", err)
		}
		w.wantEach(st, 30)
		mustStop(t, b)
		_ = a.stop()
	})
}

// slowStore holds its first insert up, beyond the death of its sink.
type slowStore struct {
	store
	hold   chan struct{}
	landed chan error

	mu   sync.Mutex
	held bool
}

func (s *slowStore) began() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.held }

func (s *slowStore) insert(ctx context.Context, rows rowBlock, token string) error {
	s.mu.Lock()
	first := !s.held
	s.held = true
	s.mu.Unlock()
	if !first {
		return errDead
	}
	<-s.hold
	err := s.store.insert(context.WithoutCancel(ctx), rows, token)
	s.landed <- err
	return err
}

// A record that cannot be a row is set aside before its batch is finalised, and again by whoever replays it; both are one letter, since
// they name the same source.
func TestADeadLetterOfAReplayedBatchIsTheSameLetter(t *testing.T) {
	t.Parallel()
	whereSinksDie(t, func(w *world) {
		st := &fakeStore{}
		first := newDoomed(t, st, crash{beforeIdle, 1})
		w.watchCommits(first)
		a := w.startDoomed(crashConfig(), first)
		w.produce(order(0, 0), &kgo.Record{Topic: ordersTopic, Value: []byte("foreign")}, order(0, 2))
		first.awaitDeath(t)
		b := w.start(crashConfig(), st)
		w.awaitFinal(3)
		letters := w.readAll(lettersTopic, 2)
		var source []string
		for _, r := range letters {
			source = append(source, header(r, "millrace_source_topic")+"@"+header(r, "millrace_source_offset"))
		}
		if diff := cmp.Diff([]string{ordersTopic + "@1", ordersTopic + "@1"}, source); diff != "" {
			t.Errorf("letters (-want, +got):\n%s", diff)
		}
		if len(st.stored()) != 2 {
			t.Errorf("%d rows, want 2", len(st.stored()))
		}
		mustStop(t, b)
		_ = a.stop()
	})
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// readAll reads n records of a topic.
func (w *world) readAll(topic string, n int) []*kgo.Record {
	w.t.Helper()
	c, err := kgo.NewClient(append(w.connection(), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		w.t.Fatalf("NewClient() error: %v", err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			w.t.Fatalf("read %s: %v after %d records", topic, err, len(out))
		}
		out = append(out, fetches.Records()...)
	}
	return out
}

// The mark is written on purpose to be short, and names what it says.
func TestTheMarkIsShortAndReadBackAsItWas(t *testing.T) {
	long := mark{start: 1<<62 - 1<<40, end: 1 << 62, records: 1_000_000}
	if n := len(long.String()); n > 100 {
		t.Errorf("a mark has %d bytes; brokers take 4096 with an offset, for all that one has to say", n)
	}
	for _, m := range []mark{{0, 1, 0}, {5, 9, 4}, long} {
		if got, err := parseMark(m.String()); err != nil || got != m {
			t.Errorf("parseMark(%s) = %+v, %v", m, got, err)
		}
	}
	for _, text := range []string{
		"v1|P|3|3|0", "v1|P|5|3|0", "v1|P|-1|3|1", "v1|P|3|9|7", "v1|P|3|9|-1", "v1|P|3|9", "v1|P|3|9|1|", "v1|P|03|9|1", "v1|P|+3|9|1", "v2|P|3|9|1", "v1|Q|3|9|1",
		"P9", " v1|P|3|9|1", "v1|P|3|9223372036854775808|1", "{}", strings.Repeat("|", 4),
	} {
		if m, err := parseMark(text); err == nil {
			t.Errorf("parseMark(%q) = %+v, want an error", text, m)
		}
	}
}

// The tests above can see a fault: without the mark the same crash doubles rows.
func TestWithoutTheMarkTheSameCrashDoublesRows(t *testing.T) {
	t.Parallel()
	whereSinksDie(t, func(w *world) {
		st := &fakeStore{}
		first := newDoomed(t, st, crash{afterInsert, 1})
		a := w.startDoomed(crashConfig(), first)
		w.produce(orders(0, 0, 20)...)
		first.awaitDeath(t)
		w.setCommit("millrace-analytics", 0, "")
		cfg := crashConfig()
		cfg.BatchRows = 7
		b := w.start(cfg, st)
		w.awaitFinal(20)
		if n := len(st.stored()); n != 40 {
			t.Errorf("%d rows, want 40: without its mark nobody can know that the batch was inserted", n)
		}
		mustStop(t, b)
		_ = a.stop()
	})
}
