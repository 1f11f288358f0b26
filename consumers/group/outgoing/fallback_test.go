package outgoing

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// two is a Fallback with a count of the calls that each of its clients has made.
type two struct {
	*Fallback

	first, second *bench
	a, b          int
}

func newTwo(t *testing.T, changes ...func(*Config)) *two {
	t.Helper()
	p := &two{first: setup(t, changes...), second: setup(t, changes...)}
	p.Fallback = NewFallback(p.first.Client, p.second.Client)
	return p
}

// call makes a call whose outcome is that of the one that gets it.
func (p *two) call(a, b error) error {
	return p.Do(context.Background(), "",
		func(context.Context) error { p.a++; return a },
		func(context.Context) error { p.b++; return b })
}

func (p *two) want(t *testing.T, a, b, permits int) {
	t.Helper()
	if p.a != a || p.b != b || p.Permits() != permits {
		t.Errorf("%d and %d calls, permits %d; want %d and %d, permits %d", p.a, p.b, p.Permits(), a, b, permits)
	}
}

func TestTheOtherIsCalledWhileTheBreakerOfTheMainOneIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTwo(t)
		for range 4 {
			if err := p.call(errBroken, nil); !errors.Is(err, errBroken) {
				t.Errorf("a failure of the main one: %v, want it as it is", err)
			}
		}
		p.want(t, 4, 0, -1)
		for range 3 {
			if err := p.call(nil, nil); err != nil {
				t.Errorf("with the main one away: %v", err)
			}
		}
		p.want(t, 4, 3, -1)
		changed := p.Changed()
		for range 3 { // half of its calls
			_ = p.call(nil, errBroken)
		}
		p.want(t, 4, 6, 0)
		<-changed
		if err := p.call(nil, nil); !errors.Is(err, ErrOpen) || !errors.Is(err, ErrRefused) {
			t.Errorf("with both away: %v", err)
		}
		time.Sleep(12 * time.Second)
		synctest.Wait()
		p.want(t, 4, 6, 2)
		for range 3 { // trials are of the main one
			if err := p.call(nil, nil); err != nil {
				t.Error(err)
			}
		}
		p.want(t, 7, 6, -1)
	})
}

func TestOnlyABreakerMakesAServiceFallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTwo(t, func(c *Config) { c.GroupRate, c.MaxWait = 0.1, 0 })
		if err := p.call(nil, nil); !errors.Is(err, ErrRefused) || errors.Is(err, ErrOpen) {
			t.Errorf("without a share: %v", err)
		}
		p.Share(6, 6)
		if err := p.call(nil, nil); !errors.Is(err, ErrRefused) || errors.Is(err, ErrOpen) {
			t.Errorf("beyond the rate: %v", err)
		}
		p.want(t, 0, 0, 0)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if err := p.call(nil, nil); err != nil {
			t.Error(err)
		}
		p.want(t, 1, 0, -1)
	})
}

func TestAGateThatLetsThroughIsClosedByTheGroupsLimitsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.GroupRate, c.GroupConcurrency, c.MaxWait = 1, 3, 0 })
		gate := b.Through()
		b.Share(6, 6)
		time.Sleep(time.Second)
		changed := gate.Changed()
		_ = b.do("", works)
		b.wantRefused(b.do("", works), refusedGroupRate, 990*time.Millisecond, 1200*time.Millisecond)
		<-changed
		if got := gate.Permits(); got != 0 {
			t.Errorf("with the rate used up it has %d permits", got)
		}
		for range 4 {
			time.Sleep(2 * time.Second)
			_ = b.do("", fails)
		}
		b.wantPermits(0)
		if got := gate.Permits(); got != 3 {
			t.Errorf("with the breaker open it has %d permits, want the 3 places", got)
		}
		if err := b.do("", works); !errors.Is(err, ErrOpen) {
			t.Errorf("Do() error: %v", err)
		}
	})
}
