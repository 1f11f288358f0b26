package status

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"millrace/consumers/group/deadletter"
	"millrace/schemas"
)

// watched is a group with the topics that are there.
type watched struct {
	Group
	topics []string // sorted
}

// groups returns those to report on: the caller's, then all that have dead-letter topics.
func (s *Status) groups() []*watched {
	sources := deadletter.Sources(s.topics)
	var out []*watched
	add := func(g Group) {
		w := &watched{Group: g}
		for _, t := range slices.Concat(g.Topics, sources[g.Group]) {
			if s.topics[t] > 0 {
				w.topics = append(w.topics, t)
			}
		}
		slices.Sort(w.topics)
		w.topics = slices.Compact(w.topics)
		out = append(out, w)
		delete(sources, g.Group)
	}
	for _, g := range s.o.Groups {
		add(g)
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		add(Group{Name: name, Group: name})
	}
	return out
}

// addCommitted adds the topics for which the group has committed offsets.
func (w *watched) addCommitted(fetched kadm.OffsetResponses, there map[string]int32) {
	for topic := range fetched {
		if there[topic] > 0 && !slices.Contains(w.topics, topic) {
			w.topics = append(w.topics, topic)
		}
	}
	slices.Sort(w.topics)
}

// logNames are the group's retry and dead-letter topics that are there.
func (w *watched) logNames(there map[string]int32) []logKey {
	var out []logKey
	for _, t := range w.topics {
		for _, k := range []logKey{{schemas.RetryTopic(t, w.Group.Group), t, retries}, {schemas.DeadLetterTopic(t, w.Group.Group), t, letters}} {
			if there[k.name] > 0 {
				out = append(out, k)
			}
		}
	}
	return out
}

type description struct {
	state   string
	members int
	err     error
}

// stateDead is how Kafka calls a group that it does not know, and one of the other protocol.
const (
	stateDead  = "Dead"
	stateEmpty = "Empty"
)

// describe asks about groups of the classic protocol, and then about the rest.
func (s *Status) describe(ctx context.Context, names []string) map[string]description {
	out := make(map[string]description, len(names))
	classic, err := s.admin.DescribeGroups(ctx, names...)
	var others []string
	for _, name := range names {
		d, ok := classic[name]
		switch {
		case !ok:
			out[name] = description{err: fmt.Errorf("describe the group: %w", errors.Join(err, errNoAnswer))}
		case d.State == stateDead || errors.Is(d.Err, kerr.GroupIDNotFound):
			out[name] = description{state: stateDead}
			others = append(others, name)
		case d.Err != nil:
			out[name] = description{err: fmt.Errorf("describe the group: %w", d.Err)}
		default:
			out[name] = description{state: d.State, members: len(d.Members)}
			if len(d.Members) == 0 && d.State != stateEmpty {
				others = append(others, name)
			}
		}
	}
	if len(others) == 0 {
		return out
	}
	// A broker that does not know the request knows no such group either.
	newer, err := s.admin.DescribeConsumerGroups(ctx, others...)
	if err != nil {
		return out
	}
	for name, d := range newer {
		if d.Err == nil && d.State != "" {
			out[name] = description{state: d.State, members: len(d.Members)}
		}
	}
	return out
}

var errNoAnswer = errors.New("no answer")
