package deadletter

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// A batch of letters is read at a time: bodies may have 10 MiB each.
const (
	batchLetters = 500
	batchBytes   = 8 << 20
)

// List calls f with each letter that the filter chooses, the newest failure first.
func (b *Book) List(ctx context.Context, filter Filter, f func(Letter) error) error {
	s, err := b.Select(ctx, filter)
	if err != nil {
		return err
	}
	return b.Read(ctx, s, 0, f)
}

// Read calls f with the selected letters, the newest failure first, at most limit of them if that is above 0. A letter that was
// removed from the log since is left out.
func (b *Book) Read(ctx context.Context, s *Selection, limit int, f func(Letter) error) error {
	refs := s.refs(func(*entry) bool { return true })
	slices.SortFunc(refs, func(x, y ref) int {
		px, ex := s.at(x)
		py, ey := s.at(y)
		return cmp.Or(cmp.Compare(ey.failed, ex.failed), px.id(ex).compare(py.id(ey)))
	})
	if limit > 0 {
		refs = refs[:min(limit, len(refs))]
	}
	for len(refs) > 0 {
		n := s.batch(refs)
		letters, err := b.letters(ctx, s, refs[:n])
		if err != nil {
			return err
		}
		for _, l := range letters {
			if l == nil {
				continue
			}
			if err := f(*l); err != nil {
				return err
			}
		}
		refs = refs[n:]
	}
	return nil
}

// refs returns those that keep accepts, by topic, partition and source offset.
func (s *Selection) refs(keep func(*entry) bool) []ref {
	refs := make([]ref, 0, s.Len())
	for i, p := range s.parts {
		for j := range p.entries {
			if keep(&p.entries[j]) {
				refs = append(refs, ref{int32(i), int32(j)})
			}
		}
	}
	return refs
}

// batch returns how many of refs, at least one, are read at a time.
func (s *Selection) batch(refs []ref) int {
	size := 0
	for i, r := range refs[:min(len(refs), batchLetters)] {
		_, e := s.at(r)
		if size += int(e.size); size > batchBytes && i > 0 {
			return i
		}
	}
	return min(len(refs), batchLetters)
}

func (p *part) id(e *entry) ID { return ID{p.topic, p.partition, e.source} }

// letters reads the letters of refs, in their order; nil where one is gone.
func (b *Book) letters(ctx context.Context, s *Selection, refs []ref) ([]*Letter, error) {
	type wanted struct {
		letter, resolution map[int64]int // offset → index in refs
	}
	byPart := map[int32]*wanted{}
	for i, r := range refs {
		_, e := s.at(r)
		w := byPart[r.part]
		if w == nil {
			w = &wanted{map[int64]int{}, map[int64]int{}}
			byPart[r.part] = w
		}
		w.letter[e.at] = i
		if e.settled != open {
			w.resolution[e.settled] = i
		}
	}
	letters, resolutions := make([]*Letter, len(refs)), make([]*Resolution, len(refs))
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(scanners)
	for n, w := range byPart {
		p := s.parts[n]
		g.Go(func() error {
			offsets := slices.AppendSeq(slices.Collect(maps.Keys(w.letter)), maps.Keys(w.resolution))
			return b.recordsAt(ctx, p.letters, p.partition, offsets, func(r *kgo.Record) {
				mu.Lock()
				defer mu.Unlock()
				if i, ok := w.letter[r.Offset]; ok {
					l := letterOf(b.group, p.topic, r)
					letters[i] = &l
				} else if i, ok := w.resolution[r.Offset]; ok {
					resolutions[i] = resolutionOf(r)
				}
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, l := range letters {
		if l != nil {
			l.Resolution = resolutions[i]
		}
	}
	return letters, nil
}

// recordsAt reads the records at offsets; what is gone is left out.
func (b *Book) recordsAt(ctx context.Context, topic string, partition int32, offsets []int64, f func(*kgo.Record)) error {
	slices.Sort(offsets)
	ctx, cancel := context.WithTimeoutCause(ctx, stallLimit, ErrStalled)
	defer cancel()
	if err := b.reader.At(ctx, topic, partition, offsets, f); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return explain(fmt.Errorf("read %s partition %d: %w", topic, partition, err), topic, "READ")
	}
	return nil
}
