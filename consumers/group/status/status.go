package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/logread"
)

// Group is a consumer group to report on.
type Group struct {
	Name   string   // how people call the service
	Group  string   // Kafka consumer group
	Topics []string // Kafka topics that it reads; those where it has committed offsets or dead-letter topics are added
}

// Service is how a consumer group is doing.
type Service struct {
	Name    string // of the Group, else the group's own
	Group   string
	State   string // as Kafka calls it: Stable, Empty, PreparingRebalance, …; Dead for a group that it does not know
	Members int

	Lag      int64         // records that are not done
	LagAge   time.Duration // age of the oldest of them; 0 where there is none
	Waiting  int64         // events in retry topics
	DeadOpen int64         // dead letters that are neither redriven nor dropped
	// Counting says that Waiting and DeadOpen are not complete yet: the topics are still being read.
	Counting bool

	Partitions int // of all its topics
	Behind     int // those of them that have lag

	Topics []Topic
	// Err is what could not be found out about this group; the figures that it concerns are those of the last call, or 0.
	Err error
}

// Topic is the part of a Service that concerns one topic it reads.
type Topic struct {
	Topic    string
	Lag      int64
	LagAge   time.Duration
	Waiting  int64
	DeadOpen int64
}

// Options are what a caller may leave out.
type Options struct {
	// Groups are reported first, in this order, even where Kafka does not know them yet. Every other group that has a dead-letter
	// topic of our naming follows.
	Groups []Group
	// MaxAge: an answer younger than this is given again; 0 is a second.
	MaxAge time.Duration
	// Timeout bounds a call; 0 is 5 seconds.
	Timeout time.Duration
	// ReadFor is how long one call may read dead-letter and retry topics; 0 is a second.
	ReadFor time.Duration
}

// Status reports on consumer groups. It is safe for concurrent use; calls take turns.
type Status struct {
	o      Options
	client *kgo.Client
	admin  *kadm.Client
	reader *logread.Reader

	turn chan struct{} // capacity 1: holds who may use all below
	last answer
	ages map[position]*age
	logs map[logKey]*log
	// topics is what the cluster has, as of asked.
	topics map[string]int32
	asked  time.Time

	closed sync.Once
}

type answer struct {
	services []Service
	at       time.Time
}

// New connects nothing yet. kafka is how to connect: no group, no topics. Close the Status. The error says what is wrong with the
// options.
func New(kafka []kgo.Opt, o Options) (*Status, error) {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&o.MaxAge, time.Second}, {&o.Timeout, 5 * time.Second}, {&o.ReadFor, time.Second}} {
		if *d.value < 0 {
			return nil, errors.New("new status: MaxAge, Timeout and ReadFor must not be negative")
		}
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	client, err := kgo.NewClient(kafka...)
	if err != nil {
		return nil, fmt.Errorf("new status: %w", err)
	}
	return &Status{
		o: o, client: client, admin: kadm.NewClient(client), reader: logread.New(client),
		turn: make(chan struct{}, 1), ages: make(map[position]*age), logs: make(map[logKey]*log),
	}, nil
}

// Close ends the connections.
func (s *Status) Close() { s.closed.Do(s.client.Close) }

// Read tells how the groups are doing. What could not be found out about one group is in its Err; the error is for what concerns
// all, such as brokers that do not answer within Options.Timeout. The result is the caller's own.
func (s *Status) Read(ctx context.Context) ([]Service, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("read the status of consumer groups: %w", ctx.Err())
	}
	defer func() { <-s.turn }()
	if time.Since(s.last.at) >= s.o.MaxAge {
		services, err := s.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the status of consumer groups: %w", err)
		}
		s.last = answer{services, time.Now()}
	}
	out := slices.Clone(s.last.services)
	for i := range out {
		out[i].Topics = slices.Clone(out[i].Topics)
	}
	return out, nil
}

// topicsEvery is how often the cluster is asked which topics it has: for groups that are new.
const topicsEvery = 10 * time.Second

func (s *Status) read(ctx context.Context) ([]Service, error) {
	if s.topics == nil || time.Since(s.asked) > topicsEvery {
		list, err := s.admin.ListTopics(ctx)
		if err != nil {
			return nil, fmt.Errorf("list topics: %w", err)
		}
		s.topics, s.asked = make(map[string]int32), time.Now()
		for name, t := range list {
			if t.Err == nil {
				s.topics[name] = int32(len(t.Partitions)) //nolint:gosec // Kafka counts them in an int32
			}
		}
	}
	groups := s.groups()
	if len(groups) == 0 {
		return nil, nil
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Group.Group
	}
	described := s.describe(ctx, names)
	committed := s.admin.FetchManyOffsets(ctx, names...)
	services := make([]Service, len(groups))
	for i, g := range groups {
		d := described[g.Group.Group]
		services[i] = Service{Name: g.Name, Group: g.Group.Group, State: d.state, Members: d.members, Err: d.err}
		own := committed[g.Group.Group]
		if errors.Is(own.Err, kerr.GroupIDNotFound) { // it has never committed anything
			own.Err = nil
			committed[g.Group.Group] = own
		}
		services[i].fail("fetch committed offsets", own.Err)
		g.addCommitted(own.Fetched, s.topics)
	}
	logs, err := s.bounds(ctx, groups)
	if err != nil {
		return nil, err
	}
	s.lags(ctx, groups, services, committed, logs)
	s.count(ctx, groups, services, logs)
	for i := range services {
		services[i].sum()
	}
	return services, nil
}

// fail notes what could not be found out.
func (v *Service) fail(doing string, err error) {
	if err != nil {
		v.Err = errors.Join(v.Err, fmt.Errorf("%s: %w", doing, err))
	}
}

func (v *Service) sum() {
	for _, t := range v.Topics {
		v.Lag += t.Lag
		v.LagAge = max(v.LagAge, t.LagAge)
		v.Waiting += t.Waiting
		v.DeadOpen += t.DeadOpen
	}
}
