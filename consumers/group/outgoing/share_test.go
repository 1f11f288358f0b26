package outgoing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
)

// crowd is processes of one group: clients that are called without a pause by eight handlers each.
type crowd struct {
	t       *testing.T
	clients []*bench

	mu     sync.Mutex
	starts []time.Time
	moved  chan struct{} // closed and replaced when partitions have moved
}

func newCrowd(t *testing.T, n int, changes ...func(*Config)) *crowd {
	t.Helper()
	c := &crowd{t: t, moved: make(chan struct{})}
	for range n {
		c.clients = append(c.clients, setup(t, changes...))
	}
	return c
}

// share gives the clients partitions, in the order of events: taken first, then given.
func (c *crowd) share(all int, owned ...int) {
	for _, taken := range []bool{true, false} {
		for i, b := range c.clients {
			if before := int(b.owned.Load()); before != owned[i] && before > owned[i] == taken {
				b.Share(owned[i], all)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.moved)
	c.moved = make(chan struct{})
}

func (c *crowd) move() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moved
}

// work calls until ctx ends, as the runtime would: whenever the gate is open.
func (c *crowd) work(ctx context.Context, running *sync.WaitGroup) {
	begun := func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.starts = append(c.starts, time.Now())
		return nil
	}
	for _, b := range c.clients {
		for range 8 {
			running.Go(func() {
				for ctx.Err() == nil {
					changed, moved := b.Changed(), c.move()
					if b.Permits() == 0 || b.owned.Load() == 0 {
						select {
						case <-changed:
						case <-moved:
						case <-ctx.Done():
						}
						continue
					}
					if err := b.Do(ctx, "", begun); err != nil && !errors.Is(err, ErrRefused) && ctx.Err() == nil {
						c.t.Errorf("Do() error: %v", err)
					}
				}
			})
		}
	}
}

// want checks every window of time: at most rate × window calls in it, and one more per process.
func (c *crowd) want(rate float64, processes int) {
	c.t.Helper()
	for i := range c.starts {
		for j := i; j < len(c.starts); j++ {
			window := c.starts[j].Sub(c.starts[i])
			most := int(rate*(window+lateness).Seconds()+1e-6) + processes
			if n := j - i + 1; n > most {
				c.t.Fatalf("%d calls in %s, want at most %d: %g per second and one per process", n, window, most, rate)
			}
		}
	}
}

func TestTheRateOfTheGroupHoldsWhileItsPartitionsMove(t *testing.T) {
	for _, rate := range []float64{0.2, 3, 40} {
		for _, wait := range []time.Duration{0, 250 * time.Millisecond, 10 * time.Second} {
			t.Run(fmt.Sprintf("%g per second, waiting %s", rate, wait), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCrowd(t, 4, func(cfg *Config) { cfg.GroupRate, cfg.MaxWait = rate, wait })
					ctx, cancel := context.WithCancel(t.Context())
					var running sync.WaitGroup
					c.work(ctx, &running)
					began := time.Now()
					unit := time.Duration(40 / rate * float64(time.Second)) // 40 calls
					for _, owned := range [][]int{{24, 0, 0, 0}, {12, 12, 0, 0}, {6, 6, 6, 6}, {23, 0, 1, 0}, {0, 0, 12, 12}, {6, 6, 6, 6}, {24, 0, 0, 0}} {
						c.share(24, owned...)
						time.Sleep(unit)
					}
					cancel()
					running.Wait()
					c.want(rate, 4)
					if n, all := float64(len(c.starts)), rate*time.Since(began).Seconds(); wait > 0 && n < 0.8*all-4 {
						t.Errorf("%g calls where the rate allows %g: it is not used", n, all)
					}
				})
			})
		}
	}
}

func TestNothingIsSavedUpForABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.GroupRate, c.MaxWait = 2, 0 })
		b.Share(3, 6)
		b.wantRefused(b.do("", works), refusedGroupRate, time.Second, 1200*time.Millisecond) // nor by a start
		time.Sleep(time.Hour)
		for range 3 {
			if err := b.do("", works); err != nil {
				t.Errorf("after a pause: %v", err)
			}
			b.wantRefused(b.do("", works), refusedGroupRate, 990*time.Millisecond, 1200*time.Millisecond)
			time.Sleep(time.Second)
		}
	})
}

func TestCallsThatWaitGoByANewShareAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		back    bool
		want    []time.Duration
		refused int
	}{
		"less":          {false, []time.Duration{time.Second, 2 * time.Second, 4500 * time.Millisecond, 8500 * time.Millisecond}, 2},
		"less and more": {true, []time.Duration{time.Second, 2 * time.Second, 4500 * time.Millisecond, 6250 * time.Millisecond, 7250 * time.Millisecond, 8250 * time.Millisecond}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, func(c *Config) { c.GroupRate, c.MaxWait = 1, 10*time.Second })
				b.Share(24, 24)
				began := time.Now()
				var mu sync.Mutex
				var at []time.Duration
				refused := 0
				for range 6 {
					go func() {
						err := b.do("", works)
						mu.Lock()
						defer mu.Unlock()
						if err != nil {
							refused++
						} else {
							at = append(at, time.Since(began).Round(10*time.Millisecond))
						}
					}()
				}
				time.Sleep(2500 * time.Millisecond) // two calls, and half of the time of the next
				b.Share(6, 24)                      // a quarter: the other half takes 2 s
				time.Sleep(3 * time.Second)
				if tc.back { // after a quarter of the time of the fourth
					b.Share(24, 24)
				}
				time.Sleep(time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if !slices.Equal(at, tc.want) || refused != tc.refused {
					t.Errorf("calls at %v, %d refused; want them at %v and %d", at, refused, tc.want, tc.refused)
				}
			})
		})
	}
}

func TestAProcessWithoutPartitionsCallsNothing(t *testing.T) {
	for name, limit := range map[string]func(*Config){
		"rate":        func(c *Config) { c.GroupRate, c.MaxWait = 1000, 10*time.Second },
		"concurrency": func(c *Config) { c.GroupConcurrency, c.MaxWait = 8, 10*time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, limit)
				b.wantRefused(b.do("", works), refusedNoShare, time.Second, 2*time.Second)
				b.Share(1, 6)
				if err := b.do("", works); err != nil {
					t.Errorf("with a partition: %v", err)
				}
				b.Share(0, 6)
				b.wantRefused(b.do("", works), refusedNoShare, time.Second, 2*time.Second)
				if got := value(b.m.share); got != 0 {
					t.Errorf("share %g", got)
				}
			})
		})
	}
}

func TestWithoutLimitsOfTheGroupAShareChangesNothing(t *testing.T) {
	b := setup(t, func(c *Config) { c.Concurrency = 3 })
	for _, owned := range []int{0, 1, 6, 0} {
		b.Share(owned, 6)
		b.wantPermits(-1)
		if n := b.free(); n != 3 {
			t.Errorf("%d places with %d of 6 partitions, want 3", n, owned)
		}
		if err := b.do("", works); err != nil {
			t.Error(err)
		}
	}
}

func TestPlacesAreSharedAndAProcessWithPartitionsHasOne(t *testing.T) {
	for _, tc := range []struct{ group, own, owned, all, want int }{
		{8, 256, 24, 24, 8},
		{8, 256, 6, 24, 2},
		{8, 256, 7, 24, 2},
		{2, 256, 6, 24, 1},
		{2, 256, 1, 24, 1},
		{8, 256, 0, 24, 0},
		{24, 256, 7, 24, 7},
		{8, 3, 24, 24, 3},
		{8, 256, 1, 0, 0},
		{math.MaxUint16, 256, 1, 10_000, 6},
	} {
		cfg := Config{GroupConcurrency: tc.group, Concurrency: tc.own}
		if got := cfg.placesOf(tc.owned, tc.all); got != tc.want {
			t.Errorf("%+v: %d places", tc, got)
		}
	}
}

