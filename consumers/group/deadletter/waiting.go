package deadletter

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// Waiting is one event that a group has put off.
type Waiting struct {
	ID    ID
	Group string
	Key   []byte // the event's own

	Shop         string
	Entity       string
	ShopifyTopic string
	WebhookID    string

	Attempts int
	Class    string
	Error    string
	Since    time.Time // first failure, else when it was put off
	Due      time.Time // zero: it stands behind another event of its key
	// Parked: a dead letter keeps the place of its key; what stands behind waits for a person.
	Parked bool
	// Aside: it waits for another event, and lets the later ones of its key pass.
	Aside bool
	// Redriven: a person has sent it back.
	Redriven bool
	// Replay is the replay that it is handled again for; empty: none.
	Replay string
	// Behind is how many later events of its key wait; set on the first of a key.
	Behind int
}

// Queue is what waits, by its places in the logs.
type Queue struct {
	parts  []queuePart
	keys   []queueKey // the order of display
	parked int
	total  int
}

type queuePart struct {
	topic     string // source topic
	retries   string
	partition int32
	entries   []queued
}

// queueKey is the entries [from, to) of a part: one key, in the order of source offsets.
type queueKey struct {
	part, from, to int32
	due            int64 // of the first that is due
}

type queued struct {
	source, at, due int64
	key             uint64
	size            int32
	parked          bool
}

// never is the due time of what has none.
const never = math.MaxInt64

// Len returns how many events wait. The dead letter at the head of a parked key is not one of them.
func (q *Queue) Len() int { return q.total - q.parked }

// Keys returns of how many keys they are.
func (q *Queue) Keys() int { return len(q.keys) }

// Parked returns how many keys are held by a dead letter.
func (q *Queue) Parked() int { return q.parked }

// Waiting reads the retry logs and returns what waits of what f chooses, one record of some 50 bytes each.
func (b *Book) Waiting(ctx context.Context, f Filter) (*Queue, error) {
	if b.o.NoWayBack {
		return &Queue{}, nil
	}
	sources := map[string]string{}
	var topics []string
	for _, s := range b.sources {
		if s.retry > 0 {
			name := schemas.RetryTopic(s.topic, b.group)
			sources[name] = s.topic
			topics = append(topics, name)
		}
	}
	if len(topics) == 0 {
		return nil, fmt.Errorf("no retry topic of consumer group %s is there, or this user may not see it: `millrace topics apply` makes them", b.group)
	}
	spans, err := b.wholeLogs(ctx, topics, func(topic string, p int32) bool { return f.partition(sources[topic], p) })
	if err != nil {
		return nil, err
	}
	folds := make([]map[int64]queued, len(spans))
	q := &Queue{parts: make([]queuePart, len(spans))}
	for i, sp := range spans {
		folds[i] = map[int64]queued{}
		q.parts[i] = queuePart{topic: sources[sp.topic], retries: sp.topic, partition: sp.partition}
	}
	err = b.scan(ctx, spans, func(i int, r *kgo.Record) error {
		b.foldRetry(&f, q.parts[i], folds[i], r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("retries of %s: %w", b.group, err)
	}
	for i := range folds {
		q.fill(int32(i), folds[i])
		folds[i] = nil
	}
	// What is due first comes first; parked keys last.
	slices.SortFunc(q.keys, func(x, y queueKey) int {
		return cmp.Or(cmp.Compare(x.due, y.due), cmp.Compare(x.part, y.part), cmp.Compare(q.parts[x.part].entries[x.from].source, q.parts[y.part].entries[y.from].source))
	})
	return q, nil
}

// foldRetry keeps the last record of each key. Within a partition the source offset alone tells keys apart.
func (b *Book) foldRetry(f *Filter, p queuePart, entries map[int64]queued, r *kgo.Record) {
	key, source, ok := schemas.SplitRetryKey(r.Key)
	if !ok {
		return
	}
	h := read(r.Headers)
	h.place(key)
	if !h.waits(r.Value) || !f.matches(ID{p.topic, p.partition, source}, &h, failureTime(&h, r)) {
		delete(entries, source)
		return
	}
	due := int64(never)
	if t := parseTime(h.due); !t.IsZero() && !h.isParked() {
		due = t.UnixNano()
	}
	entries[source] = queued{source: source, at: r.Offset, due: due, key: maphash.Bytes(b.seed, key), size: sizeOf(r), parked: h.isParked()}
}

func (q *Queue) fill(n int32, entries map[int64]queued) {
	p := &q.parts[n]
	p.entries = make([]queued, 0, len(entries))
	for _, e := range entries {
		p.entries = append(p.entries, e)
		q.total++
		if e.parked {
			q.parked++
		}
	}
	slices.SortFunc(p.entries, func(x, y queued) int { return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.source, y.source)) })
	for from := 0; from < len(p.entries); {
		to := from + 1
		due := p.entries[from].due
		for to < len(p.entries) && p.entries[to].key == p.entries[from].key {
			due = min(due, p.entries[to].due)
			to++
		}
		q.keys = append(q.keys, queueKey{part: n, from: int32(from), to: int32(to), due: due})
		from = to
	}
}

