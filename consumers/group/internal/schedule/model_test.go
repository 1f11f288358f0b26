package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// world is a reference: the logs and commits of one partition as a broker would have them, and what has happened to each event.
type world struct {
	t   *rapid.T
	now time.Time

	source []event         // by index, offsets ascend with gaps
	retry  []waitingRecord // by offset
	commit Committed

	s       *Scheduler
	p       *Partition
	read    int // index in source
	running []*Item

	// settled is, per source offset, how often it was settled in a commit.
	settled map[int64]int
	// finished is what this incarnation has finished and not committed yet, by kind.
	finished map[int64]Kind
	dead     map[int64]bool // committed dead letters that nobody has dealt with
	aside    map[int64]bool // has let later ones pass
	parking  bool
}

type event struct {
	offset int64
	key    string
}

type waitingRecord struct {
	key     string
	offset  int64
	due     time.Time
	settled bool
	parked  bool
	aside   bool
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, now: time.Unix(1_000_000, 0), settled: map[int64]int{}, finished: map[int64]Kind{}, dead: map[int64]bool{}, commit: Committed{Offset: 0}}
	w.parking = rapid.Bool().Draw(t, "parking")
	offset := int64(0)
	keys := rapid.IntRange(1, 6).Draw(t, "keys")
	for range rapid.IntRange(1, 60).Draw(t, "events") {
		offset += int64(rapid.SampledFrom([]int{0, 0, 0, 1, 5}).Draw(t, "gap"))
		w.source = append(w.source, event{offset, fmt.Sprint(rapid.IntRange(1, keys).Draw(t, "key"))})
		offset++
	}
	w.assign()
	return w
}

// assign is what a member does that has been given the partition: it knows nothing but what the broker has.
func (w *world) assign() {
	w.s = New(Options{MaxUnfinished: rapid.IntRange(1, 12).Draw(w.t, "max unfinished")})
	w.aside = map[int64]bool{}
	x := NewIndex()
	from := RetryOffset(w.commit.Metadata)
	for i := from; i < int64(len(w.retry)); i++ {
		if r := w.retry[i]; r.settled {
			x.Remove(w.s.Hash([]byte(r.key)), r.offset)
		} else {
			x.Put(Waiting{Key: w.s.Hash([]byte(r.key)), Offset: r.offset, Log: i, Due: r.due, Parked: r.parked, Aside: r.aside})
			w.aside[r.offset] = r.aside
		}
	}
	x.End(int64(len(w.retry)))
	p, err := w.s.Assign("t", 0, w.commit, x, w.now)
	if err != nil {
		w.t.Fatalf("assign: %v", err)
	}
	w.p, w.running, w.finished = p, nil, map[int64]Kind{}
	w.read, _ = slices.BinarySearchFunc(w.source, w.commit.Offset, func(e event, o int64) int { return int(e.offset - o) })
}

func (w *world) keyOf(offset int64) string {
	i, _ := slices.BinarySearchFunc(w.source, offset, func(e event, o int64) int { return int(e.offset - o) })
	return w.source[i].key
}

// waiting is the last word of the retry log on an event; ok is false when it has none.
func (w *world) waiting(offset int64) (r waitingRecord, ok bool) {
	for _, x := range w.retry {
		if x.offset == offset {
			r, ok = x, true
		}
	}
	return r, ok
}

// open tells whether an event that has been read is not settled, as the broker and this incarnation see it together.
func (w *world) open(offset int64) bool {
	if k, ok := w.finished[offset]; ok && k != Deferred && k != Parked {
		return false
	}
	if r, ok := w.waiting(offset); ok {
		return !r.settled
	}
	return w.settled[offset] == 0
}

func (w *world) offer() {
	n := rapid.IntRange(0, 10).Draw(w.t, "offer")
	var records []*kgo.Record
	for ; n > 0 && w.read < len(w.source); n-- {
		e := w.source[w.read]
		records = append(records, &kgo.Record{Key: []byte(e.key), Offset: e.offset, Timestamp: w.now})
		w.read++
	}
	w.s.Offer(w.p, records, w.now)
}

func (w *world) start() {
	it := w.s.Next(w.now)
	if it == nil {
		return
	}
	key := w.keyOf(it.Offset)
	for _, other := range w.running {
		if w.keyOf(other.Offset) == key {
			w.t.Fatalf("offsets %d and %d of key %s run at once", other.Offset, it.Offset, key)
		}
	}
	if !w.open(it.Offset) {
		w.t.Fatalf("offset %d runs and is settled", it.Offset)
	}
	for _, e := range w.source[:w.read] {
		if e.key == key && e.offset < it.Offset && w.open(e.offset) && !w.aside[e.offset] {
			w.t.Fatalf("offset %d of key %s runs before %d is settled", it.Offset, key, e.offset)
		}
	}
	if r, ok := w.waiting(it.Offset); ok && r.parked {
		w.t.Fatalf("offset %d runs and is parked", it.Offset)
	}
	delete(w.aside, it.Offset)
	w.running = append(w.running, it)
}

