package group

import (
	"bytes"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/schedule"
	"millrace/schemas"
)

// superseded tells whether a later event of the key makes this one needless. One that will itself be skipped for a repeat does not.
func (r *Runtime) superseded(it *schedule.Item, u *unit) bool {
	if r.svc.Supersedes == nil {
		return false
	}
	for _, rec := range slices.Backward(r.behind(it)) { // the last is the most likely
		later := Event{Key: u.event.Key, Body: rec.Value, KafkaTopic: u.event.KafkaTopic, Partition: u.event.Partition}
		var err error
		if later.Event, err = schemas.ParseHeaders(rec.Headers); err != nil {
			continue
		}
		if u.repeated(&later, r.svc.Dedupe) == "" && r.svc.Supersedes(u.State().Get(), &u.event, &later) {
			return true
		}
	}
	return false
}

// mostBehind is how many later events are looked at.
const mostBehind = 16

// behind returns the records of later events of the item's key. A key that shares its hash is another one.
func (r *Runtime) behind(it *schedule.Item) (out []*kgo.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	later := r.sched.Behind(it)
	for _, other := range later[max(0, len(later)-mostBehind):] {
		if other.Record != nil && bytes.Equal(entityKey(other), entityKey(it)) {
			out = append(out, other.Record)
		}
	}
	return out
}
