package check

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/schemas"
)

// letters counts dead letters that are missing, doubled, of an event that should have been done, or not as they should be.
func (b *book) letters() Result {
	r := Result{Name: "wrong, missing or doubled dead letters"}
	got := map[*page]int{}
	for _, letter := range b.in.Letters {
		p, err := b.letter(letter)
		if p != nil {
			got[p]++
		}
		if err != nil {
			r.violate(fmt.Sprintf("%s %d@%d key %q: %v", letter.Topic, letter.Partition, letter.Offset, letter.Key, err))
		}
	}
	want := 0
	b.each(func(p, _ *page) {
		expected := 0
		if p.fate.Kind.Dead() {
			expected = 1
			want++
		}
		if got[p] != expected {
			r.violate(fmt.Sprintf("%v (%d@%d) has %d dead letters instead of %d: %s", p.sent.Event, p.sent.Partition, p.sent.Offset, got[p], expected, history(p)))
		}
	})
	r.Remark = fmt.Sprintf("%d dead letters for %d permanent failures", len(b.in.Letters), want)
	return r
}

// letter returns the event that a dead letter is of, and everything that is wrong with the letter.
func (b *book) letter(letter *kgo.Record) (*page, error) {
	h := map[string]string{}
	for _, header := range letter.Headers {
		if _, twice := h[header.Key]; twice {
			return nil, fmt.Errorf("header %s is there twice", header.Key)
		}
		h[header.Key] = string(header.Value)
	}
	partition, err1 := strconv.ParseInt(h[schemas.HeaderSourcePartition], 10, 32)
	offset, err2 := strconv.ParseInt(h[schemas.HeaderSourceOffset], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	p := b.byPlace[place{int32(partition), offset}]
	if p == nil {
		return nil, fmt.Errorf("no event was sent to %d@%d", partition, offset)
	}
	if !p.fate.Kind.Dead() {
		return p, nil // that it is there at all is the fault
	}
	e := p.sent.Event
	var errs []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	demand(letter.Partition == p.sent.Partition, "it is not in partition %d", p.sent.Partition)
	demand(h[schemas.HeaderSourceTopic] == b.in.Topic, "%s is %q", schemas.HeaderSourceTopic, h[schemas.HeaderSourceTopic])
	demand(string(letter.Key) == b.in.World.Key(e.Entity), "the key is not that of %v", e)
	demand(bytes.Equal(letter.Value, ledger.Body(e)), "the body is not that of %v", e)
	event, err := schemas.ParseHeaders(letter.Headers)
	if err != nil {
		errs = append(errs, err)
	}
	demand(event == b.in.World.Envelope(e, event.Time), "the headers of the event have changed: %+v", event)
	class, attempts := "permanent", 1
	if p.fate.Kind == ledger.Exhausted {
		class, attempts = "exhausted", len(b.in.Schedule)
	}
	demand(h[schemas.HeaderErrorClass] == class, "%s is %q instead of %q", schemas.HeaderErrorClass, h[schemas.HeaderErrorClass], class)
	demand(h[schemas.HeaderAttempts] == strconv.Itoa(attempts), "%s is %q instead of %d", schemas.HeaderAttempts, h[schemas.HeaderAttempts], attempts)
	demand(h[schemas.HeaderError] != "", "%s is missing", schemas.HeaderError)
	first, err1 := time.Parse(time.RFC3339Nano, h[schemas.HeaderFirstFailure])
	last, err2 := time.Parse(time.RFC3339Nano, h[schemas.HeaderLastFailure])
	errs = append(errs, err1, err2)
	demand(!last.Before(first), "the last failure was before the first")
	for _, name := range []string{schemas.HeaderRetryDue, schemas.HeaderRetryParked, schemas.HeaderRetryBy, schemas.HeaderResolution} {
		_, there := h[name]
		demand(!there, "it has the header %s", name)
	}
	return p, errors.Join(errs...)
}
