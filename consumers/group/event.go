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
}
