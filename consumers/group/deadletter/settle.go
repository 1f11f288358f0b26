package deadletter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"

	"millrace/schemas"
)

// Work says how letters are settled.
type Work struct {
	By   string  // who does it: user@host
	Rate float64 // letters per second; 0: no limit
	// Service is the service's name in schemas.ActivityTopic, where that is there; empty: the group's.
	Service string
	// Report is called for each letter in order, after what happened to it is final. It must not keep the body. nil: not called.
	Report func(Outcome)
}

// Outcome is what became of one letter.
type Outcome struct {
	Letter Letter // of a letter that was skipped only ID, Group and Class
	Action Action
	// Skipped: it is not open, or no longer. Otherwise Err is nil for a letter that is settled, or says why it is left as it was.
	Skipped bool
	Err     error
}

// Result counts outcomes.
type Result struct{ Settled, Skipped, Failed int }

// ErrBodyGone is the cause of an Outcome for a letter whose body was left out and is no longer at its source.
var ErrBodyGone = errors.New("the body was too large to be kept with the letter, and its source no longer has the event: it can only be dropped")

// ErrBehindFailed is the cause of an Outcome for a letter whose entity has an earlier one that could not be redriven in this run.
var ErrBehindFailed = errors.New("left, because an earlier letter of its entity could not be redriven; drop that one, or redrive this one by its id")

const (
	writeTries   = 5
	writeBackoff = 250 * time.Millisecond
	// done marks a letter that this run has settled.
	done = math.MaxInt64
)

// Redrive sends the open letters of a selection back through the order of their entities, by topic, partition and source offset, a
// chunk to a transaction. It first ends any other run for the group, and then leaves alone what was settled since the selection
// was made. The error is nil also when single letters failed. With ErrTaken, or when ctx ends, the rest is as it was.
func (b *Book) Redrive(ctx context.Context, s *Selection, w Work) (Result, error) {
	return b.settle(ctx, s, w, ActionRedrive)
}

// Drop settles the open letters of a selection without handling them, and lets go of what is parked behind them. All else is as
// with Redrive.
func (b *Book) Drop(ctx context.Context, s *Selection, w Work) (Result, error) {
	return b.settle(ctx, s, w, ActionDrop)
}

func (b *Book) settle(ctx context.Context, s *Selection, w Work, action Action) (Result, error) {
	if err := b.retryTopics(s, action); err != nil {
		return Result{}, err
	}
	run := &settler{b: b, s: s, w: w, action: action, out: writer{b: b}, stuck: map[string]bool{}, limit: rate.NewLimiter(rate.Inf, 0), told: context.WithoutCancel(ctx)}
	defer run.out.close()
	defer run.flush(ctx)
	chunk := batchLetters
	if w.Rate > 0 {
		chunk = max(1, min(batchLetters, int(w.Rate)))
		run.limit = rate.NewLimiter(rate.Limit(w.Rate), chunk)
	}
	if err := run.out.open(ctx); err != nil {
		return Result{}, fmt.Errorf("%s letters of %s: %w", action, b.group, err)
	}
	if err := run.refresh(ctx); err != nil {
		return Result{}, err
	}
	stop := b.watch(StageWriting, int64(s.Len()), &run.progress, nil)
	defer stop()
	for refs := s.refs(func(*entry) bool { return true }); len(refs) > 0; {
		n := min(s.batch(refs), chunk)
		if err := run.chunk(ctx, refs[:n]); err != nil {
			return run.result, fmt.Errorf("%s letters of %s: %w", action, b.group, err)
		}
		refs = refs[n:]
	}
	return run.result, nil
}

// retryTopics checks that every letter has a place to go to.
func (b *Book) retryTopics(s *Selection, action Action) error {
	if b.o.NoWayBack {
		if action == ActionRedrive {
			return fmt.Errorf("redrive letters of %s: %w", b.group, ErrNoWayBack)
		}
		return nil
	}
	for _, src := range b.sources {
		for _, p := range s.parts {
			if p.topic == src.topic && len(p.entries) > 0 && p.partition >= src.retry {
				return fmt.Errorf("topic %s has %d partitions, but %s has letters in partition %d; `millrace topics apply` makes a service's topics (a user without DESCRIBE does not see them)",
					schemas.RetryTopic(src.topic, b.group), src.retry, p.letters, p.partition)
			}
		}
	}
	return nil
}

