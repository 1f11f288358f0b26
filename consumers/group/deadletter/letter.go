package deadletter

import (
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// Letter is one dead letter.
type Letter struct {
	ID    ID
	Group string

	Shop         string // with the entity: from the headers, else from the key
	Entity       string
	ShopifyTopic string
	WebhookID    string

	Class        string // schemas.HeaderErrorClass
	Error        string
	Attempts     int
	Replay       string // the replay that the event was handled again for; empty: none
	FirstFailure time.Time
	LastFailure  time.Time // of the record itself where the header is missing

	Key     []byte
	Value   []byte // the body; nil when Bare
	Headers []kgo.RecordHeader
	// Bare letters came without their body, because it was too large; Redrive reads it at its source.
	Bare bool

	// Resolution is nil while the letter is open.
	Resolution *Resolution
}

// Resolution is how a letter was settled.
type Resolution struct {
	What string // schemas.ResolutionRedriven or schemas.ResolutionDropped
	By   string // user@host
	Time time.Time
}

// letterOf decodes a dead letter. r must have a source offset.
func letterOf(group, source string, r *kgo.Record) Letter {
	h := read(r.Headers)
	h.place(r.Key)
	offset, _ := h.sourceOffset()
	l := Letter{
		ID: ID{source, r.Partition, offset}, Group: group,
		Shop: string(h.shop), Entity: string(h.entity), ShopifyTopic: string(h.shopifyTopic), WebhookID: string(h.webhook),
		Class: string(h.class), Error: strings.ToValidUTF8(string(h.err), "�"), Attempts: h.attemptCount(), Replay: string(h.replay),
		FirstFailure: parseTime(h.first), LastFailure: failureTime(&h, r),
		Key: r.Key, Value: r.Value, Headers: r.Headers,
	}
	l.Bare = r.Value == nil && l.Class == schemas.ClassTooLarge
	return l
}

func failureTime(h *headers, r *kgo.Record) time.Time {
	if t := parseTime(h.last); !t.IsZero() {
		return t
	}
	return r.Timestamp.UTC()
}

func resolutionOf(r *kgo.Record) *Resolution {
	h := read(r.Headers)
	at := parseTime(h.resolutionEnd)
	if at.IsZero() {
		at = r.Timestamp.UTC()
	}
	return &Resolution{What: string(h.resolution), By: string(h.resolutionBy), Time: at}
}
