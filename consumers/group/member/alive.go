package member

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Alive tells whether the group can still take this member for alive at a time: whether a heartbeat, or a step of joining, that was
// sent less than a session timeout before has been answered. A process that was stopped for longer (SIGSTOP, a paused machine) finds
// out by this, before anything else, that its partitions may have other owners; so does one that Kafka cannot be reached from.
func (m *Member) Alive(now time.Time) bool {
	session := m.cfg.SessionTimeout
	if m.cfg.Protocol == ProtocolConsumer {
		// Both the session timeout (45 s by default) and the interval of heartbeats (5 s) are settings of the brokers then.
		session = max(session, brokersSession)
	}
	return now.UnixNano()-m.answered.Load() < int64(session) && !m.renamed()
}

const brokersSession = 15 * time.Second

// pulse is a hook of the client.
type pulse struct{ m *Member }

// OnBrokerE2E is called for every request that was answered, or failed. What counts is when the request was sent: an answer can have
// waited in the socket while the process stood still.
func (p pulse) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e kgo.BrokerE2E) {
	switch kmsg.Key(key) {
	case kmsg.Heartbeat, kmsg.ConsumerGroupHeartbeat, kmsg.JoinGroup, kmsg.SyncGroup:
		if e.Err() != nil {
			return
		}
		sent := time.Now().Add(-e.DurationE2E()).UnixNano()
		if key == int16(kmsg.JoinGroup) || key == int16(kmsg.SyncGroup) {
			sent = time.Now().UnixNano() // they wait for the other members by design
		}
		for before := p.m.answered.Load(); sent > before && !p.m.answered.CompareAndSwap(before, sent); before = p.m.answered.Load() {
		}
	default: // says nothing about the membership
	}
}
