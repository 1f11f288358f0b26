package deadletter

import (
	"bytes"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// headers are those of a record in a retry or dead-letter topic that this package looks at, undecoded: a pass over a log decodes
// only what it needs.
type headers struct {
	shop, entity, shopifyTopic, webhook     []byte
	received                                []byte
	source, attempts, first, last, class    []byte
	err, due, since, parked, aside, by      []byte
	replay                                  []byte
	resolution, resolutionBy, resolutionEnd []byte
}

// read finds them; of a repeated header the last counts.
func read(list []kgo.RecordHeader) (h headers) {
	for i := range list {
		v := list[i].Value
		switch list[i].Key {
		case schemas.HeaderSource:
			h.shop = bytes.TrimPrefix(v, []byte(schemas.Source("")))
		case schemas.HeaderSubject:
			h.entity = v
		case schemas.HeaderShopifyTopic:
			h.shopifyTopic = v
		case schemas.HeaderType:
			if topic, ok := schemas.OrderEventTopicOf(string(v)); ok {
				h.shopifyTopic = []byte(topic)
			}
		case schemas.HeaderID:
			h.webhook = v
		case schemas.HeaderReceivedTime:
			h.received = v
		case schemas.HeaderSourceOffset:
			h.source = v
		case schemas.HeaderAttempts:
			h.attempts = v
		case schemas.HeaderFirstFailure:
			h.first = v
		case schemas.HeaderLastFailure:
			h.last = v
		case schemas.HeaderErrorClass:
			h.class = v
		case schemas.HeaderError:
			h.err = v
		case schemas.HeaderRetryDue:
			h.due = v
		case schemas.HeaderRetrySince:
			h.since = v
		case schemas.HeaderRetryAside:
			h.aside = v
		case schemas.HeaderRetryParked:
			h.parked = v
		case schemas.HeaderRetryBy:
			h.by = v
		case schemas.HeaderReplay:
			h.replay = v
		case schemas.HeaderResolution:
			h.resolution = v
		case schemas.HeaderResolutionBy:
			h.resolutionBy = v
		case schemas.HeaderResolutionTime:
			h.resolutionEnd = v
		}
	}
	return h
}

// place fills in shop and entity from the record's key where the headers do not tell, as for an event that could not be read.
func (h *headers) place(key []byte) {
	shop, entity, ok := bytes.Cut(key, []byte("|"))
	if !ok {
		return
	}
	if len(h.shop) == 0 {
		h.shop = shop
	}
	if len(h.entity) == 0 {
		h.entity = entity
	}
}

// sourceOffset is false for a record that is none of ours: without it a letter cannot be named or settled.
func (h *headers) sourceOffset() (int64, bool) { return parseOffset(h.source) }

func (h *headers) isParked() bool { return string(h.parked) == "1" }

// waits tells whether a record of a retry topic is an event, and not the note that one waits no longer: that has no body, and no
// count of attempts either, which tells it from an event whose body is empty.
func (h *headers) waits(value []byte) bool {
	return len(value) > 0 || h.attempts != nil || h.isParked()
}

func (h *headers) attemptCount() int {
	n, _ := strconv.Atoi(string(h.attempts))
	return n
}

func parseOffset(text []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil && n >= 0
}

// parseTime returns the zero time for a missing or unreadable one.
func parseTime(text []byte) time.Time {
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func formatTime(t time.Time) []byte { return t.UTC().AppendFormat(nil, time.RFC3339Nano) }

// original returns the headers that the event came with: all but those of ours.
func original(list []kgo.RecordHeader) []kgo.RecordHeader {
	out := make([]kgo.RecordHeader, 0, len(list)+6)
	for _, h := range list {
		if !schemas.IsGroupHeader(h.Key) {
			out = append(out, h)
		}
	}
	return out
}
