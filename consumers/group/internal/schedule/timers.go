package schedule

import (
	"container/heap"
	"time"
)

// timerHeap holds the keys of one partition that wait for a time, the next one first.
type timerHeap []*key

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer, h[j].timer = int32(i+1), int32(j+1) //nolint:gosec // keys of a partition fit
}

// Push is for package heap.
func (h *timerHeap) Push(x any) {
	k := x.(*key)                // only set pushes
	k.timer = int32(len(*h) + 1) //nolint:gosec // keys of a partition fit
	*h = append(*h, k)
}

// Pop is for package heap.
func (h *timerHeap) Pop() any {
	old := *h
	k := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	k.timer = 0
	return k
}

func (h *timerHeap) set(k *key, due int64) {
	k.due = due
	if k.timer == 0 {
		heap.Push(h, k)
		return
	}
	heap.Fix(h, int(k.timer-1))
}

func (h *timerHeap) remove(k *key) {
	if k.timer != 0 {
		heap.Remove(h, int(k.timer-1))
	}
}

// Due returns when Advance has something to do next; ok is false when nothing waits for a time.
func (s *Scheduler) Due() (at time.Time, ok bool) {
	var first int64
	for p := range s.parts {
		if len(p.timers) > 0 && !p.closing && (first == 0 || p.timers[0].due < first) {
			first = p.timers[0].due
		}
	}
	return time.Unix(0, first), first != 0
}

// Advance makes runnable, or ready to be loaded, what is due.
func (s *Scheduler) Advance(now time.Time) {
	for p := range s.parts {
		for len(p.timers) > 0 && !p.closing && p.timers[0].due <= now.UnixNano() {
			k := p.timers[0]
			p.timers.remove(k)
			s.settle(p, k, now)
		}
	}
}