func (w *world) finish() {
	if len(w.running) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.running)-1).Draw(w.t, "which")
	it := w.running[i]
	w.running = slices.Delete(w.running, i, i+1)
	later := w.now.Add(time.Duration(rapid.IntRange(1, 100).Draw(w.t, "wait")) * time.Second)
	switch rapid.SampledFrom([]string{"done", "done", "done", "wrote", "wait", "sleep", "aside", "defer", "dead"}).Draw(w.t, "verdict") {
	case "done":
		w.finished[it.Offset] = Done
		w.s.Done(it, nil, 0, w.now)
	case "wrote":
		w.s.Done(it, "something", 10, w.now)
		w.finished[it.Offset] = Done
	case "sleep":
		if it.Log >= 0 {
			w.s.Sleep(it, later, w.now)
			return
		}
		fallthrough
	case "wait":
		it.Attempts++
		w.s.Wait(it, later, w.now)
	case "aside":
		durable := rapid.Bool().Draw(w.t, "durable")
		w.aside[it.Offset] = true
		if durable && it.Log < 0 {
			w.finished[it.Offset] = Deferred
		}
		w.s.Aside(it, durable, later, w.now)
	case "defer":
		it.Attempts++
		w.finished[it.Offset] = Deferred
		w.s.Defer(it, nil, 0, later, w.now)
	case "dead":
		w.finished[it.Offset] = Dead
		if w.parking {
			w.finished[it.Offset] = Parked
		}
		w.s.Dead(it, w.parking, w.now)
	}
}

func (w *world) pass() {
	w.now = w.now.Add(time.Duration(rapid.IntRange(0, 60).Draw(w.t, "seconds")) * time.Second)
	w.s.Advance(w.now)
}

func (w *world) load() {
	loads := w.s.Loads(w.p, rapid.IntRange(1, 8).Draw(w.t, "limit"))
	if len(loads) == 0 {
		return
	}
	if rapid.IntRange(0, 9).Draw(w.t, "unreadable") == 0 {
		w.s.NotLoaded(w.p, loads)
		return
	}
	got := make([]Restored, len(loads))
	for i, l := range loads {
		r := w.retry[l.Log]
		got[i] = Restored{Record: &kgo.Record{Key: []byte(r.key), Offset: l.Log, Timestamp: w.now}}
	}
	if n := w.s.Loaded(w.p, loads, got, w.now); n > 0 {
		w.t.Fatalf("%d events are missing", n)
	}
}

// commitAll collects, and the broker takes it, or certainly does not, or takes it and the member dies before it knows.
func (w *world) commitAll() {
	commits := w.s.Collect(rapid.Bool().Draw(w.t, "lowest"))
	if len(commits) == 0 {
		return
	}
	c := commits[0]
	fate := rapid.SampledFrom([]string{"committed", "committed", "committed", "aborted", "died"}).Draw(w.t, "fate")
	if fate == "aborted" {
		w.s.Returned(commits)
		return
	}
	w.broker(c)
	if fate == "died" {
		w.assign()
		return
	}
	for _, done := range c.Completions {
		delete(w.finished, done.Item.Offset)
	}
	for o := range w.finished { // those without writes
		if w.settled[o] > 0 {
			delete(w.finished, o)
		}
	}
	w.s.Committed(commits, w.now)
}

// broker applies a commit: the records, and the offsets with what they say is settled.
func (w *world) broker(c Commit) {
	if c.Position.Offset < w.commit.Offset {
		w.t.Fatalf("the commit goes back from %d to %d", w.commit.Offset, c.Position.Offset)
	}
	if len(c.Position.Metadata) > MaxMetadata {
		w.t.Fatalf("%d bytes of metadata", len(c.Position.Metadata))
	}
	for _, done := range c.Completions {
		w.apply(done)
	}
	w.commit = Committed{Offset: c.Position.Offset, Metadata: c.Position.Metadata}
	// What the position says is settled must be what was finished, and nothing else.
	said, err := restoreProgress(w.commit.Offset, w.commit.Metadata)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range w.source[:w.read] {
		says := e.offset < w.commit.Offset || e.offset < said.restoredHi &&
			!slices.ContainsFunc(said.restored, func(a attempted) bool { return a.offset == e.offset })
		kind, finished := w.finished[e.offset]
		_, durable := w.waiting(e.offset)
		switch {
		case says && w.settled[e.offset] == 0 && !durable:
			if !finished || kind != Done {
				w.t.Fatalf("the commit says that %d is settled, and it is not", e.offset)
			}
			w.settled[e.offset]++
		case !says && (w.settled[e.offset] > 0 || durable):
			w.t.Fatalf("the commit has forgotten that %d is settled", e.offset)
		}
	}
}