// ReadWaiting calls f with what waits, key by key, what is due first before the rest, and within a key in the order of the events;
// with heads only with the first of each key. It stops after limit events if that is above 0. What is no longer there is left out.
func (b *Book) ReadWaiting(ctx context.Context, q *Queue, heads bool, limit int, f func(Waiting) error) error {
	var batch []queuePlace
	size, taken := 0, 0
	for i := range q.keys {
		k := &q.keys[i]
		for n := k.from; n < k.to && (n == k.from || !heads) && (limit <= 0 || taken < limit); n++ {
			batch = append(batch, queuePlace{k, n})
			taken++
			if size += int(q.entry(batch[len(batch)-1]).size); len(batch) < batchLetters && size < batchBytes {
				continue
			}
			if err := b.readBatch(ctx, q, batch, f); err != nil {
				return err
			}
			batch, size = batch[:0], 0
		}
	}
	return b.readBatch(ctx, q, batch, f)
}

// queuePlace is one entry of a key.
type queuePlace struct {
	key   *queueKey
	entry int32
}

func (q *Queue) entry(x queuePlace) *queued { return &q.parts[x.key.part].entries[x.entry] }

// readBatch calls f with the events at the places, in their order.
func (b *Book) readBatch(ctx context.Context, q *Queue, batch []queuePlace, f func(Waiting) error) error {
	out := make([]*Waiting, len(batch))
	byPart := map[int32]map[int64]int{} // offset → index in batch
	for i, x := range batch {
		if byPart[x.key.part] == nil {
			byPart[x.key.part] = map[int64]int{}
		}
		byPart[x.key.part][q.entry(x).at] = i
	}
	for n, index := range byPart {
		p := &q.parts[n]
		err := b.recordsAt(ctx, p.retries, p.partition, slices.Collect(maps.Keys(index)), func(r *kgo.Record) {
			if i, ok := index[r.Offset]; ok {
				out[i] = waitingOf(b.group, p.topic, r)
			}
		})
		if err != nil {
			return err
		}
	}
	for i, w := range out {
		if w == nil {
			continue
		}
		if x := batch[i]; x.entry == x.key.from {
			w.Behind = int(x.key.to - x.key.from - 1)
		}
		if err := f(*w); err != nil {
			return err
		}
	}
	return nil
}

func waitingOf(group, topic string, r *kgo.Record) *Waiting {
	key, source, _ := schemas.SplitRetryKey(r.Key)
	h := read(r.Headers)
	h.place(key)
	w := &Waiting{
		ID: ID{topic, r.Partition, source}, Group: group, Key: key,
		Shop: string(h.shop), Entity: string(h.entity), ShopifyTopic: string(h.shopifyTopic), WebhookID: string(h.webhook),
		Attempts: h.attemptCount(), Class: string(h.class), Error: strings.ToValidUTF8(string(h.err), "�"),
		Since: parseTime(h.first), Due: parseTime(h.due), Parked: h.isParked(), Aside: string(h.aside) == "1", Redriven: string(h.by) == schemas.RetryByRedrive,
		Replay: string(h.replay),
	}
	if w.Since.IsZero() {
		w.Since = parseTime(h.since)
	}
	if w.Since.IsZero() {
		w.Since = r.Timestamp.UTC()
	}
	if w.Parked {
		w.Due = time.Time{}
	}
	return w
}

// Place is where a dead letter's event stands among the waiting events of its key.
type Place struct {
	Parked  bool // it keeps the key's place: what is behind waits until it is redriven or dropped
	Waiting bool // it was sent back and waits for its turn
	Behind  int  // later events of the key that wait
}

// Place reads the letter's partition of the retry topic.
func (b *Book) Place(ctx context.Context, l Letter) (Place, error) {
	if b.o.NoWayBack {
		return Place{}, nil
	}
	retries := schemas.RetryTopic(l.ID.Topic, b.group)
	spans, err := b.wholeLogs(ctx, []string{retries}, func(_ string, p int32) bool { return p == l.ID.Partition })
	if err != nil {
		return Place{}, err
	}
	states := map[int64]Place{} // of the events of the key
	err = b.scan(ctx, spans, func(_ int, r *kgo.Record) error {
		key, source, ok := schemas.SplitRetryKey(r.Key)
		if !ok || !bytes.Equal(key, l.Key) {
			return nil
		}
		h := read(r.Headers)
		switch {
		case h.isParked():
			states[source] = Place{Parked: true}
		case !h.waits(r.Value):
			delete(states, source)
		default:
			states[source] = Place{Waiting: true}
		}
		return nil
	})
	if err != nil {
		return Place{}, fmt.Errorf("place of %s: %w", l.ID, err)
	}
	place := states[l.ID.Offset]
	for source := range states {
		if source > l.ID.Offset {
			place.Behind++
		}
	}
	return place, nil
}