// settler is one run of Settle.
type settler struct {
	b        *Book
	s        *Selection
	w        Work
	action   Action
	out      writer
	limit    *rate.Limiter
	stamp    []byte          // time in the resolutions of the transaction under way: by it they are told from another run's
	stuck    map[string]bool // keys of which a letter could not be redriven
	told     context.Context //nolint:containedctx // of records of activity, which outlive the call that they tell of
	result   Result
	progress atomic.Int64
}

// item is a letter of a chunk.
type item struct {
	ref    ref
	letter *Letter
}

func (r *settler) chunk(ctx context.Context, refs []ref) error {
	var openRefs []ref
	for _, x := range refs {
		p, e := r.s.at(x)
		if e.settled == open {
			openRefs = append(openRefs, x)
			continue
		}
		r.report(Outcome{Letter: Letter{ID: p.id(e), Group: r.b.group, Class: e.class.Value()}, Skipped: true})
	}
	if len(openRefs) == 0 {
		return nil
	}
	if err := r.limit.WaitN(ctx, len(openRefs)); err != nil {
		return err
	}
	letters, err := r.b.letters(ctx, r.s, openRefs)
	if err != nil {
		return err
	}
	var items []item
	for i, l := range letters {
		if l == nil { // removed from the log since, by retention or by a person
			p, e := r.s.at(openRefs[i])
			r.report(Outcome{Letter: Letter{ID: p.id(e), Group: r.b.group, Class: e.class.Value()}, Skipped: true})
			continue
		}
		if err := r.ready(ctx, l); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.fail(l, err)
			continue
		}
		items = append(items, item{openRefs[i], l})
	}
	return r.write(ctx, items)
}

// ready completes a letter so that it can be written.
func (r *settler) ready(ctx context.Context, l *Letter) error {
	if l.Bare {
		found, err := r.b.fetch(ctx, l)
		if r.action == ActionRedrive && (err != nil || !found) {
			return errors.Join(ErrBodyGone, err)
		}
	}
	if r.action == ActionRedrive && r.stuck[string(l.Key)] {
		return ErrBehindFailed
	}
	return nil
}

// fetch completes a bare letter from its source.
func (b *Book) fetch(ctx context.Context, l *Letter) (found bool, err error) {
	r, err := b.Source(ctx, l.ID)
	if r == nil || err != nil {
		return false, err
	}
	l.Key, l.Value, l.Headers = r.Key, r.Value, r.Headers
	return true, nil
}

