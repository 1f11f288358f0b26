package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/ledger"
)

// Input is everything about a run.
type Input struct {
	World ledger.World
	Rates ledger.Rates
	// Schedule is the wait before each attempt; InlineMax the longest that is waited in memory; Jitter the share of a wait that is random.
	Schedule  []time.Duration
	InlineMax time.Duration
	Jitter    float64

	Sent    []ledger.Sent
	Effects []ledger.Effect
	Lost    []ledger.Lost
	Harms   []ledger.Harm

	// What a reader with isolation read_committed finds after the end, in the order of each partition.
	Letters []*kgo.Record // dead-letter topic
	Emitted []*kgo.Record // output topic
	Retry   []*kgo.Record // retry topic
	State   []*kgo.Record // state topic

	Topic     string          // source topic
	Committed map[int32]int64 // by partition of the source topic
}

// Result is what a check has found.
type Result struct {
	Name     string
	Count    int      // violations
	Examples []string // of violations, a few
	Remark   string   // what else was counted
}

// mostExamples is enough to begin a diagnosis with; the files have the rest.
const mostExamples = 12

func (r *Result) violate(example string) {
	r.Count++
	if len(r.Examples) < mostExamples {
		r.Examples = append(r.Examples, example)
	}
}

// All runs every check.
func All(in *Input) []Result {
	b := newBook(in)
	return []Result{
		b.foreign(), b.lost(), b.order(), b.firstEffects(), b.overlaps(), b.repeats(), b.attempts(), b.waits(),
		b.seenState(), b.letters(), b.emitted(), b.state(), b.retryEmpty(), b.committed(),
	}
}

// book is the input by entity and event.
type book struct {
	in       *Input
	entities []int32 // sorted
	pages    map[int32][]*page
	byName   map[ledger.Event]*page
	byPlace  map[place]*page
	strays   []ledger.Effect // of no event that was sent
	lives    map[string]*life
	// emitOrder is the order in which the events of an entity were committed: each emits one record in its transaction.
	emitOrder map[int32][]int32
}

// page is one event and what was tried with it.
type page struct {
	sent  ledger.Sent
	fate  ledger.Fate
	tries []*ledger.Effect // in the order of their ends, which is the order of their effects
}

type place struct {
	partition int32
	offset    int64
}

// life is what was done to one life of a member process.
type life struct {
	harms []ledger.Harm
	lost  []ledger.Lost
}

func newBook(in *Input) *book {
	b := &book{in: in, pages: map[int32][]*page{}, byName: map[ledger.Event]*page{}, byPlace: map[place]*page{}, lives: map[string]*life{}, emitOrder: map[int32][]int32{}}
	for _, s := range in.Sent {
		p := &page{sent: s, fate: in.Rates.Of(s.Event)}
		b.byName[s.Event] = p
		b.byPlace[place{s.Partition, s.Offset}] = p
		if b.pages[s.Entity] == nil {
			b.entities = append(b.entities, s.Entity)
		}
		b.pages[s.Entity] = append(b.pages[s.Entity], p)
	}
	slices.Sort(b.entities)
	for _, pages := range b.pages {
		slices.SortFunc(pages, func(x, y *page) int { return cmp.Compare(x.sent.Seq, y.sent.Seq) })
	}
	for i := range in.Effects {
		e := &in.Effects[i]
		p := b.byName[e.Event]
		if p == nil || e.Verdict == ledger.Foreign || p.sent.Partition != e.Partition || p.sent.Offset != e.Offset {
			b.strays = append(b.strays, *e)
			continue
		}
		p.tries = append(p.tries, e)
	}
	for _, p := range b.byName {
		slices.SortStableFunc(p.tries, func(x, y *ledger.Effect) int { return cmp.Compare(x.End, y.End) })
	}
	for _, record := range in.Emitted {
		if m, err := ledger.DecodeEmitted(record.Value); err == nil {
			b.emitOrder[m.Entity] = append(b.emitOrder[m.Entity], m.Seq)
		}
	}
	for _, h := range in.Harms {
		if h.Process != "" {
			l := b.life(h.Process)
			l.harms = append(l.harms, h)
		}
	}
	for _, lost := range in.Lost {
		l := b.life(lost.Process)
		l.lost = append(l.lost, lost)
	}
	return b
}

func (b *book) life(process string) *life {
	l := b.lives[process]
	if l == nil {
		l = &life{}
		b.lives[process] = l
	}
	return l
}

// each calls f for every event, entity by entity, in the order they were sent; before is the entity's event before, or nil.
func (b *book) each(f func(p, before *page)) {
	for _, entity := range b.entities {
		var before *page
		for _, p := range b.pages[entity] {
			f(p, before)
			before = p
		}
	}
}

// settled returns the first attempt that settled the event, or nil.
func (b *book) settled(p *page) *ledger.Effect {
	for _, e := range p.tries {
		if e.Last(len(b.in.Schedule)) {
			return e
		}
	}
	return nil
}

// done returns the first attempt that did the event, or nil.
func (p *page) done() *ledger.Effect {
	for _, e := range p.tries {
		if e.Verdict == ledger.Done {
			return e
		}
	}
	return nil
}
