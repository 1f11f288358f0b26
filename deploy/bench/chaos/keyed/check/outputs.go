package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/ledger"
)

// emitted counts emitted records that are missing, doubled, of an event that was not done, or out of their entity's order.
func (b *book) emitted() Result {
	r := Result{Name: "emitted records missing, doubled or out of order"}
	got := map[*page]int{}
	newest := map[int32]int32{}
	home := map[int32]int32{}
	for _, record := range b.in.Emitted {
		where := fmt.Sprintf("%s %d@%d", record.Topic, record.Partition, record.Offset)
		m, err := ledger.DecodeEmitted(record.Value)
		if err != nil {
			r.violate(fmt.Sprintf("%s: %v", where, err))
			continue
		}
		p := b.byName[m.Event]
		if p == nil || p.sent.Offset != m.Source || string(record.Key) != b.in.World.Key(m.Entity) {
			r.violate(fmt.Sprintf("%s: %v from offset %d under key %q is of no event", where, m.Event, m.Source, record.Key))
			continue
		}
		got[p]++
		if m.Seq <= newest[m.Entity] && got[p] == 1 && p.fate.Kind != ledger.NotReady {
			r.violate(fmt.Sprintf("%s: %v stands after event %d", where, m.Event, newest[m.Entity]))
		}
		newest[m.Entity] = max(newest[m.Entity], m.Seq)
		if partition, known := home[m.Entity]; known && partition != record.Partition {
			r.violate(fmt.Sprintf("%s: entity %d also has records in partition %d", where, m.Entity, partition))
		}
		home[m.Entity] = record.Partition
	}
	b.each(func(p, _ *page) {
		want := 1
		if p.fate.Kind.Dead() {
			want = 0
		}
		if got[p] != want {
			r.violate(fmt.Sprintf("%v has %d emitted records instead of %d: %s", p.sent.Event, got[p], want, history(p)))
		}
	})
	r.Remark = fmt.Sprintf("%d records", len(b.in.Emitted))
	return r
}

// state counts entities whose newest state is not that of a replay of the ledger: the first effects, in the order they came; where
// events may have passed each other, in the order in which they were committed.
func (b *book) state() Result {
	r := Result{Name: "entities whose state is not the replay of the ledger"}
	newest := map[string]*kgo.Record{}
	for _, record := range b.in.State {
		newest[string(record.Key)] = record
	}
	for _, entity := range b.entities {
		var want ledger.State
		for _, seq := range b.replay(entity) {
			want = want.Next(seq)
		}
		key := b.in.World.Key(entity)
		record := newest[key]
		delete(newest, key)
		var value []byte
		where := "the state topic has nothing"
		if record != nil {
			value, where = record.Value, fmt.Sprintf("state %d@%d", record.Partition, record.Offset)
		}
		have, err := ledger.DecodeState(value)
		if err != nil {
			r.violate(fmt.Sprintf("%s: %v", where, err))
			continue
		}
		if have != want {
			r.violate(fmt.Sprintf("entity %d: %s: %+v instead of %+v", entity, where, have, want))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(newest)) {
		r.violate(fmt.Sprintf("the state topic has the key %q, which is of no entity", key))
	}
	r.Remark = fmt.Sprintf("%d entities, %d writes", len(b.entities), len(b.in.State))
	return r
}

// replay returns the events of an entity that were done, in the order that its state must show.
func (b *book) replay(entity int32) []int32 {
	if b.shuffled(entity) {
		return b.emitOrder[entity]
	}
	var first []*ledger.Effect
	for _, p := range b.pages[entity] {
		if e := p.done(); e != nil {
			first = append(first, e)
		}
	}
	slices.SortStableFunc(first, func(x, y *ledger.Effect) int { return cmp.Compare(x.End, y.End) })
	seqs := make([]int32, len(first))
	for i, e := range first {
		seqs[i] = e.Seq
	}
	return seqs
}

// retryEmpty counts events that still wait in the retry topic.
func (b *book) retryEmpty() Result {
	r := Result{Name: "events left in the retry topic"}
	waiting := Fold(b.in.Retry)
	for _, key := range slices.Sorted(maps.Keys(waiting)) {
		record := waiting[key]
		r.violate(fmt.Sprintf("%s %d@%d key %q %v", record.Topic, record.Partition, record.Offset, key, Headers(record)))
	}
	r.Remark = fmt.Sprintf("%d records read", len(b.in.Retry))
	return r
}

// Fold returns what is left of a compacted topic.
func Fold(records []*kgo.Record) map[string]*kgo.Record {
	left := map[string]*kgo.Record{}
	for _, record := range records {
		if record.Value == nil {
			delete(left, string(record.Key))
		} else {
			left[string(record.Key)] = record
		}
	}
	return left
}

// Headers returns a record's headers that are not those of the event, as text.
func Headers(record *kgo.Record) []string {
	var out []string
	for _, h := range record.Headers {
		if len(h.Key) > 8 && h.Key[:8] == "millrace" {
			out = append(out, h.Key+"="+string(h.Value))
		}
	}
	return out
}

// committed counts partitions whose committed offset is not behind their last event. What may be beyond that event are only the
// markers of transactions, which no consumer sees.
func (b *book) committed() Result {
	r := Result{Name: "partitions not committed to their last event"}
	need := Need(b.in.Sent)
	for _, partition := range slices.Sorted(maps.Keys(need)) {
		if have := b.in.Committed[partition]; have < need[partition] {
			r.violate(fmt.Sprintf("partition %d: committed %d instead of %d", partition, have, need[partition]))
		}
	}
	r.Remark = fmt.Sprintf("%d partitions", len(need))
	return r
}

// Need returns the offset that the group must have committed for each partition once everything is done.
func Need(sent []ledger.Sent) map[int32]int64 {
	need := map[int32]int64{}
	for _, s := range sent {
		need[s.Partition] = max(need[s.Partition], s.Offset+1)
	}
	return need
}
