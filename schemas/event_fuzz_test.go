package schemas_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"millrace/schemas"

	"github.com/google/go-cmp/cmp"
)

// FuzzParseHeaders feeds headers that a stranger wrote, one per line as name=value. Invariants: no panic; an error is
// ErrNotAnEvent and comes with no event; what is accepted has its required fields and survives being written again.
func FuzzParseHeaders(f *testing.F) {
	e := fullEvent()
	var lines []string
	for _, h := range schemas.AppendHeaders[recordHeader](nil, &e) {
		lines = append(lines, h.Key+"="+string(h.Value))
	}
	f.Add(strings.Join(lines, "\n"))
	f.Add(strings.Join(lines[1:], "\n"))
	f.Add(strings.Join(append(lines, "ce_time=9999-12-31T23:59:59-05:00"), "\n"))
	f.Add("")
	f.Fuzz(func(t *testing.T, input string) {
		var headers []recordHeader
		for line := range strings.SplitSeq(input, "\n") {
			name, value, _ := strings.Cut(line, "=")
			headers = append(headers, recordHeader{name, []byte(value)})
		}
		got, err := schemas.ParseHeaders(headers)
		if err != nil {
			if !errors.Is(err, schemas.ErrNotAnEvent) || got != (schemas.Event{}) {
				t.Fatalf("event %+v with error %v", got, err)
			}
			return
		}
		if got.ID == "" || got.Shop == "" || got.Topic == "" {
			t.Fatalf("accepted without a required field: %+v", got)
		}
		again, err := schemas.ParseHeaders(schemas.AppendHeaders[recordHeader](nil, &got))
		if err != nil {
			t.Fatalf("what was accepted, written again, is refused: %v", err)
		}
		if outside(got.Time) || outside(got.Received) {
			return // such times are cut off by design
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("event changed when written again (-first +second):\n%s", diff)
		}
	})
}

func outside(t time.Time) bool { return t.Year() < 0 || t.Year() > 9999 }

// FuzzHeadersRoundTrip writes an arbitrary event and reads it back. Invariant: with the required fields set, the event is
// the same.
func FuzzHeadersRoundTrip(f *testing.F) {
	e := fullEvent()
	f.Add(e.ID, e.Shop, e.Topic, e.Subject, e.Time.UnixNano(), e.Received.UnixNano(), e.ContentType, e.ShopifyEventID, e.ShopifyAPIVersion, e.PartitionKey, e.TraceParent)
	f.Add("1", "a", "customer.tags_added", "", int64(-1), int64(0), "", "", "", "", "")
	f.Fuzz(func(t *testing.T, id, shop, topic, subject string, when, received int64, contentType, eventID, version, key, trace string) {
		e := schemas.Event{
			ID: id, Shop: shop, Topic: topic, Subject: subject, Time: time.Unix(0, when).UTC(), Received: time.Unix(0, received).UTC(),
			ContentType: contentType, ShopifyEventID: eventID, ShopifyAPIVersion: version, PartitionKey: key, TraceParent: trace,
		}
		got, err := schemas.ParseHeaders(schemas.AppendHeaders[recordHeader](nil, &e))
		if complete := id != "" && shop != "" && topic != ""; complete != (err == nil) {
			t.Fatalf("complete is %v, error is %v", complete, err)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Fatalf("event (-want +got):\n%s", diff)
		}
	})
}
