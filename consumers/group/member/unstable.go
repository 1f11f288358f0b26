package member

import (
	"context"
	"time"

	"millrace/consumers/internal/pause"
)

// Unsticker is a Work that can end the transaction of a dead member. A commit in an open transaction hides the offsets of its
// partitions from their next owner: until the transaction's timeout, and then until the broker looks for such (every 10 s by
// default, transaction.abort.timed.out.transaction.cleanup.interval.ms).
type Unsticker interface {
	// Unstable is called, again and again, for a partition whose committed offset has not come for a while. c is what the group
	// had before the transaction that hides it.
	Unstable(ctx context.Context, tp TP, c Committed)
}

const (
	unstableAfter = 500 * time.Millisecond
	unstableAgain = 2 * time.Second
)

// watchUnstable calls Unstable for those of the partitions whose offsets do not come.
func (m *Member) watchUnstable(ctx context.Context, tps []TP) {
	u, ok := m.work.(Unsticker)
	if !ok {
		return
	}
	for wait := unstableAfter; ; wait = unstableAgain {
		if pause.Sleep(ctx, wait) != nil {
			return
		}
		hidden := m.withoutOffset(tps)
		if len(hidden) == 0 {
			return
		}
		try, cancel := context.WithTimeout(ctx, m.cfg.CommitTimeout)
		found, err := m.fetchOnce(try, hidden, false)
		if err == nil {
			for tp, c := range found {
				u.Unstable(try, tp, c)
			}
		}
		cancel()
	}
}

func (m *Member) withoutOffset(tps []TP) []TP {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []TP
	for _, tp := range tps {
		if p := m.partitions[tp]; p != nil && p.prepared == nil && !p.releasing {
			out = append(out, tp)
		}
	}
	return out
}
