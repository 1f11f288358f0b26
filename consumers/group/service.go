package group

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Service is what its programmer says about a service; Config is what its operator says.
type Service struct {
	Name    string   // short and constant, e.g. "inventory": label of metrics and logs
	Topics  []string // Kafka topics to read
	Handler Handler

	Emits []string // Kafka topics that the handler may emit to; they must exist
	State bool     // keep a value per key; needs the state topics, see schemas.GroupTopics

	// Dedupe drops repeats before the handler sees them; it makes State true.
	Dedupe Dedupe
	// Supersedes tells that an event need not be handled because a later one of its key says all that it says, and newer: a document of
	// which only the newest version is of use, say. The runtime asks it about those that are in memory when the turn of the earlier
	// one comes, so that a service that is slow, or has waited for its gate, does not work off what is overtaken; the earlier one is
	// skipped with the reason "superseded". state is what the key has, nil without State. What waits in the retry topic is not looked at.
	// nil: never.
	Supersedes func(state []byte, earlier, later *Event) bool
	// Priority gives the class of a Shopify topic; nil: all are Normal. It orders the heads of different keys only.
	Priority func(shopifyTopic string) Priority
	// Gate stops the dispatch of all events while what the service needs is away; nil: never. See package outgoing.
	Gate Gate
}

// Dedupe is how repeats are recognised. The memory is per key and travels with the state.
type Dedupe struct {
	// WebhookIDs is how many of the last webhook ids of a key are remembered; 0 for none. An event whose id is among them is
	// skipped with the reason "duplicate".
	WebhookIDs int
	// UpdatedAt returns the version of an event's body; ok is false when it has none. An event with an older version than the
	// newest that was handled for the key is skipped with the reason "stale". nil: not checked.
	UpdatedAt func(e *Event) (version int64, ok bool)
}

// Priority is a class of events. Classes are weighted 8 : 4 : 1, so that none starves.
type Priority uint8

// The classes.
const (
	Normal Priority = iota
	High
	Low
)

// Gate tells how many events may be dispatched. An outgoing.Client is one.
type Gate interface {
	// Permits returns how many handlers may run at once: 0 while a breaker is open, a few while it is half open, -1 for no limit.
	Permits() int
	// Changed returns a channel that is closed when Permits has changed since the call.
	Changed() <-chan struct{}
}

// Shared is a Gate that wants to know how much of the service's work this process has, so that limits can hold for all processes of the
// group together. An outgoing.Client is one; a Gate that stands before several Clients passes it on to each.
type Shared interface {
	// Share tells how many partitions of the service's topics this process owns, and how many there are: before an event of a new one
	// is dispatched, and before one that is given up can have another owner. It must not block, nor use the Runtime.
	Share(owned, all int)
}

// Deps is what the program hands to a Runtime.
type Deps struct {
	Kafka      []kgo.Opt // connection: seed brokers, TLS, SASL, hooks; not group or topics
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}
