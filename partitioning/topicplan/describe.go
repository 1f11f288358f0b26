package topicplan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/schemas"
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

const (
	pollInterval = 100 * time.Millisecond
	// visibleTimeout is ample: a broker learns of a change within a second of the controller's answer, unless it is in trouble.
	visibleTimeout = 15 * time.Second
)

// waitVisible waits until the topics, just created or set, are shown as wanted and have leaders. The controller answers before
// the brokers have learned of a change, so that a program started at once would be told that topics are missing.
//
// The error wraps ErrConflict when somebody else has made a topic otherwise meanwhile.
func waitVisible(ctx context.Context, cl *kgo.Client, wanted []schemas.TopicSpec) error {
	ctx, cancel := context.WithTimeout(ctx, visibleTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		p, err := Make(ctx, cl, wanted)
		switch {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			// One broker has told of the topic, and another, asked for its settings, has not heard of it yet.
		case err != nil:
			return err
		case p.Err() != nil:
			return p.Err()
		case p.Empty() && p.led:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for kafka's brokers to learn of the topics: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}
