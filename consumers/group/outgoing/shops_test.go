package outgoing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
)

func TestAShopThatIsAwayWaitsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.times(1, "good", works)
		b.times(100, "away", fails) // most of all calls
		b.wantPermits(-1)
		b.wantRefused(b.do("away", works), refusedShopBreaker, 10*time.Second, 15*time.Second)
		if err := b.do("good", works); err != nil {
			t.Errorf("another shop: %v", err)
		}
		if got := b.calls(resultFailed); got != 4 {
			t.Errorf("%g calls reached the shop that is away, want 4", got)
		}
		if got := value(b.m.openShops); got != 1 {
			t.Errorf("%g open shops, want 1", got)
		}
		time.Sleep(12 * time.Second)
		b.times(2, "away", works)
		if got := value(b.m.openShops); got != 0 {
			t.Errorf("%g open shops after its return, want 0", got)
		}
		if n := b.log.lines(`"shop":"away"`); n != 3 {
			t.Errorf("%d log lines about the shop, want 3", n)
		}
	})
}

func TestADependencyThatIsAwayStopsAllShops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.times(3, "a", works)
		for _, shop := range []string{"a", "b", "c", "d"} {
			b.times(2, shop, fails)
		}
		b.wantPermits(0)
		b.wantRefused(b.do("e", works), refusedBreaker, 10*time.Second, 15*time.Second)
	})
}

func TestTheOnlyShopIsTheDependency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.times(4, "only", fails)
		b.wantPermits(0)
	})
}

func TestWithoutBreakersPerShopEveryFailureCountsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.Breaker.PerShop = false })
		b.times(1, "good", works)
		b.times(4, "away", fails)
		b.wantPermits(0)
	})
}

func TestAShopThatIsAwayUsesUpNoTrials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		for _, shop := range []string{"a", "b"} {
			b.times(2, shop, fails)
		}
		b.wantPermits(0)
		time.Sleep(12 * time.Second)
		synctest.Wait()
		b.wantPermits(2)
		b.whole.cfg.OpenDelay = time.Hour // what is refused by the whole would show by its wait
		sh := b.shops.get("a")
		for range 4 {
			p, _, _ := sh.breaker.acquire()
			sh.breaker.settle(p, failed)
		}
		for range 10 {
			b.wantRefused(b.do("a", works), refusedShopBreaker, 0, time.Minute)
		}
		b.times(2, "c", works)
		b.wantPermits(-1)
	})
}

func TestShopsAreForgottenTheLeastUsedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.MaxShops = 3 })
		b.times(1, "good", works)
		good := b.shops.get("good")
		b.times(4, "away", fails)
		away := b.shops.get("away")
		for i := range 10 {
			b.times(1, "good", works)
			b.times(1, fmt.Sprint("shop", i), works)
		}
		if n := len(b.shops.byName); n != 3 || b.shops.recent.Len() != 3 {
			t.Errorf("%d shops remembered, want 3", n)
		}
		if b.shops.get("good") != good {
			t.Error("the most used shop was forgotten")
		}
		time.Sleep(12 * time.Second) // calls that still hold the forgotten one
		for range 2 {
			late, _, _ := away.breaker.acquire()
			away.breaker.settle(late, healthy)
		}
		if got := value(b.m.openShops); got != 0 {
			t.Errorf("%g open shops, want 0: the one that was open is forgotten", got)
		}
		if err := b.do("away", works); err != nil {
			t.Errorf("a forgotten shop that comes back: %v", err)
		}
	})
}

func TestARateIsWaitedForWhenShortAndRefusedWhenLong(t *testing.T) {
	for name, tc := range map[string]struct {
		limit  func(*Config)
		reason string
	}{
		"in all":   {func(c *Config) { c.Rate, c.Burst = 10, 1 }, refusedRate},
		"per shop": {func(c *Config) { c.ShopRate, c.ShopBurst = 10, 1 }, refusedShopRate},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, tc.limit, func(c *Config) { c.MaxWait = 250 * time.Millisecond })
				began := time.Now()
				results := make(chan error, 5)
				for range 5 {
					go func() { results <- b.do("a", works) }()
				}
				synctest.Wait()
				// At 0, 100 and 200 ms; the other two would have had to wait for 300 ms, or for 400 ms where the second asks before the
				// first has given its turn back.
				refused := 0
				for range 5 {
					if err := <-results; err != nil {
						b.wantRefused(err, tc.reason, 290*time.Millisecond, 490*time.Millisecond)
						refused++
					}
				}
				if refused != 2 {
					t.Errorf("%d calls refused, want 2", refused)
				}
				if d := time.Since(began); d != 200*time.Millisecond {
					t.Errorf("three calls at ten per second took %s, want 200ms", d)
				}
			})
		})
	}
}

func TestTheRateOfOneShopLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.ShopRate, c.ShopBurst, c.MaxWait = 1, 1, 0 })
		b.times(1, "a", works)
		b.wantRefused(b.do("a", works), refusedShopRate, time.Second, 1200*time.Millisecond)
		if err := b.do("b", works); err != nil {
			t.Errorf("another shop: %v", err)
		}
	})
}

