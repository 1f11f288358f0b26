package outgoing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"millrace/consumers/group"
)

func TestTheBreakerOpensAtItsRatioAndNotBelowItsMinimum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.times(3, "", fails)
		b.wantPermits(-1) // all have failed, but there are too few
		b = setup(t)
		b.times(4, "", works)
		b.times(3, "", fails)
		b.wantPermits(-1) // 3 of 7
		b.times(1, "", fails)
		b.wantPermits(0) // 4 of 8
		b.wantRefused(b.do("", works), refusedBreaker, 10*time.Second, 15*time.Second)
		if got := b.refusals(refusedBreaker); got != 1 {
			t.Errorf("%g refusals counted, want 1", got)
		}
		if got := b.calls(resultOK) + b.calls(resultFailed) + b.calls(resultPanic); got != 8 {
			t.Errorf("%g calls counted, want 8: a refusal is none", got)
		}
	})
}

func TestOldFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		for range 20 {
			b.times(1, "", fails)
			time.Sleep(4 * time.Second) // never 4 in 10 s
		}
		b.wantPermits(-1)
	})
}

func TestTheGateOpensForATrialByItselfAndClosesAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		closedNow := b.Changed()
		b.times(4, "", fails)
		b.wantPermits(0)
		<-closedNow
		trial := b.Changed()
		began := time.Now()
		<-trial // nobody calls meanwhile: nothing is dispatched
		b.wantPermits(2)
		if d := time.Since(began); d < 10*time.Second || d > 12*time.Second {
			t.Errorf("the trial began after %s, want 10 s to 12 s", d)
		}
		done := b.Changed()
		b.times(2, "", works)
		<-done
		b.wantPermits(-1)
		for _, line := range []string{`"to":"open"`, `"to":"half-open"`, `"to":"closed"`} {
			if n := b.log.lines(line); n != 1 {
				t.Errorf("%d log lines with %s, want 1", n, line)
			}
		}
	})
}

func TestATrialLetsOnlyItsNumberOfCallsThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.trial()
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 10)
		for range 10 {
			go func() { results <- b.Do(ctx, "", hangs) }()
		}
		synctest.Wait()
		if n := len(results); n != 8 {
			t.Errorf("%d of 10 calls refused, want 8", n)
		}
		for range len(results) {
			b.wantRefused(<-results, refusedBreaker, time.Second, 10*time.Second)
		}
		cancel()
		for range 2 {
			if err := <-results; !errors.Is(err, context.Canceled) {
				t.Errorf("a trial that was cut short: %v", err)
			}
		}
	})
}

func TestAFailedTrialOpensAgainForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.times(4, "", fails)
		for i, least := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 40 * time.Second} {
			b.wantPermits(0)
			began := time.Now()
			<-b.Changed()
			if d := time.Since(began); d < least || d > least*12/10 {
				t.Errorf("opening %d lasted %s, want %s and up to a fifth more", i, d, least)
			}
			b.times(1, "", fails)
		}
		<-b.Changed()
		b.times(2, "", works)
		b.wantPermits(-1)
		b.times(4, "", fails)
		began := time.Now()
		<-b.Changed()
		if d := time.Since(began); d > 12*time.Second {
			t.Errorf("after a good time the breaker stayed open for %s, want the first delay again", d)
		}
	})
}

func TestATrialThatWasCutShortIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.trial()
		for range 5 { // more often than there are permits
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- b.Do(ctx, "", hangs) }()
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, ErrRefused) {
				t.Fatalf("Do() error: %v, want that of the cancelled context", err)
			}
		}
		b.wantPermits(2)
		b.times(2, "", works)
		b.wantPermits(-1)
	})
}

func TestWhatATrialGaveBackIsNotKeptForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.trial()
		ctx, cancel := context.WithCancel(t.Context())
		bad, cut := make(chan error), make(chan error)
		go func() {
			bad <- b.do("", func(context.Context) error { time.Sleep(time.Millisecond); return errBroken })
		}()
		synctest.Wait()
		go func() { cut <- b.Do(ctx, "", hangs) }()
		synctest.Wait()
		cancel()
		<-cut //nolint:errcheck // cancelled
		<-bad //nolint:errcheck // broken
		b.wantPermits(0)
		<-b.Changed()
		results := make(chan error, 3)
		for range 3 {
			go func() { results <- b.do("", hangs) }()
		}
		synctest.Wait()
		if n := len(results); n != 1 {
			t.Errorf("%d of 3 calls refused, want 1", n)
		}
		for range 3 {
			<-results //nolint:errcheck // one refused, two timed out
		}
	})
}

func TestACallFromBeforeTheOutageIsNoTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, late := range []error{nil, errBroken} {
			b := setup(t, func(c *Config) { c.Timeout = time.Hour })
			finish := make(chan error)
			done := make(chan error)
			for range 3 {
				go func() { done <- b.do("", func(context.Context) error { return <-finish }) }()
			}
			synctest.Wait()
			b.trial()
			for range 3 {
				finish <- late
				if err := <-done; !errors.Is(err, late) {
					t.Errorf("Do() error: %v, want %v", err, late)
				}
			}
			b.wantPermits(2) // neither closed by old successes nor opened by old failures
			b.times(2, "", works)
			b.wantPermits(-1)
		}
	})
}

func TestOnlyWhatSaysSomethingAboutTheDependencyCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled := func(b *bench) {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				synctest.Wait()
				cancel()
			}()
			_ = b.Do(ctx, "", hangs)
		}
		for name, tc := range map[string]struct {
			call   func(b *bench)
			result string
			opens  bool
		}{
			"a failure": {func(b *bench) { b.times(1, "", fails) }, resultFailed, true},
			"a timeout": {func(b *bench) { b.times(1, "", hangs) }, resultTimeout, true},
			"a stop":    {cancelled, resultStopped, false},
			"the caller's time": {func(b *bench) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				_ = b.Do(ctx, "", hangs)
			}, resultTimeout, true},
			"a good answer to a bad request": {func(b *bench) {
				b.times(1, "", func(context.Context) error { return fmt.Errorf("x: %w", Answered(group.Permanent(errBroken))) })
			}, resultAnswered, false},
			"a panic of ours": {func(b *bench) {
				defer func() { _ = recover() }()
				b.times(1, "", func(context.Context) error { panic("ours") })
			}, resultPanic, false},
		} {
			b := setup(t)
			for range 4 {
				tc.call(b)
			}
			if opened := b.Permits() == 0; opened != tc.opens {
				t.Errorf("%s: opened = %v, want %v", name, opened, tc.opens)
			}
			if got := b.calls(tc.result); got != 4 {
				t.Errorf("%s: %g calls counted as %s, want 4", name, got, tc.result)
			}
			if got := b.free(); got != 256 {
				t.Errorf("%s: %d places free, want 256", name, got)
			}
		}
	})
}

func TestATimeoutSaysSoAndKeepsItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		began := time.Now()
		err := b.do("", hangs)
		if time.Since(began) != time.Second || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stock: no answer in 1s") {
			t.Errorf("Do() error after %s: %v", time.Since(began), err)
		}
	})
}

func TestTheMetricOfTheBreakerFollowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		want := func(v float64) {
			t.Helper()
			if got := value(b.m.state); got != v {
				t.Errorf("state metric %g, want %g", got, v)
			}
		}
		want(0)
		b.times(4, "", fails)
		want(2)
		<-b.Changed()
		want(1)
		b.times(2, "", works)
		want(0)
	})
}
