package effects

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"millrace/cmd/storesim/backends/faults"
)

func TestTheGreatestLoadIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		for range 3 {
			ended := l.Request(faults.Stock)
			time.Sleep(400 * time.Millisecond)
			ended()
		}
		a, b := l.Request(faults.Stock), l.Request(faults.Stock)
		a()
		b()
		l.Request(faults.SMTP)()
		s := l.Summary()
		if s.Stock.Load != (Load{AtOnce: 2, PerSecond: 4}) || s.SMTP.Load != (Load{AtOnce: 1, PerSecond: 1}) || s.Stock.Requests != 5 {
			t.Errorf("stock %+v, smtp %+v", s.Stock, s.SMTP)
		}
	})
}

func TestTheRateIsThatOfAnySecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m meter
		var at []time.Duration
		now := time.Duration(0)
		for _, gap := range rapid.SliceOfN(rapid.IntRange(0, 700), 1, 60).Draw(t, "gaps") {
			now += time.Duration(gap) * time.Millisecond
			at = append(at, now)
			m.arrive(time.Time{}.Add(now))
		}
		most := int64(0)
		for i, end := range at {
			n := int64(0)
			for _, begin := range at[:i+1] {
				if end-begin < time.Second {
					n++
				}
			}
			most = max(most, n)
		}
		if m.most.PerSecond != most {
			t.Errorf("%d in one second, want %d of %v", m.most.PerSecond, most, at)
		}
	})
}