func (w *world) apply(c *Completion) {
	it := c.Item
	key := w.keyOf(it.Offset)
	add := func(r waitingRecord) int64 {
		r.key, r.offset = key, it.Offset
		w.retry = append(w.retry, r)
		return int64(len(w.retry) - 1)
	}
	switch c.Kind {
	case Deferred:
		c.Log = add(waitingRecord{due: c.Due(), aside: c.Aside})
		return
	case Parked:
		c.Log = add(waitingRecord{parked: true})
		w.dead[it.Offset] = true
		return
	case Dead:
		w.dead[it.Offset] = true
	case Done:
	}
	if it.Log >= 0 {
		add(waitingRecord{settled: true})
	}
	w.settled[it.Offset]++
	if w.settled[it.Offset] > 1 {
		w.t.Fatalf("offset %d is settled twice", it.Offset)
	}
}

// person redrives or drops a dead letter.
func (w *world) person() {
	if len(w.dead) == 0 {
		return
	}
	var offsets []int64
	for o := range w.dead {
		offsets = append(offsets, o)
	}
	slices.Sort(offsets)
	o := rapid.SampledFrom(offsets).Draw(w.t, "letter")
	key := w.keyOf(o)
	delete(w.dead, o)
	if rapid.Bool().Draw(w.t, "redrive") {
		w.settled[o] = 0
		w.retry = append(w.retry, waitingRecord{key: key, offset: o, due: w.now})
		w.s.Redriven(w.p, Waiting{Key: w.s.Hash([]byte(key)), Offset: o, Log: int64(len(w.retry) - 1), Due: w.now}, w.now)
		return
	}
	w.retry = append(w.retry, waitingRecord{key: key, offset: o, settled: true})
	if w.settled[o] == 0 {
		w.settled[o] = 1
	}
	w.s.Dropped(w.p, w.s.Hash([]byte(key)), o, w.now)
}

// drain lets everything succeed, and checks that everything ends: nothing is lost, and nothing waits for ever.
func (w *world) drain() {
	for range 10_000 {
		if w.read == len(w.source) && w.s.Runnable() == 0 && len(w.running) == 0 && w.allSettled() {
			return
		}
		n := len(w.source) - w.read
		var records []*kgo.Record
		for ; n > 0; n-- {
			e := w.source[w.read]
			records = append(records, &kgo.Record{Key: []byte(e.key), Offset: e.offset, Timestamp: w.now})
			w.read++
		}
		w.s.Offer(w.p, records, w.now)
		for w.start(); len(w.running) > 0; w.start() {
			it := w.running[0]
			w.running = w.running[1:]
			w.finished[it.Offset] = Done
			w.s.Done(it, nil, 0, w.now)
		}
		w.load()
		w.commitAll()
		for len(w.dead) > 0 && w.parking {
			w.person()
		}
		w.now = w.now.Add(time.Minute)
		w.s.Advance(w.now)
	}
	w.t.Fatalf("not drained: read %d of %d, in queues and rooms %v, stats %+v", w.read, len(w.source), w.p.outstanding(), w.p.Stats())
}

func (w *world) allSettled() bool {
	for _, e := range w.source {
		if w.settled[e.offset] == 0 {
			return false
		}
	}
	return true
}

func TestSchedulerAgainstAReferenceModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"offer": func(*rapid.T) { w.offer() },
			"start": func(*rapid.T) { w.start() }, "start again": func(*rapid.T) { w.start() },
			"finish": func(*rapid.T) { w.finish() }, "finish again": func(*rapid.T) { w.finish() },
			"pass": func(*rapid.T) { w.pass() }, "load": func(*rapid.T) { w.load() },
			"commit": func(*rapid.T) { w.commitAll() },
			"person": func(*rapid.T) { w.person() },
			"crash":  func(*rapid.T) { w.s.Drop(w.p); w.assign() },
			"": func(t *rapid.T) {
				if w.s.Bytes() < 0 || w.s.Running() != len(w.running) {
					t.Fatalf("%d bytes, %d running, want %d", w.s.Bytes(), w.s.Running(), len(w.running))
				}
			},
		})
		w.drain()
		if b := w.s.Bytes(); b != 0 {
			t.Fatalf("%d bytes are held when nothing is left", b)
		}
		if st := w.p.Stats(); st.Waiting != 0 || st.Unfinished != 0 || st.Keys != 0 {
			t.Fatalf("left: %+v", st)
		}
	})
}

// outstanding lists the events that p has in queues and rooms.
func (p *Partition) outstanding() []int64 {
	var out []int64
	for _, k := range p.keys {
		for _, it := range k.queue {
			out = append(out, it.Offset)
		}
		for _, it := range k.aside {
			out = append(out, it.Offset)
		}
		for _, e := range append(slices.Clone(k.room), k.late...) {
			out = append(out, e.offset)
		}
	}
	slices.Sort(out)
	return out
}
