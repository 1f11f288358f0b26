package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Fetch reads back what the group has committed, within Config.CommitTimeout. It waits for open transactions that hold one of
// the offsets (RequireStable), so that it tells the outcome of a transaction whose end is unknown, once that is ended.
func (c *Commit) Fetch(ctx context.Context, tps []TP) (map[TP]Committed, error) {
	if len(tps) == 0 {
		return map[TP]Committed{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.m.cfg.CommitTimeout)
	defer cancel()
	for {
		found, err := c.m.fetchOnce(ctx, tps, true)
		if err == nil {
			return found, nil
		}
		if !errors.Is(err, kerr.UnstableOffsetCommit) || pause.Sleep(ctx, 50*time.Millisecond) != nil {
			return nil, c.m.commitError("fetch committed offsets", err)
		}
	}
}

func (m *Member) fetchOnce(ctx context.Context, tps []TP, stable bool) (map[TP]Committed, error) {
	partitions := byTopic(tps)
	topics := make([]string, 0, len(partitions))
	for topic := range partitions {
		topics = append(topics, topic)
	}
	ids, err := m.topicIDs(ctx, topics)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = stable
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = m.cfg.Group
	names := make(map[[16]byte]string)
	for _, topic := range topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.TopicID, t.Partitions = topic, ids[topic], partitions[topic]
		group.Topics = append(group.Topics, t)
		names[t.TopicID] = topic
	}
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, m.client())
	if err != nil {
		return nil, err
	}
	for i := range resp.Groups {
		for j := range resp.Groups[i].Topics {
			if t := &resp.Groups[i].Topics[j]; t.Topic == "" {
				t.Topic = names[t.TopicID]
			}
		}
	}
	found, err := committedOf(resp)
	if err != nil {
		return nil, err
	}
	for _, tp := range tps {
		if _, ok := found[tp]; !ok {
			return nil, fmt.Errorf("%s is missing in the answer", tp)
		}
	}
	return found, nil
}