// Source reads the event of a letter where it came from; nil when it is no longer there.
func (b *Book) Source(ctx context.Context, id ID) (found *kgo.Record, err error) {
	if i := slices.IndexFunc(b.sources, func(s source) bool { return s.topic == id.Topic }); i < 0 || b.sources[i].events <= id.Partition {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	// To ask for an offset outside the log would be an error, and one beyond its end would be waited for.
	spans, err := b.wholeLogs(ctx, []string{id.Topic}, func(_ string, p int32) bool { return p == id.Partition })
	if err != nil || len(spans) != 1 || id.Offset < spans[0].from || id.Offset >= spans[0].to {
		return nil, err
	}
	err = b.recordsAt(ctx, id.Topic, id.Partition, []int64{id.Offset}, func(r *kgo.Record) { found = r })
	return found, err
}

// write settles the items in one transaction, or in more where a broker refuses a record: it does not say which one.
func (r *settler) write(ctx context.Context, items []item) error {
	for try := 1; len(items) > 0; try++ {
		err := r.attempt(ctx, items)
		switch {
		case err == nil:
			for _, it := range items {
				r.settled(it)
			}
			return nil
		case errors.Is(err, errRefused) && len(items) > 1:
			half := len(items) / 2
			if err := r.write(ctx, items[:half]); err != nil {
				return err
			}
			return r.write(ctx, r.unstuck(items[half:]))
		case errors.Is(err, errRefused):
			r.fail(items[0].letter, err)
			return nil
		}
		final := hopeless(err) || try == writeTries
		left, unclear := r.recover(ctx, items, try, final)
		if final {
			return err
		}
		if items = left; unclear != nil {
			return unclear
		}
	}
	return nil
}

func (r *settler) attempt(ctx context.Context, items []item) error {
	if r.out.client == nil {
		if err := r.out.open(ctx); err != nil {
			return err
		}
	}
	r.stamp = formatTime(time.Now())
	records := make([]*kgo.Record, 0, 2*len(items))
	for _, it := range items {
		both := r.action.records(it.letter, r.w.By, r.stamp)
		if r.b.o.NoWayBack {
			both = both[1:] // nobody would read the first
		}
		records = append(records, both...)
	}
	return r.out.write(ctx, records)
}

// unstuck reports those items whose entity has got stuck meanwhile, and returns the others.
func (r *settler) unstuck(items []item) []item {
	var out []item
	for _, it := range items {
		if r.action == ActionRedrive && r.stuck[string(it.letter.Key)] {
			r.fail(it.letter, ErrBehindFailed)
			continue
		}
		out = append(out, it)
	}
	return out
}

// recover finds out what became of a transaction that has failed: its end may be unknown. It reports what is settled, and returns
// the items that are still open. With final it only looks. It goes on when the caller is interrupted, within its own time: who
// did what should be known.
func (r *settler) recover(ctx context.Context, items []item, try int, final bool) ([]item, error) {
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
	defer cancel()
	if !final {
		select {
		case <-time.After(writeBackoff << (try - 1)):
		case <-ctx.Done():
		}
		if err := r.out.open(look); err != nil {
			return nil, err
		}
	}
	if err := r.refresh(look); err != nil {
		return nil, err
	}
	var left []item
	for _, it := range items {
		switch p, e := r.s.at(it.ref); e.settled {
		case open:
			left = append(left, it)
		case done:
			r.settled(it)
		default:
			r.report(Outcome{Letter: Letter{ID: p.id(e), Group: r.b.group, Class: e.class.Value()}, Skipped: true})
		}
	}
	if ctx.Err() != nil && len(left) > 0 {
		return nil, ctx.Err()
	}
	return left, nil
}

// refresh reads what was written since the selection was made. Called after the writer is open, it sees all that any earlier run
// has done.
func (r *settler) refresh(ctx context.Context) error {
	var topics []string
	byName := map[span]*part{}
	for _, p := range r.s.parts {
		if len(p.entries) > 0 {
			topics = append(topics, p.letters)
			byName[span{topic: p.letters, partition: p.partition}] = p
		}
	}
	if len(topics) == 0 {
		return nil
	}
	spans, err := r.b.wholeLogs(ctx, topics, func(topic string, n int32) bool { return byName[span{topic: topic, partition: n}] != nil })
	if err != nil {
		return err
	}
	parts := make([]*part, len(spans))
	for i := range spans {
		parts[i] = byName[span{topic: spans[i].topic, partition: spans[i].partition}]
		spans[i].from = max(spans[i].from, parts[i].end)
	}
	err = r.b.scan(ctx, spans, func(i int, rec *kgo.Record) error {
		h := read(rec.Headers)
		source, ok := h.sourceOffset()
		if !ok {
			return nil
		}
		// A newer letter of the same event means that it was settled in between and has failed again: that is not what was chosen.
		if j, ok := parts[i].find(source); ok {
			parts[i].entries[j].settled = rec.Offset
			if r.stamp != nil && bytes.Equal(h.resolutionEnd, r.stamp) && string(h.resolutionBy) == r.w.By {
				parts[i].entries[j].settled = done
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range spans {
		parts[i].end = max(parts[i].end, spans[i].to)
	}
	return nil
}

func (r *settler) settled(it item) {
	_, e := r.s.at(it.ref)
	e.settled = done
	r.tell(it.letter)
	r.report(Outcome{Letter: *it.letter})
}

func (r *settler) fail(l *Letter, err error) {
	r.stuck[string(l.Key)] = true
	r.report(Outcome{Letter: *l, Err: err})
}

func (r *settler) report(o Outcome) {
	o.Action = r.action
	switch {
	case o.Skipped:
		r.result.Skipped++
	case o.Err != nil:
		r.result.Failed++
	default:
		r.result.Settled++
	}
	r.progress.Add(1)
	if r.w.Report != nil {
		r.w.Report(o)
	}
}
