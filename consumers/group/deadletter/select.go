package deadletter

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"unique"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// Selection is the letters that a filter chose, by their places in the logs; Read has their contents. It is not safe for
// concurrent use.
type Selection struct {
	parts   []*part
	missing []ID
	foreign int
}

// part is a partition of a dead-letter topic.
type part struct {
	topic     string // source topic
	letters   string // its dead-letter topic
	partition int32
	end       int64 // what was read
	entries   []entry
}

// entry is a letter that matches.
type entry struct {
	source  int64 // source offset
	at      int64 // the letter's own
	settled int64 // the resolution's; open: -1
	failed  int64 // Unix nanoseconds
	key     uint64
	size    int32
	class   unique.Handle[string]
}

// open is the value of entry.settled while a letter is open.
const open = -1

// ref points at an entry.
type ref struct{ part, entry int32 }

func (s *Selection) at(r ref) (*part, *entry) {
	p := s.parts[r.part]
	return p, &p.entries[r.entry]
}

// Len returns how many letters there are.
func (s *Selection) Len() int {
	n := 0
	for _, p := range s.parts {
		n += len(p.entries)
	}
	return n
}

// Open returns how many of them are open.
func (s *Selection) Open() int {
	n := 0
	for _, p := range s.parts {
		for i := range p.entries {
			if p.entries[i].settled == open {
				n++
			}
		}
	}
	return n
}

// Entities returns how many entities the open ones are of.
func (s *Selection) Entities() int {
	keys := map[uint64]struct{}{}
	for _, p := range s.parts {
		for i := range p.entries {
			if p.entries[i].settled == open {
				keys[p.entries[i].key] = struct{}{}
			}
		}
	}
	return len(keys)
}

// Classes counts the letters by error class.
func (s *Selection) Classes() map[string]int { return s.classes(func(*entry) bool { return true }) }

// OpenClasses counts the open ones by error class.
func (s *Selection) OpenClasses() map[string]int {
	return s.classes(func(e *entry) bool { return e.settled == open })
}

func (s *Selection) classes(counted func(*entry) bool) map[string]int {
	words := map[string]int{}
	for _, p := range s.parts {
		for i := range p.entries {
			if e := &p.entries[i]; counted(e) {
				words[e.class.Value()]++
			}
		}
	}
	return words
}

// Missing returns the ids of the filter for which there is no letter that matches.
func (s *Selection) Missing() []ID { return s.missing }

// Foreign returns how many records of the logs are neither letters nor resolutions: somebody else wrote them.
func (s *Selection) Foreign() int { return s.foreign }

// Select reads the logs and returns the letters that f chooses.
func (b *Book) Select(ctx context.Context, f Filter) (*Selection, error) {
	sources := map[string]string{}
	var topics []string
	for _, s := range b.sources {
		name := schemas.DeadLetterTopic(s.topic, b.group)
		sources[name] = s.topic
		topics = append(topics, name)
	}
	spans, err := b.wholeLogs(ctx, topics, func(topic string, p int32) bool { return f.partition(sources[topic], p) })
	if err != nil {
		return nil, err
	}
	s := &Selection{parts: make([]*part, len(spans))}
	folds := make([]fold, len(spans))
	for i, sp := range spans {
		s.parts[i] = &part{topic: sources[sp.topic], letters: sp.topic, partition: sp.partition, end: sp.to}
		folds[i] = fold{filter: &f, seed: b.seed, part: s.parts[i], entries: map[int64]entry{}}
	}
	if err := b.scan(ctx, spans, func(i int, r *kgo.Record) error { folds[i].add(r); return nil }); err != nil {
		return nil, fmt.Errorf("dead letters of %s: %w", b.group, err)
	}
	for i := range folds {
		p := s.parts[i]
		p.entries = slices.AppendSeq(make([]entry, 0, len(folds[i].entries)), maps.Values(folds[i].entries))
		slices.SortFunc(p.entries, func(x, y entry) int { return cmp.Compare(x.source, y.source) })
		s.foreign += folds[i].foreign
		folds[i] = fold{}
	}
	for _, id := range f.IDs {
		if !s.has(id) && !slices.Contains(s.missing, id) {
			s.missing = append(s.missing, id)
		}
	}
	return s, nil
}

func (s *Selection) has(id ID) bool {
	for _, p := range s.parts {
		if p.topic == id.Topic && p.partition == id.Partition {
			_, ok := p.find(id.Offset)
			return ok
		}
	}
	return false
}

// find returns the place of a source offset; entries are sorted by it.
func (p *part) find(source int64) (int, bool) {
	return slices.BinarySearchFunc(p.entries, source, func(e entry, o int64) int { return cmp.Compare(e.source, o) })
}

// fold keeps, of one log, what is the case after its last record: of each event the last letter or resolution counts.
type fold struct {
	filter  *Filter
	seed    maphash.Seed
	part    *part
	entries map[int64]entry // by source offset
	foreign int
}

func (f *fold) add(r *kgo.Record) {
	h := read(r.Headers)
	source, ok := h.sourceOffset()
	switch {
	case !ok:
		f.foreign++
		return
	case len(h.resolution) > 0:
		e, ok := f.entries[source]
		switch {
		case ok && f.filter.Settled:
			e.settled = r.Offset
			f.entries[source] = e
		case ok:
			delete(f.entries, source)
		}
		return
	}
	h.place(r.Key)
	failed := failureTime(&h, r)
	if !f.filter.matches(ID{f.part.topic, f.part.partition, source}, &h, failed) {
		delete(f.entries, source) // an older letter of the event may be there
		return
	}
	f.entries[source] = entry{
		source: source, at: r.Offset, settled: open, failed: failed.UnixNano(),
		key: maphash.Bytes(f.seed, r.Key), size: sizeOf(r), class: unique.Make(string(h.class)),
	}
}

// sizeOf is about what a record takes in memory.
func sizeOf(r *kgo.Record) int32 {
	n := len(r.Key) + len(r.Value) + 256
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value) + 48
	}
	return int32(min(n, 1<<30))
}
