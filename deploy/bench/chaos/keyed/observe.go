package keyed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/deploy/internal/pause"
	"millrace/schemas"
)

// observer looks at the run from outside: what the group has committed, and what waits in the retry topic.
type observer struct {
	client *kgo.Client
	adm    *kadm.Client

	mu      sync.Mutex
	waiting map[string]*kgo.Record // without bodies
}

func newObserver(seeds []string) (*observer, error) {
	from := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		from[p] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{schemas.RetryTopic(sourceTopic, groupID): from}))
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	return &observer{client: client, adm: kadm.NewClient(client), waiting: map[string]*kgo.Record{}}, nil
}

// run follows the retry topic until ctx ends.
func (o *observer) run(ctx context.Context) {
	defer o.client.Close()
	for ctx.Err() == nil {
		fetches := o.client.PollFetches(ctx)
		o.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Value == nil {
				delete(o.waiting, string(r.Key))
				return
			}
			r.Value = nil
			o.waiting[string(r.Key)] = r
		})
		o.mu.Unlock()
	}
}

func (o *observer) left() map[string]*kgo.Record {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.waiting)
}

// askWithin bounds a question to the brokers, of which one may be down.
const askWithin = 10 * time.Second

// offsets returns what the group has committed for the source topic.
func (o *observer) offsets(ctx context.Context) (map[int32]int64, map[int32]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	responses, err := o.adm.FetchOffsets(ctx, groupID)
	if err != nil {
		return nil, nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	at, meta := map[int32]int64{}, map[int32]string{}
	for p, r := range responses[sourceTopic] {
		if r.Err != nil {
			return nil, nil, fmt.Errorf("fetch committed offset of partition %d: %w", p, r.Err)
		}
		at[p], meta[p] = r.At, r.Metadata
	}
	return at, meta, nil
}

// behind returns how far the commits are behind the events, in offsets.
func behind(sent []ledger.Sent, committed map[int32]int64) int64 {
	var sum int64
	for p, need := range check.Need(sent) {
		sum += max(0, need-max(0, committed[p]))
	}
	return sum
}

// errNotDrained is returned when not everything was done in time.
var errNotDrained = errors.New("not everything was done in time")

// drain waits until everything is committed and nothing waits in the retry topic.
func (o *observer) drain(ctx context.Context, sent []ledger.Sent, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errNotDrained)
	defer cancel()
	calm := 0
	for calm < 2 {
		committed, _, err := o.offsets(ctx)
		if err == nil && behind(sent, committed) == 0 && len(o.left()) == 0 {
			calm++
		} else {
			calm = 0
		}
		if pause.For(ctx, 500*time.Millisecond) != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
	return nil
}

// diagnose says what is stuck: partitions, their owners, events without an end and what waits in the retry topic.
func (o *observer) diagnose(ctx context.Context, in *check.Input) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	owners := o.owners(ctx)
	committed, meta, err := o.offsets(ctx)
	if err != nil {
		say("%v", err)
	}
	need := check.Need(in.Sent)
	for _, p := range slices.Sorted(maps.Keys(need)) {
		if committed[p] < need[p] {
			say("partition %d: committed %d of %d, owner %s, metadata %q", p, committed[p], need[p], owners[p], meta[p])
		}
	}
	waiting := o.left()
	for _, key := range shorten(slices.Sorted(maps.Keys(waiting))) {
		r := waiting[key]
		say("retry topic %d@%d: key %q, written %s, %v", r.Partition, r.Offset, key, r.Timestamp.UTC().Format("15:04:05.000"), check.Headers(r))
	}
	say("retry topic: %d wait", len(waiting))
	open := check.Open(in)
	for _, text := range shorten(open) {
		say("%s", text)
	}
	say("%d events without an end", len(open))
	return out
}

func shorten(list []string) []string { return list[:min(len(list), 20)] }

// owners returns which client has which partition of the source topic.
func (o *observer) owners(ctx context.Context) map[int32]string {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	owners := map[int32]string{}
	groups, err := o.adm.DescribeGroups(ctx, groupID)
	if err != nil {
		return owners // a consumer group of the newer protocol cannot be described so
	}
	for _, g := range groups {
		for _, m := range g.Members {
			assigned, ok := m.Assigned.AsConsumer()
			if !ok {
				continue
			}
			for _, t := range assigned.Topics {
				for _, p := range t.Partitions {
					owners[p] += m.ClientID + " "
				}
			}
		}
	}
	return owners
}
