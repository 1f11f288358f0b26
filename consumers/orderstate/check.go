package orderstate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/consumers/internal/pause"

	"millrace/consumers/group"
	"millrace/consumers/group/orderevent"
	"millrace/consumers/group/reread"
	"millrace/schemas"
)

// Difference is an order whose kept state is not what its events say.
type Difference struct {
	Key    string `json:"key"`
	Folded string `json:"folded"` // the fold of its events
	Kept   string `json:"kept"`   // empty: none is kept
}

// Report is what Check has found.
type Report struct {
	Orders     int          `json:"orders"`
	Events     int64        `json:"events"`
	Unreadable int64        `json:"unreadable"` // events that this program cannot read, and which are no part of any state
	Seconds    float64      `json:"seconds"`    // of reading and folding
	Different  []Difference `json:"different,omitempty"`
}

// CheckOptions are the choices of a check.
type CheckOptions struct {
	Group string // of the fold
	// Settle is how long to wait before what differs is read again: an order of which something has just happened differs until it is
	// folded. What differs twice, unchanged, is a difference.
	Settle time.Duration
	// Parallel is how many partitions are read at once; each has its states in memory.
	Parallel int
}

// Check folds the whole event store and compares the outcome with the states that the fold has kept. It is exact where nothing
// moves; what moves meanwhile is looked at twice. While the group is behind, what it has not folded yet shows as a difference, so look
// at its lag first.
func Check(ctx context.Context, r *reread.Reader, o CheckOptions) (Report, error) {
	n, err := r.Partitions(ctx, schemas.OrderEventsTopic)
	if err != nil {
		return Report{}, err
	}
	began := time.Now()
	var report Report
	var mu sync.Mutex
	suspects := map[int32]map[string]Difference{}
	err = each(ctx, o.Parallel, n, func(ctx context.Context, p int32) error {
		orders, events, unreadable, different, err := compare(ctx, r, o.Group, p)
		mu.Lock()
		defer mu.Unlock()
		report.Orders, report.Events, report.Unreadable = report.Orders+orders, report.Events+events, report.Unreadable+unreadable
		if len(different) > 0 {
			suspects[p] = different
		}
		return err
	})
	report.Seconds = time.Since(began).Seconds()
	if err != nil || len(suspects) == 0 {
		return report, err
	}
	if err := pause.Sleep(ctx, o.Settle); err != nil {
		return report, err
	}
	err = each(ctx, o.Parallel, n, func(ctx context.Context, p int32) error {
		if suspects[p] == nil {
			return nil
		}
		_, _, _, again, err := compare(ctx, r, o.Group, p)
		mu.Lock()
		defer mu.Unlock()
		for key, d := range suspects[p] {
			if again[key] == d {
				report.Different = append(report.Different, d)
			}
		}
		return err
	})
	slices.SortFunc(report.Different, func(a, b Difference) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return report, err
}

func each(ctx context.Context, parallel int, partitions int32, f func(context.Context, int32) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(parallel, 1))
	for p := range partitions {
		g.Go(func() error { return f(ctx, p) })
	}
	return g.Wait()
}

// compare folds one partition and returns what differs from the kept states.
func compare(ctx context.Context, r *reread.Reader, groupID string, partition int32) (orders int, events, unreadable int64, different map[string]Difference, err error) {
	// The states first: what is folded and kept after that has its events read, too, and shows as behind, which is looked at again.
	kept := map[string]string{}
	err = r.State(ctx, groupID, schemas.OrderEventsTopic, partition, func(key string, value []byte) error {
		kept[key] = string(value)
		return nil
	})
	if err != nil {
		return 0, 0, 0, nil, fmt.Errorf("read the states kept by %s: %w", groupID, err)
	}
	folded, events, unreadable, err := Rebuild(ctx, r, partition)
	if err != nil {
		return 0, events, unreadable, nil, err
	}
	different = map[string]Difference{}
	for key, s := range folded {
		if text := string(s.Text()); text != kept[key] {
			different[key] = Difference{Key: key, Folded: text, Kept: kept[key]}
		}
	}
	for key, text := range maps.All(kept) {
		if _, ok := folded[key]; !ok {
			different[key] = Difference{Key: key, Kept: text}
		}
	}
	return len(folded), events, unreadable, different, nil
}

// Rebuild makes the states of a partition's orders from the event store alone.
func Rebuild(ctx context.Context, r *reread.Reader, partition int32) (states map[string]*State, events, unreadable int64, err error) {
	states = map[string]*State{}
	err = r.Events(ctx, schemas.OrderEventsTopic, partition, func(e *group.Event) error {
		fact, err := orderevent.Decode(e)
		if err != nil {
			unreadable++
			return nil //nolint:nilerr // it is a dead letter of the fold's, and no part of a state
		}
		events++
		s := states[e.Key]
		if s == nil {
			if _, ok := fact.Data.(*schemas.OrderAwaited); ok {
				return nil
			}
			s = new(State)
			states[e.Key] = s
		}
		*s, _ = Fold(*s, &fact)
		return nil
	})
	if err != nil {
		return nil, events, unreadable, fmt.Errorf("fold %s/%d: %w", schemas.OrderEventsTopic, partition, err)
	}
	return states, events, unreadable, nil
}
