package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"golang.org/x/sync/errgroup"
)

// position is a partition as a group sees it.
type position struct {
	group, topic string
	partition    int32
}

// age is what is known of the oldest record of a position that is not done. It holds as long as the position stays.
type age struct {
	done    int64 // offset below which the group is done
	next    int64 // nothing from done to here is a committed record
	written time.Time
	found   bool
	seen    time.Time // last call that has used it
}

// bounds are the offsets of topics: where their logs begin, and where what a committed reader may see ends.
type bounds struct{ starts, ends kadm.ListedOffsets }

// span returns the bounds of one partition; ok is false when they could not be found out.
func (b bounds) span(topic string, partition int32) (start, end int64, err error) {
	s, ok := b.starts.Lookup(topic, partition)
	e, ok2 := b.ends.Lookup(topic, partition)
	switch {
	case !ok || !ok2:
		return 0, 0, fmt.Errorf("ends of %s partition %d: %w", topic, partition, errNoAnswer)
	case s.Err != nil:
		return 0, 0, fmt.Errorf("start of %s partition %d: %w", topic, partition, s.Err)
	case e.Err != nil:
		return 0, 0, fmt.Errorf("end of %s partition %d: %w", topic, partition, e.Err)
	}
	return s.Offset, e.Offset, nil
}

// bounds asks for all topics that concern the groups at once.
func (s *Status) bounds(ctx context.Context, groups []*watched) (bounds, error) {
	var topics []string
	for _, g := range groups {
		topics = append(topics, g.topics...)
		for _, k := range g.logNames(s.topics) {
			topics = append(topics, k.name)
		}
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	if len(topics) == 0 {
		return bounds{}, nil // without names it would be all there are
	}
	var b bounds
	var err error
	// Some brokers may be away: what the others say counts, and what is missing is an error of the groups concerned.
	if b.ends, err = s.admin.ListCommittedOffsets(ctx, topics...); err != nil && len(b.ends) == 0 {
		return b, fmt.Errorf("ask for the ends of %s: %w", strings.Join(topics, ", "), err)
	}
	if b.starts, err = s.admin.ListStartOffsets(ctx, topics...); err != nil && len(b.starts) == 0 {
		return b, fmt.Errorf("ask for the starts of %s: %w", strings.Join(topics, ", "), err)
	}
	return b, nil
}

// seekers is how many first records are looked for at a time.
const seekers = 8

// lags fills in what is not done.
func (s *Status) lags(ctx context.Context, groups []*watched, services []Service, committed kadm.FetchOffsetsResponses, logs bounds) {
	var mu sync.Mutex // guards Err and LagAge, which the seekers write
	var g errgroup.Group
	g.SetLimit(seekers)
	now := time.Now()
	for i, w := range groups {
		services[i].Topics = make([]Topic, len(w.topics))
		for n, topic := range w.topics {
			services[i].Topics[n].Topic = topic
			for p := range s.topics[topic] {
				services[i].Partitions++
				start, end, err := logs.span(topic, p)
				done, ok := committed[w.Group.Group].Fetched.Lookup(topic, p)
				if err == nil && ok && done.Err != nil {
					err = fmt.Errorf("committed offset of %s partition %d: %w", topic, p, done.Err)
				}
				if err != nil {
					mu.Lock()
					services[i].fail("lag", err)
					mu.Unlock()
					continue
				}
				at := start // a group that has committed nothing begins at the oldest record
				if ok && done.At >= 0 {
					at = max(done.At, start)
				}
				if at >= end || committed[w.Group.Group].Err != nil {
					continue
				}
				one := s.age(position{w.Group.Group, topic, p}, at, now)
				g.Go(func() error {
					err := s.seek(ctx, one, topic, p, end)
					mu.Lock()
					defer mu.Unlock()
					services[i].fail("lag in seconds", err)
					// What stands before it are ends of transactions and what was aborted: nothing that the group would get. At the end of a
					// topic that is written in transactions there is always one, for ever where nothing more comes.
					if one.next >= end {
						return nil
					}
					services[i].Behind++
					services[i].Topics[n].Lag += end - one.next
					if one.found {
						services[i].Topics[n].LagAge = max(services[i].Topics[n].LagAge, now.Sub(one.written))
					}
					return nil
				})
			}
		}
	}
	_ = g.Wait() // errors are with their services
	for k, a := range s.ages {
		if a.seen != now {
			delete(s.ages, k)
		}
	}
}

// age returns what is known of a position.
func (s *Status) age(p position, done int64, now time.Time) *age {
	a := s.ages[p]
	if a == nil || a.done != done {
		a = &age{done: done, next: done}
		s.ages[p] = a
	}
	a.seen = now
	return a
}

// seekTimeout bounds the search for one record; the next call goes on where it has stopped.
const seekTimeout = 2 * time.Second

func (s *Status) seek(ctx context.Context, a *age, topic string, partition int32, end int64) error {
	if a.found || a.next >= end {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, seekTimeout)
	defer cancel()
	var err error
	a.written, a.next, a.found, err = s.reader.First(ctx, topic, partition, a.next, end)
	return err
}
