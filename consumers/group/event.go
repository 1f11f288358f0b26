package group

import (
	"time"

	"millrace/schemas"
)

// Event is one record as a handler gets it: what the headers say, the body, and where the record is.
type Event struct {
	schemas.Event
	Key  string // the record's key, <shop>|<entity>
	Body []byte // the webhook's body, byte for byte; not to be changed, and not to be kept after the handler has returned

	KafkaTopic string // coordinates of the record as the event first came, also for one that has waited in a retry topic
	Partition  int32
	Offset     int64

	// Attempt is 1 for the first and counts the tries that burned one; it goes on counting after a restart.
	Attempt int
	// FirstFailure is when the first try failed; zero before.
	FirstFailure time.Time

	// Replay is the id of the run of `millrace replay` that the event is handled once more for; empty: it has come anew. Service.Dedupe
	// does not hold a replayed event back. Whatever the handler does in the world outside, it does by the same idempotency key as the
	// first time, so that it stays single; a handler that cannot do so looks here.
	Replay string
}