func TestWhatOneLimitRefusesCostsNothingInTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.Rate, c.Burst, c.ShopRate, c.ShopBurst, c.MaxWait = 1, 1, 0.1, 1, 0 })
		b.times(1, "a", works)
		for range 5 {
			b.wantRefused(b.do("b", works), refusedRate, 0, 2*time.Second)
		}
		time.Sleep(time.Second)
		if err := b.do("b", works); err != nil {
			t.Errorf("the shop's own limit was charged for refused calls: %v", err)
		}
	})
}

func TestAWaitForTheRateEndsWithItsContextAndCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.Rate, c.Burst, c.MaxWait = 1, 1, 5*time.Second })
		b.times(1, "", works)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Do(ctx, "", works) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Do() error: %v", err)
		}
		began := time.Now()
		if err := b.do("", works); err != nil || time.Since(began) != time.Second {
			t.Errorf("the next call came after %s (%v), want 1s", time.Since(began), err)
		}
		short, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		b.wantRefused(b.Do(short, "", works), refusedRate, time.Second, 1200*time.Millisecond)
	})
}

func TestTheBulkheadLetsItsNumberThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.Concurrency, c.MaxWait, c.Timeout = 2, 500*time.Millisecond, time.Hour })
		finish := make(chan struct{})
		results := make(chan error, 4)
		for range 2 {
			go func() { results <- b.do("", func(context.Context) error { <-finish; return nil }) }()
		}
		synctest.Wait()
		began := time.Now()
		b.wantRefused(b.do("", works), refusedBulkhead, 500*time.Millisecond, 600*time.Millisecond)
		if d := time.Since(began); d != 500*time.Millisecond {
			t.Errorf("refused after %s, want 500ms", d)
		}
		go func() { results <- b.do("", works) }()
		synctest.Wait()
		close(finish)
		for range 3 {
			if err := <-results; err != nil {
				t.Errorf("a call: %v", err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Do(ctx, "", works); !errors.Is(err, context.Canceled) || b.calls(resultOK) != 3 {
			t.Errorf("a call after the stop: %v", err)
		}
	})
}

func TestAShopIsLeftAloneForAsLongAsItAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		throttled := func(context.Context) error {
			e := &HTTPError{Status: 429, RetryAfter: 20 * time.Second}
			return Answered(group.Unavailable(e.RetryAfter, e))
		}
		for _, shop := range []string{"a", ""} {
			out := grouptest.Verdict(b.do(shop, throttled))
			if out.Kind != grouptest.Unavailable || out.After != 20*time.Second {
				t.Errorf("the throttled call: %+v", out)
			}
			time.Sleep(5 * time.Second)
			b.wantRefused(b.do(shop, works), refusedHold, 15*time.Second, 18*time.Second)
			if err := b.do("b", works); err != nil {
				t.Errorf("another shop: %v", err)
			}
			time.Sleep(15 * time.Second)
			if err := b.do(shop, works); err != nil {
				t.Errorf("after the time: %v", err)
			}
		}
	})
}

// Whatever happens at once, every place and permit comes back: at the end the client works as at the start.
func TestNothingIsLostInATurmoil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) {
			c.Concurrency, c.MaxShops, c.Rate, c.ShopRate = 8, 3, 2000, 500
			c.Breaker.OpenDelay, c.Breaker.OpenDelayMax = 50*time.Millisecond, 100*time.Millisecond
		})
		var wg sync.WaitGroup
		for worker := range 32 {
			rng := rand.New(rand.NewPCG(1, uint64(worker)))
			wg.Go(func() {
				for range 300 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+rng.IntN(50))*time.Millisecond)
					if rng.IntN(10) == 0 {
						cancel()
					}
					takes, sh, luck := time.Duration(rng.IntN(30))*time.Millisecond, rng.IntN(6), rng.IntN(10)
					err := b.Do(ctx, fmt.Sprint("shop", sh), func(ctx context.Context) error {
						select {
						case <-time.After(takes):
						case <-ctx.Done():
							return ctx.Err()
						}
						switch { // the lower the shop's number the worse it is
						case luck < 2:
							return Answered(errBroken)
						case luck < 9-2*sh:
							return errBroken
						default:
							return nil
						}
					})
					cancel()
					if errors.Is(err, ErrRefused) {
						time.Sleep(20 * time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		if got := b.free(); got != 8 {
			t.Errorf("%d places free, want 8", got)
		}
		if b.calls(resultOK) == 0 || b.refusals(refusedBreaker) == 0 || b.refusals(refusedShopBreaker) == 0 {
			t.Errorf("the turmoil was none: %g successes, %g and %g refusals", b.calls(resultOK), b.refusals(refusedBreaker), b.refusals(refusedShopBreaker))
		}
		for range 20 { // past any trial
			time.Sleep(time.Second)
			b.times(1, "new", works)
		}
		b.wantPermits(-1)
		if err := b.do("new", works); err != nil {
			t.Errorf("after the turmoil: %v", err)
		}
	})
}
