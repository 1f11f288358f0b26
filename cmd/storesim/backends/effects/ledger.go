package effects

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"
)

// Config is what a Ledger is made of.
type Config struct {
	Out io.Writer // gets the lines; nil: none are written
	// Failed is told the first error of Out, after which nothing is written any more: the account is incomplete and the run
	// has to end. May be nil.
	Failed func(error)
}

// Ledger keeps the account. It is safe for concurrent use.
type Ledger struct {
	cfg Config

	mu       sync.Mutex
	err      error
	entries  []*Entry
	byKey    map[backendKey]*Entry // the first effect of each key
	refusals []*Refusal
	refused  map[refusalKey]*Refusal
	counts   map[string]*Counts
	meters   map[string]*meter
	unknown  map[string]int64 // per backend
	totals   totals
}

type (
	backendKey struct{ backend, key string }
	refusalKey struct{ backend, key, reason string }
)

// New returns an empty account.
func New(cfg Config) *Ledger {
	return &Ledger{
		cfg: cfg, byKey: map[backendKey]*Entry{}, refused: map[refusalKey]*Refusal{}, counts: map[string]*Counts{},
		meters: map[string]*meter{}, unknown: map[string]int64{},
	}
}

// Record accounts for an effect that happened, and gives it its Seq and Time. Mail under a known key is marked as a duplicate.
// The caller holds whatever makes its effects one after another, so that the account has their order.
func (l *Ledger) Record(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Seq, e.Time = int64(len(l.entries))+1, time.Now().UTC()
	c := l.of(e.Backend)
	first, known := l.byKey[backendKey{e.Backend, e.Key}]
	switch {
	case e.Kind == MailKind && e.Key == "":
		e.Anomalies = append(e.Anomalies, WithoutEvent)
	case e.Kind == MailKind && known:
		e.Anomalies = append(e.Anomalies, DuplicateMail)
		first.Repeats++
		c.Repeats++
	case !known:
		l.byKey[backendKey{e.Backend, e.Key}] = &e
	}
	for _, a := range e.Anomalies {
		c.Anomalies[a]++
	}
	l.entries = append(l.entries, &e)
	if e.Kind == Nothing {
		c.Nothing++
	}
	l.totals.add(&e, known)
	l.write(&e)
}

// Repeat accounts for a request under the key of an effect that happened before.
func (l *Ledger) Repeat(backend, key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[backendKey{backend, key}]
	if !ok {
		return
	}
	e.Repeats++
	l.of(backend).Repeats++
	l.write(struct {
		Kind    Kind      `json:"kind"`
		Seq     int64     `json:"seq"`
		Backend string    `json:"backend"`
		Time    time.Time `json:"time"`
		Key     string    `json:"key"`
		Repeats int64     `json:"repeats"`
	}{Repeat, e.Seq, backend, time.Now().UTC(), key, e.Repeats})
}

// Refuse accounts for a permanent refusal. A key that was refused for the same reason before is counted, and listed once.
func (l *Ledger) Refuse(r Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.of(r.Backend)
	c.Refused[r.Reason]++
	k := refusalKey{r.Backend, r.Key, r.Reason}
	if old, ok := l.refused[k]; ok {
		old.Times++
		return
	}
	c.RefusedKeys[r.Reason]++
	r.Kind, r.Time, r.Times = Refused, time.Now().UTC(), 1
	l.refused[k] = &r
	l.refusals = append(l.refusals, &r)
	l.write(&r)
}

// Request counts a request before its fate is known. ended is to be called once, when the client has its answer or will get none.
func (l *Ledger) Request(backend string) (ended func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(backend).Requests++
	m, ok := l.meters[backend]
	if !ok {
		m = &meter{}
		l.meters[backend] = m
	}
	m.arrive(time.Now())
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		m.underWay--
	}
}

// Fault counts a request that met a fault.
func (l *Ledger) Fault(backend, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(backend).Faults[name]++
}

// Unknown counts a request that came before what it is about: its client is to come again.
func (l *Ledger) Unknown(backend string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unknown[backend]++
}

func (l *Ledger) of(backend string) *Counts {
	c, ok := l.counts[backend]
	if !ok {
		c = &Counts{Refused: map[string]int64{}, RefusedKeys: map[string]int64{}, Faults: map[string]int64{}, Anomalies: map[string]int64{}}
		l.counts[backend] = c
	}
	return c
}

// write puts one line out, unbuffered: a kill of the process loses no line of an effect that was answered.
func (l *Ledger) write(v any) {
	if l.cfg.Out == nil || l.err != nil {
		return
	}
	line, err := json.Marshal(v)
	if err == nil {
		_, err = l.cfg.Out.Write(append(line, '\n'))
	}
	if err == nil {
		return
	}
	l.err = fmt.Errorf("write ledger of effects: %w", err)
	if l.cfg.Failed != nil {
		l.cfg.Failed(l.err)
	}
}

func (l *Ledger) snapshot(backend string) Counts {
	c := *l.of(backend)
	c.Refused, c.RefusedKeys, c.Faults, c.Anomalies = maps.Clone(c.Refused), maps.Clone(c.RefusedKeys), maps.Clone(c.Faults), maps.Clone(c.Anomalies)
	if m, ok := l.meters[backend]; ok {
		c.Load = m.most
	}
	return c
}
