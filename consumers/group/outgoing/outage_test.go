package outgoing

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
)

// inARow sets when breakers open by failures in a row, and takes the share of the window out of the way.
func inARow(whole, shop int) func(*Config) {
	return func(c *Config) {
		c.Breaker.MinimumCalls = 1_000_000
		c.Breaker.FailuresInRow, c.Breaker.ShopFailuresInRow = whole, shop
	}
}

// wantVerdict checks what err means, and for Unavailable when its event comes back.
func (b *bench) wantVerdict(err error, kind grouptest.Kind, least, most time.Duration) {
	b.t.Helper()
	out := grouptest.Verdict(err)
	if out.Kind != kind || errors.Is(err, ErrRefused) {
		b.t.Fatalf("got %v (%s), want the call's own error as %s", err, out.Kind, kind)
	}
	if out.After < least || out.After > most {
		b.t.Errorf("comes back after %s, want from %s to %s", out.After, least, most)
	}
}

func TestFailuresInARowOpenWhateverTheWindowSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, inARow(5, 3))
		b.times(1000, "", works)
		b.times(4, "", fails)
		b.times(1, "", works)
		for range 4 {
			b.times(1, "", fails)
			time.Sleep(time.Minute) // out of any window
		}
		b.wantPermits(-1)
		b.times(1, "", fails)
		b.wantPermits(0)
		if n := b.log.lines(`"failures_in_row":5`); n != 1 {
			t.Errorf("%d log lines with the row, want 1", n)
		}
		<-b.Changed()
		b.times(2, "", works)
		b.times(4, "", fails) // a new row
		b.wantPermits(-1)
	})
}

// Each failing event of the shop waits longer: few calls, behind many good ones. Nobody else calls meanwhile.
func TestTheBreakerOfAShopOpensWhileItsCallsGetFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, inARow(5, 3), func(c *Config) { c.Breaker.MinimumCalls = 10 })
		b.times(1, "good", works)
		b.times(1000, "away", works)
		for range 3 {
			b.times(1, "away", fails)
			time.Sleep(8 * time.Second)
		}
		b.wantRefused(b.do("away", works), refusedShopBreaker, time.Second, 5*time.Second)
		for range 20 {
			time.Sleep(time.Minute)
			b.times(1, "away", fails) // trials
		}
		b.wantPermits(-1)
		if err := b.do("good", works); err != nil {
			t.Errorf("another shop: %v", err)
		}
	})
}

func TestTwoShopsThatFailOpenTheBreakerOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, inARow(5, 3))
		b.times(1, "c", works)
		time.Sleep(time.Second)
		b.times(3, "a", fails) // the first shop alone might be away by itself
		b.times(3, "b", fails)
		b.wantPermits(-1)
		time.Sleep(12 * time.Second)
		b.times(1, "a", fails)
		b.times(1, "b", fails)
		b.wantPermits(0)
	})
}

func TestTheFailuresOfAnOutageBurnNoAttempt(t *testing.T) {
	for name, shop := range map[string]string{"of all": "", "of a shop": "a"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, inARow(3, 3), func(c *Config) { c.Timeout = time.Hour })
				b.times(1, "good", works)
				time.Sleep(time.Millisecond)
				finish, late := make(chan struct{}), make(chan error)
				for range 2 {
					go func() { late <- b.do(shop, func(context.Context) error { <-finish; return errBroken }) }()
				}
				synctest.Wait()
				for range 2 {
					b.wantVerdict(b.do(shop, fails), grouptest.Retry, 0, 0)
				}
				// From here on: the delay, its jitter, and the two shares of the wait.
				opening := b.do(shop, fails)
				b.wantVerdict(opening, grouptest.Unavailable, 12*time.Second, 17300*time.Millisecond)
				if !errors.Is(opening, errBroken) || opening.Error() != errBroken.Error() {
					t.Errorf("the error that opened became %q", opening)
				}
				time.Sleep(5 * time.Second)
				finish <- struct{}{}
				b.wantVerdict(<-late, grouptest.Unavailable, 6*time.Second, 10100*time.Millisecond)
				time.Sleep(7 * time.Second)
				synctest.Wait()
				b.wantVerdict(b.do(shop, fails), grouptest.Unavailable, 24*time.Second, 35*time.Second) // a trial
				time.Sleep(24 * time.Second)
				b.times(2, shop, works)
				finish <- struct{}{} // from before the outage, which is over
				b.wantVerdict(<-late, grouptest.Unavailable, 2500*time.Millisecond, 4*time.Second)
				b.wantVerdict(b.do(shop, fails), grouptest.Retry, 0, 0)
			})
		})
	}
}

func TestAVerdictOfTheCallStaysWhatItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			err   error
			kind  grouptest.Kind
			after time.Duration
		}{
			"permanent":      {group.Permanent(errBroken), grouptest.Permanent, 0},
			"wrapped":        {fmt.Errorf("x: %w", group.NotReady(3*time.Second, "y")), grouptest.NotReady, 3 * time.Second},
			"its own wait":   {group.Unavailable(7*time.Second, errBroken), grouptest.Unavailable, 7 * time.Second},
			"a good answer":  {Answered(errBroken), grouptest.Retry, 0},
			"a good verdict": {Answered(group.Permanent(errBroken)), grouptest.Permanent, 0},
		} {
			b := setup(t, inARow(1, 1))
			f := func(context.Context) error { return tc.err }
			b.wantVerdict(b.do("a", f), tc.kind, tc.after, tc.after) // opens, where it is a failure
			b = setup(t, inARow(1, 1))
			b.times(1, "a", fails)
			time.Sleep(12 * time.Second)
			b.wantVerdict(b.do("a", f), tc.kind, tc.after, tc.after) // a trial
			if t.Failed() {
				t.Fatalf("in case %q", name)
			}
		}
		b := setup(t, inARow(1, 1))
		b.times(1, "a", fails)
		time.Sleep(12 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Do(ctx, "a", hangs) }()
		synctest.Wait()
		cancel()
		b.wantVerdict(<-done, grouptest.Retry, 0, 0) // a trial that we cut short
	})
}

// delivery is the runtime's part: entities whose events are handled one after the other, tried again by the schedule.
type delivery struct {
	*bench
	down func(backend string) bool
	hang bool // while down: no answer instead of a bad one

	burned, exhausted, refused, done map[string]int // by shop
	slowest                          map[string]time.Duration
}

func deliver(t *testing.T) *delivery {
	t.Helper()
	return &delivery{
		bench:  setup(t, func(c *Config) { *c = DefaultConfig() }),
		burned: map[string]int{}, exhausted: map[string]int{}, refused: map[string]int{}, done: map[string]int{}, slowest: map[string]time.Duration{},
	}
}

func (d *delivery) call(backend string) func(context.Context) error {
	return func(ctx context.Context) error {
		down := d.down(backend)
		if down && d.hang {
			return hangs(ctx)
		}
		time.Sleep(20 * time.Millisecond)
		if down {
			return errBroken
		}
		return nil
	}
}

// entity handles its events, each in its turn, against the backend; lock guards what is counted.
func (d *delivery) entity(shop, backend string, first, every, until time.Duration, lock chan struct{}) {
	schedule := []time.Duration{0, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}
	began := time.Now()
	for at := first; at < until; at += every {
		time.Sleep(time.Until(began.Add(at)))
		for attempts := 0; ; {
			tried := time.Now()
			err := d.do(shop, d.call(backend))
			took := time.Since(tried)
			out := grouptest.Verdict(err)
			wait := out.After
			lock <- struct{}{}
			d.slowest[shop] = max(d.slowest[shop], took)
			switch {
			case errors.Is(err, ErrRefused):
				d.refused[shop]++
			case out.Kind == grouptest.Done:
				d.done[shop]++
			case out.Kind == grouptest.Retry:
				d.burned[shop]++
				if attempts++; attempts == len(schedule) {
					d.exhausted[shop]++
				} else {
					wait = schedule[attempts]
				}
			}
			<-lock
			if out.Kind == grouptest.Done || attempts == len(schedule) {
				break
			}
			time.Sleep(wait)
		}
	}
}

