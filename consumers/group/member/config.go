package member

import (
	"strings"
	"time"

	"millrace/consumers/internal/check"
)

// Config is how a process is a member of its consumer group.
type Config struct {
	Group            string        `mapstructure:"group" help:"Kafka consumer group; all instances of one service share it. Topics for retries, dead letters and state are named after it."`
	Protocol         string        `mapstructure:"protocol" help:"How the group shares partitions out: classic (cooperative, decided by the members), or consumer (KIP-848, decided by the brokers; needs Kafka 4.0, and its session timeout is a setting of the brokers)."`
	InstanceID       string        `mapstructure:"instance_id" help:"Name of this instance that stays the same over restarts, e.g. the ordinal of a StatefulSet (static membership); empty for none. A restart within session_timeout then moves no partitions, and a transaction left open by a crash ends at once."`
	SessionTimeout   time.Duration `mapstructure:"session_timeout" help:"Time without heartbeats after which the group gives this member's partitions to others; at least 1s, and within the broker's limits."`
	CommitTimeout    time.Duration `mapstructure:"commit_timeout" help:"Deadline of one offset commit or transaction; at least 100ms."`
	StopGrace        time.Duration `mapstructure:"stop_grace" help:"Time for finishing what is under way when the program is told to stop; what is not finished by then is read again at the next start."`
	OffsetOutOfRange string        `mapstructure:"offset_out_of_range" help:"What to do when a committed offset is no longer in Kafka, so that events were lost unread: stop (with an error that says where) or earliest (log, count and go on at the oldest record)."`
}

// Values of Config.Protocol and Config.OffsetOutOfRange.
const (
	ProtocolClassic    = "classic"
	ProtocolConsumer   = "consumer"
	OutOfRangeStop     = "stop"
	OutOfRangeEarliest = "earliest"
)

// DefaultConfig returns the settings of a member of the group.
func DefaultConfig(group string) Config {
	return Config{
		Group:            group,
		Protocol:         ProtocolClassic,
		SessionTimeout:   10 * time.Second,
		CommitTimeout:    5 * time.Second,
		StopGrace:        5 * time.Second,
		OffsetOutOfRange: OutOfRangeStop,
	}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	if c.Group == "" {
		p.Report("group must not be empty")
	}
	if c.Protocol != ProtocolClassic && c.Protocol != ProtocolConsumer {
		p.Report("protocol must be %s or %s, is %q", ProtocolClassic, ProtocolConsumer, c.Protocol)
	}
	if !validInstanceID(c.InstanceID) {
		p.Report("instance_id must have at most 249 letters, digits, dots, underscores and dashes, is %q", c.InstanceID)
	}
	p.AtLeast("session_timeout", c.SessionTimeout, time.Second)
	p.AtLeast("commit_timeout", c.CommitTimeout, 100*time.Millisecond)
	p.AtLeast("stop_grace", c.StopGrace, 0)
	if c.OffsetOutOfRange != OutOfRangeStop && c.OffsetOutOfRange != OutOfRangeEarliest {
		p.Report("offset_out_of_range must be %s or %s, is %q", OutOfRangeStop, OutOfRangeEarliest, c.OffsetOutOfRange)
	}
	return p.Err()
}

// validInstanceID is Kafka's own rule, which is that for names of topics.
func validInstanceID(id string) bool {
	allowed := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	return len(id) <= 249 && id != "." && id != ".." && strings.IndexFunc(id, func(r rune) bool { return !allowed(r) }) < 0
}
