package outgoing

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// shop is what is kept per shop.
type shop struct {
	name    string
	breaker *breaker      // nil without breakers per shop
	limiter *rate.Limiter // nil without a limit
	hold    hold
}

// hold keeps calls back for as long as the other side has asked for.
type hold struct{ until atomic.Int64 } // nanoseconds since 1970; 0 for never

// extend moves the end, never towards the past.
func (h *hold) extend(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	for {
		old := h.until.Load()
		if until <= old || h.until.CompareAndSwap(old, until) {
			return
		}
	}
}

func (h *hold) remaining() time.Duration {
	until := h.until.Load()
	if until == 0 {
		return 0
	}
	return time.Until(time.Unix(0, until))
}

// shops remembers the last used shops.
type shops struct {
	most   int
	create func(name string) *shop
	forget func(*shop)

	mu     sync.Mutex
	byName map[string]*list.Element // of *shop
	recent *list.List               // the last used in front
}

func newShops(most int, create func(string) *shop, forget func(*shop)) *shops {
	return &shops{most: most, create: create, forget: forget, byName: map[string]*list.Element{}, recent: list.New()}
}

// get returns the shop, new where it is not known. A call under way may hold a shop that has been forgotten since: its result is
// then lost to the new one, which is right, since only shops that are hardly called are forgotten.
func (s *shops) get(name string) *shop {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byName[name]; ok {
		s.recent.MoveToFront(e)
		return e.Value.(*shop)
	}
	if s.recent.Len() >= s.most {
		oldest := s.recent.Remove(s.recent.Back()).(*shop)
		delete(s.byName, oldest.name)
		s.forget(oldest)
	}
	sh := s.create(name)
	s.byName[name] = s.recent.PushFront(sh)
	return sh
}

// blame tells a shop that fails from a dependency that fails. A failure of a shop is the shop's own when no other shop has failed
// within the window, and the last that was heard of another is good, however long ago: nothing is heard of shops that have no events,
// and that must not let a single one open the breaker of all.
type blame struct {
	window time.Duration

	mu             sync.Mutex
	failed, worked lastTwo
}

// own notes the outcome of a call and reports whether a failure is the shop's own.
func (b *blame) own(shop string, v verdict, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v == healthy {
		b.worked.note(shop, now)
		return false
	}
	b.failed.note(shop, now)
	failedAt, workedAt := b.failed.other(shop), b.worked.other(shop)
	return workedAt.After(failedAt) && !failedAt.After(now.Add(-b.window))
}

// lastTwo remembers the last two different shops: enough to know about another than a given one.
type lastTwo struct {
	names [2]string
	at    [2]time.Time
}

func (l *lastTwo) note(shop string, now time.Time) {
	if l.names[0] != shop {
		l.names[1], l.at[1] = l.names[0], l.at[0]
		l.names[0] = shop
	}
	l.at[0] = now
}

// other returns when another shop was noted last; zero for never.
func (l *lastTwo) other(shop string) time.Time {
	if l.names[0] != shop {
		return l.at[0]
	}
	return l.at[1]
}