// The outage of one shop: its ten entities, at different rates of events, beside other shops that are busy or quiet.
func TestAnOutageOfAShopMakesNoDeadLetters(t *testing.T) {
	const begins, ends, until = time.Minute, 6 * time.Minute, 7 * time.Minute
	for name, tc := range map[string]struct {
		entities      int
		every, others time.Duration
		hang          bool
	}{
		"busy":                 {entities: 10, every: 2500 * time.Millisecond, others: 500 * time.Millisecond},
		"without answers":      {entities: 10, every: 2500 * time.Millisecond, others: 500 * time.Millisecond, hang: true},
		"beside quiet shops":   {entities: 10, every: 2500 * time.Millisecond, others: 50 * time.Second},
		"of a quiet shop":      {entities: 10, every: 40 * time.Second, others: 500 * time.Millisecond},
		"of a single entity":   {entities: 1, every: 30 * time.Second, others: 20 * time.Second},
		"of a very large shop": {entities: 200, every: time.Second, others: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := deliver(t)
				began := time.Now()
				d.hang = tc.hang
				d.down = func(backend string) bool {
					now := time.Since(began)
					return backend == "away" && now >= begins && now < ends
				}
				lock, finished := make(chan struct{}, 1), make(chan struct{})
				sent := 0
				for i := range tc.entities {
					first := tc.every * time.Duration(i) / time.Duration(tc.entities)
					sent += int((until-first-1)/tc.every) + 1
					go func() {
						d.entity("away", "away", first, tc.every, until, lock)
						finished <- struct{}{}
					}()
				}
				for i := range 6 {
					go func() {
						d.entity(fmt.Sprint("other", i/2), "others", tc.others*time.Duration(i)/6, tc.others, until, lock)
						finished <- struct{}{}
					}()
				}
				for range tc.entities + 6 {
					<-finished
				}
				if d.exhausted["away"] != 0 || d.burned["away"] > 2 {
					t.Errorf("%d dead letters, %d attempts burned; want none and 2", d.exhausted["away"], d.burned["away"])
				}
				if n := d.calls(resultFailed) + d.calls(resultTimeout); n < 10 {
					t.Errorf("%g failed calls: there was no outage", n)
				}
				if d.done["away"] != sent {
					t.Errorf("%d events of the shop done, want %d", d.done["away"], sent)
				}
				for i := range 3 {
					if shop := fmt.Sprint("other", i); d.refused[shop] != 0 || d.burned[shop] != 0 || d.slowest[shop] != 20*time.Millisecond {
						t.Errorf("%s: %d refused, %d burned, slowest %s", shop, d.refused[shop], d.burned[shop], d.slowest[shop])
					}
				}
				// The last trial begins at most 36 s after the end, and the events come back within a fifth and a fifth of that.
				if over := time.Since(began) - until; over > time.Minute {
					t.Errorf("drained %s after the last event", over)
				}
			})
		})
	}
}

// An event that fails by itself must not live off the trials for ever when there are others to tell it from an outage by, few as
// they are: fewer than half_open_calls between two of its own.
func TestAnEventThatFailsByItselfEndsAsADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deliver(t)
		d.down = func(backend string) bool { return backend == "bad" }
		lock, finished := make(chan struct{}, 1), make(chan struct{})
		go func() { // one event, of the shop that the others belong to
			d.entity("one", "bad", 0, time.Second, time.Second, lock)
			finished <- struct{}{}
		}()
		go func() {
			d.entity("one", "good", time.Second, 50*time.Second, 15*time.Minute, lock)
			finished <- struct{}{}
		}()
		<-finished
		<-finished
		if d.exhausted["one"] != 1 || d.burned["one"] != 5 {
			t.Errorf("%d dead letters, %d attempts burned; want 1 and 5", d.exhausted["one"], d.burned["one"])
		}
		if want := 18; d.done["one"] != want {
			t.Errorf("%d good events done, want %d", d.done["one"], want)
		}
	})
}
