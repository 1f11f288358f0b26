package replay

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"millrace/consumers/group/deadletter"
	"millrace/schemas"
)

// readers is how many partitions are read at a time. It bounds memory: each holds one response.
const readers = 8

// place is a partition of a source topic.
type place struct {
	topic     string
	partition int32
}

// backlog is what waits in the retry topics, followed as they grow, and what were open dead letters at the start.
type backlog struct {
	desk  *Desk
	group string
	id    string // of the run
	parts map[place]*followed
}

// followed is one partition of a retry topic.
type followed struct {
	retries string
	next    int64
	waiting map[int64]waits // by source offset
	letters map[int64]bool  // open ones
	ours    int             // of waiting, those of the run
}

type waits uint8

const (
	notWaiting waits = iota
	waitsForOther
	waitsParked
	waitsForUs // the run has put it there
)

// newBacklog reads what waits now, in the partitions of the spans.
func (r *Run) newBacklog(ctx context.Context) (*backlog, error) {
	starts, err := r.desk.retryStarts(ctx, r.selection.Group)
	if err != nil {
		return nil, err
	}
	b := &backlog{desk: r.desk, group: r.selection.Group, id: r.id, parts: map[place]*followed{}}
	for _, s := range r.spans {
		p := place{s.topic, s.partition}
		b.parts[p] = &followed{retries: schemas.RetryTopic(s.topic, b.group), next: starts[p], waiting: map[int64]waits{}, letters: map[int64]bool{}}
	}
	if err := b.readLetters(ctx, r.spans); err != nil {
		return nil, err
	}
	return b, b.poll(ctx)
}

// readLetters notes the open dead letters among what the spans have left.
func (b *backlog) readLetters(ctx context.Context, spans []*span) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, s := range spans {
		f, topic, from, to := b.parts[place{s.topic, s.partition}], schemas.DeadLetterTopic(s.topic, b.group), s.next, s.mark.End
		g.Go(func() error {
			return b.desk.whole(ctx, topic, s.partition, func(rec *kgo.Record) error {
				source, open, ok := deadletter.LetterChange(rec)
				switch {
				case !ok || source < from || source >= to:
				case open:
					f.letters[source] = true
				default:
					delete(f.letters, source)
				}
				return nil
			})
		})
	}
	return g.Wait()
}

// whole calls f with all that is in a partition now.
func (d *Desk) whole(ctx context.Context, topic string, partition int32, f func(*kgo.Record) error) error {
	starts, err := d.logs.Starts(ctx, topic, []int32{partition})
	if err != nil {
		return err
	}
	ends, err := d.logs.Ends(ctx, topic, []int32{partition})
	if err != nil {
		return err
	}
	_, err = d.logs.Scan(ctx, topic, partition, starts[partition], ends[partition], f)
	return err
}

// poll reads on. It must see what the run itself has written, so it is not called while a transaction of the run is open.
func (b *backlog) poll(ctx context.Context) error {
	ends, err := b.ends(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for p, f := range b.parts {
		to := ends[f.retries][p.partition]
		if f.next >= to {
			continue
		}
		g.Go(func() error {
			next, err := b.desk.logs.Scan(ctx, f.retries, p.partition, f.next, to, func(rec *kgo.Record) error {
				b.fold(f, rec)
				return nil
			})
			f.next = next
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("follow what waits for %s: %w", b.group, err)
	}
	return nil
}

func (b *backlog) ends(ctx context.Context) (map[string]map[int32]int64, error) {
	wanted := map[string][]int32{}
	for p, f := range b.parts {
		wanted[f.retries] = append(wanted[f.retries], p.partition)
	}
	ends := map[string]map[int32]int64{}
	for topic, partitions := range wanted {
		var err error
		if ends[topic], err = b.desk.logs.Ends(ctx, topic, partitions); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

func (b *backlog) fold(f *followed, rec *kgo.Record) {
	source, waiting, ok := deadletter.WaitingChange(rec)
	if !ok {
		return
	}
	parked, ours := false, false
	for _, h := range rec.Headers {
		parked = parked || h.Key == schemas.HeaderRetryParked
		ours = ours || h.Key == schemas.HeaderReplay && string(h.Value) == b.id
	}
	if f.waiting[source] == waitsForUs {
		f.ours--
	}
	switch {
	case parked:
		f.waiting[source] = waitsParked
	case !waiting:
		delete(f.waiting, source)
	case ours:
		f.waiting[source] = waitsForUs
		f.ours++
	default:
		f.waiting[source] = waitsForOther
	}
}

// ours is how many events of the run waited at the last poll.
func (b *backlog) ours() int {
	n := 0
	for _, f := range b.parts {
		n += f.ours
	}
	return n
}

// skip tells why an event of a partition is to be left alone; empty: it is not.
func (b *backlog) skip(p place, offset int64) string {
	f := b.parts[p]
	switch {
	case f.waiting[offset] == waitsParked:
		return SkipParked
	case f.waiting[offset] != notWaiting:
		return SkipWaiting
	case f.letters[offset]:
		return SkipDeadLetter
	default:
		return ""
	}
}