func TestPlacesMayBecomeFewerAndMoreWhileCallsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.GroupConcurrency, c.MaxWait, c.Timeout = 4, 10*time.Second, time.Hour })
		b.Share(6, 6)
		b.wantPermits(4)
		var mu sync.Mutex
		running, order := 0, []int{}
		ends := make(chan struct{})
		begin := func(i int) {
			go func() {
				if err := b.do("", func(context.Context) error {
					mu.Lock()
					running++
					order = append(order, i)
					mu.Unlock()
					<-ends
					mu.Lock()
					running--
					mu.Unlock()
					return nil
				}); err != nil {
					t.Errorf("call %d: %v", i, err)
				}
			}()
			synctest.Wait()
		}
		want := func(n int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if running != n {
				t.Errorf("%d calls are under way, want %d", running, n)
			}
		}
		for i := range 4 {
			begin(i)
		}
		b.Share(3, 6) // 2 places: what runs goes on
		b.wantPermits(2)
		for i := range 3 {
			begin(4 + i)
		}
		want(4)
		ends <- struct{}{}
		ends <- struct{}{}
		want(2)
		ends <- struct{}{}
		want(2)
		b.Share(6, 6)
		want(4)
		for range 4 {
			ends <- struct{}{}
		}
		want(0)
		if order[4] != 4 {
			t.Errorf("calls began in the order %v, want the one first that waited first", order)
		}
	})
}

func TestTheGateRestsUntilTheRateHasRoomAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.GroupRate, c.MaxWait = 0.1, time.Second })
		b.Share(6, 6)
		b.wantPermits(-1)
		changed := b.Changed()
		b.wantRefused(b.do("", works), refusedGroupRate, 10*time.Second, 12*time.Second)
		b.wantPermits(0)
		<-changed
		time.Sleep(9 * time.Second)
		b.wantPermits(0)
		time.Sleep(time.Second)
		synctest.Wait()
		b.wantPermits(-1)
		if err := b.do("", works); err != nil {
			t.Errorf("when the gate has opened: %v", err)
		}
		_ = b.do("", works)
		b.wantPermits(0)
		b.Share(5, 6) // what was said of the old share
		b.wantPermits(-1)
		b.times(4, "", fails) // an open breaker outlasts a rest
		b.whole.cb.Open()
		time.Sleep(9 * time.Second)
		synctest.Wait()
		b.wantPermits(0)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		b.wantPermits(2)
	})
}

func TestWhatIsAskedForWhileACallWaitsForItsTimeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.GroupRate, c.MaxWait = 1, 10*time.Second })
		b.Share(6, 6)
		done := make(chan error)
		go func() {
			done <- b.do("", func(context.Context) error {
				return Answered(group.Unavailable(time.Minute, &HTTPError{Status: 429, RetryAfter: time.Minute}))
			})
		}()
		synctest.Wait()
		go func() { done <- b.do("", works) }()
		if err := <-done; grouptest.Verdict(err).Kind != grouptest.Unavailable {
			t.Errorf("the call that is asked to come later: %v", err)
		}
		b.wantRefused(<-done, refusedHold, 50*time.Second, 75*time.Second)
	})
}

func TestAllWaitsOfACallTogetherAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) {
			c.Concurrency, c.Rate, c.Burst, c.MaxWait, c.Timeout = 1, 0.5, 1, 3*time.Second, time.Hour
		})
		go func() { _ = b.do("", func(context.Context) error { time.Sleep(1500 * time.Millisecond); return nil }) }()
		synctest.Wait()
		began := time.Now()
		if err := b.do("", works); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		// The next begins when the rate allows it, after 2 s. When its place is free, at 2.5 s, the 1.5 s until the rate allows another are
		// more than what is left of the wait.
		go func() { _ = b.do("", func(context.Context) error { time.Sleep(500 * time.Millisecond); return nil }) }()
		synctest.Wait()
		b.wantRefused(b.do("", works), refusedRate, 1500*time.Millisecond, 1800*time.Millisecond)
	})
}

func TestAGateThatIsAlwaysOpenTellsTheShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.GroupRate, c.MaxWait = 10, 0 })
		gate := Open(b.Client)
		if err := b.do("", works); !errors.Is(err, ErrRefused) {
			t.Errorf("before a share is told: %v", err)
		}
		gate.(group.Shared).Share(1, 6)
		time.Sleep(time.Second)
		if err := b.do("", works); err != nil {
			t.Errorf("with a share: %v", err)
		}
		b.times(20, "", fails)
		if b.Permits() != 0 || gate.Permits() != -1 {
			t.Errorf("with an open breaker the client permits %d, the gate %d", b.Permits(), gate.Permits())
		}
	})
}
