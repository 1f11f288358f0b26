package status

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"millrace/consumers/group/deadletter"
)

// logKey is a retry or dead-letter topic.
type logKey struct {
	name, source string
	kind         logKind
}

type logKind uint8

const (
	retries logKind = iota
	letters
)

// change reads what a record says about the event with a source offset: whether it waits, or its letter is open.
func (k logKind) change(r *kgo.Record) (source int64, open, ok bool) {
	if k == retries {
		return deadletter.WaitingChange(r)
	}
	return deadletter.LetterChange(r)
}

// log is what is known of a topic, by partition.
type log struct{ parts map[int32]*fold }

// fold is what is open in a partition after its records below next.
type fold struct {
	next int64
	open map[int64]int64 // source offset → offset of the record that says so
	read time.Time       // when it was last read on
}

// foldMaxAge is when a fold is begun anew: a compacted topic keeps the notes that events wait no longer for a day only, and who has not
// looked for so long would not see them.
const foldMaxAge = time.Hour

// count fills in what waits and which letters are open: it reads on where it has stopped the last time.
func (s *Status) count(ctx context.Context, groups []*watched, services []Service, ends bounds) {
	ctx, cancel := context.WithTimeout(ctx, s.o.ReadFor)
	defer cancel()
	now := time.Now()
	var mu sync.Mutex // guards services
	var g errgroup.Group
	g.SetLimit(seekers)
	seen := make(map[logKey]*log)
	for i, w := range groups {
		for _, k := range w.logNames(s.topics) {
			l := s.logs[k]
			if l == nil {
				l = &log{parts: make(map[int32]*fold)}
			}
			seen[k] = l
			n := w.index(k.source)
			for p := range s.topics[k.name] {
				start, end, err := ends.span(k.name, p)
				f := l.part(p, now)
				if err != nil {
					mu.Lock()
					services[i].fail("count", err)
					services[i].Topics[n].add(k.kind, len(f.open))
					mu.Unlock()
					continue
				}
				f.bound(start, end)
				g.Go(func() error {
					err := s.readOn(ctx, f, k, p, end, now)
					mu.Lock()
					defer mu.Unlock()
					services[i].Topics[n].add(k.kind, len(f.open))
					if f.next < end {
						services[i].Counting = true
						if ctx.Err() == nil {
							services[i].fail("count", err)
						}
					}
					return nil
				})
			}
		}
	}
	_ = g.Wait() // errors are with their services
	s.logs = seen
}

// index is the place of a topic that the group reads.
func (w *watched) index(topic string) int {
	for i, t := range w.topics {
		if t == topic {
			return i
		}
	}
	return 0 // a log's source is always among them
}

func (t *Topic) add(kind logKind, n int) {
	if kind == retries {
		t.Waiting += int64(n)
	} else {
		t.DeadOpen += int64(n)
	}
}

func (l *log) part(partition int32, now time.Time) *fold {
	f := l.parts[partition]
	if f == nil || now.Sub(f.read) > foldMaxAge {
		f = &fold{open: make(map[int64]int64), read: now}
		l.parts[partition] = f
	}
	return f
}

// bound drops what the log no longer has: somebody has removed its beginning, or has made the topic anew.
func (f *fold) bound(start, end int64) {
	if end < f.next {
		f.next = 0
		clear(f.open)
	}
	if start > 0 && f.next > 0 {
		for source, at := range f.open {
			if at < start {
				delete(f.open, source)
			}
		}
	}
	f.next = max(f.next, start)
}

// readOn folds the records below end, as far as the time goes.
func (s *Status) readOn(ctx context.Context, f *fold, k logKey, partition int32, end int64, now time.Time) error {
	next, err := s.reader.Scan(ctx, k.name, partition, f.next, end, func(r *kgo.Record) error {
		switch source, open, ok := k.kind.change(r); {
		case !ok:
		case open:
			f.open[source] = r.Offset
		default:
			delete(f.open, source)
		}
		return nil
	})
	if err == nil || next > f.next {
		f.read = now
	}
	f.next = max(f.next, next)
	return err
}
