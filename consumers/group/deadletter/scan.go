package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

const (
	// scanners is how many partitions are read at a time. It bounds memory: each holds one response.
	scanners = 8
	// stallLimit is how long a read may go without a single record. A transaction that is left open ends within its own timeout,
	// a minute in most clients.
	stallLimit    = 90 * time.Second
	progressEvery = 100 * time.Millisecond
)

// ErrStalled is returned, wrapped, when nothing could be read for long: the brokers of a partition are away, or a transaction
// there stays open.
var ErrStalled = errors.New("nothing could be read for " + stallLimit.String())

// span is a piece of a log: from <= offset < to.
type span struct {
	topic     string
	partition int32
	from, to  int64
}

// wholeLogs returns all that is in the partitions of topics which want accepts, as of now. Both ends are the log's, not those of
// what is committed: a reader that stopped at the first open transaction could miss what was settled behind it.
func (b *Book) wholeLogs(ctx context.Context, topics []string, want func(topic string, partition int32) bool) ([]span, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	starts, err := b.offsets(ctx, topics, b.admin.ListStartOffsets)
	if err != nil {
		return nil, err
	}
	ends, err := b.offsets(ctx, topics, b.admin.ListEndOffsets)
	if err != nil {
		return nil, err
	}
	var spans []span
	for _, e := range ends.Offsets().Sorted() {
		if start, ok := starts.Lookup(e.Topic, e.Partition); ok && want(e.Topic, e.Partition) {
			spans = append(spans, span{e.Topic, e.Partition, start.Offset, e.At})
		}
	}
	return spans, nil
}

func (b *Book) offsets(ctx context.Context, topics []string, ask func(context.Context, ...string) (kadm.ListedOffsets, error)) (kadm.ListedOffsets, error) {
	list, err := ask(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("ask for the ends of %s: %w", strings.Join(topics, ", "), err)
	}
	var first error
	list.Each(func(o kadm.ListedOffset) {
		if o.Err != nil && first == nil {
			first = explain(o.Err, o.Topic, "READ")
		}
	})
	return list, first
}

// scan calls f with every committed record of the spans: in order and one at a time within a span, side by side between them.
func (b *Book) scan(ctx context.Context, spans []span, f func(i int, r *kgo.Record) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var total int64
	for _, s := range spans {
		total += max(s.to-s.from, 0)
	}
	var done atomic.Int64
	stop := b.watch(StageReading, total, &done, func() { cancel(ErrStalled) })
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(scanners)
	for i, s := range spans {
		if s.from >= s.to {
			continue
		}
		g.Go(func() error {
			at := s.from
			_, err := b.reader.Scan(ctx, s.topic, s.partition, s.from, s.to, func(r *kgo.Record) error {
				done.Add(r.Offset + 1 - at)
				at = r.Offset + 1
				return f(i, r)
			})
			done.Add(max(s.to-at, 0))
			if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrStalled) {
				return fmt.Errorf("read %s partition %d from offset %d to %d: %w (brokers away, or an open transaction)", s.topic, s.partition, at, s.to, cause)
			}
			if err != nil {
				return explain(fmt.Errorf("read %s partition %d: %w", s.topic, s.partition, err), s.topic, "READ")
			}
			return nil
		})
	}
	return g.Wait()
}

// watch reports progress until stop is called, and calls stalled when done does not move for stallLimit.
func (b *Book) watch(stage string, total int64, done *atomic.Int64, stalled func()) (stop func()) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		last, since := int64(0), time.Now()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			n := done.Load()
			if n != last {
				last, since = n, time.Now()
			}
			if stalled != nil && time.Since(since) > stallLimit {
				stalled()
			}
			if b.o.Progress != nil {
				b.o.Progress(stage, n, total)
			}
		}
	})
	return sync.OnceFunc(func() { close(quit); wg.Wait() })
}

// explain adds what to do to errors that a person with the right to grant things can mend.
func explain(err error, topic, operation string) error {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("topic %s: this user needs the right to %s it: %w", topic, operation, err)
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return fmt.Errorf("this user needs WRITE and DESCRIBE on a transactional id: %w", err)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("topic %s is not there, or this user may not see it; `millrace topics apply` makes a service's topics: %w", topic, err)
	}
	return err
}
