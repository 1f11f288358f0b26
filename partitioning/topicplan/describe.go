package topicplan

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cluster is what a broker says about the topics asked for.
type cluster struct {
	brokers int
	topics  map[string]topicState
}

type topicState struct {
	err        error // e.g. UNKNOWN_TOPIC_OR_PARTITION
	partitions int
	replicas   int  // of the partition that has the fewest
	led        bool // every partition has a leader
}

// describe asks a broker. It does not use kadm.Metadata, which answers from a cache of up to MetadataMinAge (5 s by default):
// a plan made just after Apply would be one that was true before it.
func describe(ctx context.Context, cl *kgo.Client, topics []string) (cluster, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // nil would mean all topics
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &t
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return cluster{}, fmt.Errorf("ask kafka for its topics: %w", err)
	}
	c := cluster{brokers: len(resp.Brokers), topics: make(map[string]topicState, len(resp.Topics))}
	for _, t := range resp.Topics {
		if t.Topic == nil {
			continue
		}
		state := topicState{err: kerr.ErrorForCode(t.ErrorCode), partitions: len(t.Partitions), led: true}
		for i, p := range t.Partitions {
			if i == 0 || len(p.Replicas) < state.replicas {
				state.replicas = len(p.Replicas)
			}
			state.led = state.led && p.Leader >= 0
		}
		c.topics[*t.Topic] = state
	}
	return c, nil
}

const pollInterval = 100 * time.Millisecond

// waitUsable waits until the topics, just created, are known and led. The controller answers before the brokers have learned of
// them, and a program started in between would be told that they are missing.
func waitUsable(ctx context.Context, cl *kgo.Client, topics []string) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		c, err := describe(ctx, cl, topics)
		if err != nil {
			return err
		}
		waiting := ""
		for _, t := range topics {
			if state := c.topics[t]; state.err != nil || !state.led {
				waiting = t
			}
		}
		if waiting == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the new topic %s: %w", waiting, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
