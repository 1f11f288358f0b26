package member

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// pollWait bounds a poll, so that Room and Throttle are asked also while nothing comes.
	pollWait = 250 * time.Millisecond
	// pollRecords and fetchMaxBytes bound what one poll can add beyond what the work has room for.
	pollRecords       = 5000
	fetchMaxBytes     = 4 << 20
	fetchMaxPartition = 512 << 10
	// fetchMaxWait bounds how long a partition that has become ready waits for the fetch of the quiet ones before it: the
	// client has one fetch under way per broker. Records that come meanwhile end the wait.
	fetchMaxWait = 250 * time.Millisecond
	// maxHeartbeat decides how soon the others learn that a member has left: at their next heartbeat.
	maxHeartbeat = 300 * time.Millisecond
)

// rebalanceTimeout is how long members may take to let go of partitions before the group goes on without them.
func (c Config) rebalanceTimeout() time.Duration { return max(30*time.Second, c.SessionTimeout) }

// options completes the connection options. Work that callbacks do ends with work, requests to Kafka with requests.
//
// A group without commits starts at the oldest record. A committed offset that is gone is another matter: franz-go's default
// would go back or forth on its own, so the reset is off unless the operator has chosen it. That offsets are read back only
// when no open transaction can still change them (RequireStable) needs no option: franz-go always asks for it.
func (m *Member) options(work, requests context.Context, started <-chan struct{}) []kgo.Opt {
	reset := kgo.NoResetOffset()
	if m.cfg.OffsetOutOfRange == OutOfRangeEarliest {
		reset = kgo.NewOffset().AtStart()
	}
	opts := append(append([]kgo.Opt(nil), m.kafka...),
		kgo.WithContext(requests),
		kgo.WithHooks(pulse{m}),
		kgo.ConsumerGroup(m.cfg.Group),
		kgo.ConsumeTopics(m.topics...),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(reset),
		kgo.SessionTimeout(m.cfg.SessionTimeout),
		kgo.HeartbeatInterval(min(m.cfg.SessionTimeout/10, maxHeartbeat)),
		kgo.RebalanceTimeout(m.cfg.rebalanceTimeout()),
		kgo.FetchMaxBytes(fetchMaxBytes),
		kgo.FetchMaxPartitionBytes(fetchMaxPartition),
		kgo.FetchMaxWait(fetchMaxWait),
		// A topic or partition that is created later is noticed soon, not after the default of five minutes.
		kgo.MetadataMaxAge(15*time.Second),
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.OnPartitionsAssigned(func(ctx context.Context, c *kgo.Client, tps map[string][]int32) {
			<-started
			m.onAssigned(ctx, work, c, list(tps))
		}),
		kgo.OnOffsetsFetched(func(_ context.Context, c *kgo.Client, r *kmsg.OffsetFetchResponse) error {
			<-started
			return m.onOffsetsFetched(work, c, r)
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) {
			<-started
			m.onRevoked(work, list(tps))
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) {
			<-started
			m.onLost(work, list(tps))
		}),
	)
	if m.cfg.Protocol == ProtocolConsumer {
		// The balancer above then only names the brokers' assignor, which is their sticky one, and is what the client falls
		// back to with brokers that do not know the protocol.
		opts = append(opts, kgo.ServerSideBalancer())
	}
	if m.cfg.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(m.cfg.InstanceID))
	}
	return opts
}

// list and byTopic translate between the two forms of a set of partitions.
func list(byTopic map[string][]int32) []TP {
	var out []TP
	for topic, partitions := range byTopic {
		for _, p := range partitions {
			out = append(out, TP{topic, p})
		}
	}
	return out
}

func byTopic(tps []TP) map[string][]int32 {
	out := make(map[string][]int32)
	for _, tp := range tps {
		out[tp.Topic] = append(out[tp.Topic], tp.Partition)
	}
	return out
}
