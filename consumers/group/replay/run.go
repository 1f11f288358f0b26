package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"golang.org/x/time/rate"

	"millrace/consumers/group/internal/txn"
	"millrace/consumers/internal/pause"
)

// Run is one replay. It is not safe for concurrent use.
type Run struct {
	desk      *Desk
	selection Selection
	id        string
	began     time.Time
	fresh     bool // nothing of it is in Kafka yet
	spans     []*span
	seq       int64
	owner     string
	topics    kadm.TopicDetails
}

// span is what a run is about in one partition.
type span struct {
	topic     string
	partition int32
	next      int64 // as committed
	mark      mark  // as committed
	ahead     ahead
}

// ahead is what has been read and is not committed.
type ahead struct {
	touched bool
	next    int64
	mark    mark
}

// advance returns the part of a span that is ahead of what is committed.
func (s *span) advance() *ahead {
	if !s.ahead.touched {
		s.ahead = ahead{touched: true, next: s.next, mark: s.mark.clone()}
	}
	return &s.ahead
}

// ID is the name by which a run is resumed.
func (r *Run) ID() string { return r.id }

// Selection is what the run was asked for.
func (r *Run) Selection() Selection { return r.selection }

// Began is when the run was asked for.
func (r *Run) Began() time.Time { return r.began }

// Result is how far the run has come, by what is committed.
func (r *Run) Result() Result {
	var sum Result
	for _, s := range r.spans {
		sum.add(&s.mark, s.next)
	}
	return sum
}

// passed is Result.Passed with what is read and not committed.
func (r *Run) passed() int64 {
	n := int64(0)
	for _, s := range r.spans {
		next := s.next
		if s.ahead.touched {
			next = s.ahead.next
		}
		n += next - s.mark.From
	}
	return n
}

// Group is the consumer group that has the progress of the run.
func (r *Run) Group() string { return GroupPrefix + r.selection.Service + "." + r.id }

func (r *Run) sort() {
	slices.SortFunc(r.spans, func(x, y *span) int {
		return cmp.Or(cmp.Compare(x.topic, y.topic), cmp.Compare(x.partition, y.partition))
	})
}

// Work says how a run goes.
type Work struct {
	Rate float64 // events per second; 0: as fast as the service takes them
	// Backlog is how many events of the run may wait in the retry topic; 0: DefaultBacklog.
	Backlog int
}

// DefaultBacklog is what a service has to do for some seconds, or minutes where it calls somebody. Its index takes about 1 MB for it.
const DefaultBacklog = 10_000

const (
	maxChunk      = 500     // events of one transaction
	maxChunkBytes = 8 << 20 // of their bodies; a larger one goes alone
	// chunksPerSecond is how finely Work.Rate is spread.
	chunksPerSecond = 5
	// gatherTime is how long a chunk waits to become full.
	gatherTime = 100 * time.Millisecond

	pollEvery  = time.Second
	roomEvery  = 200 * time.Millisecond
	warnEvery  = time.Minute
	renewLimit = 30 * time.Second

	// transactionTimeout is when the brokers end a transaction whose writer is gone; until then the owner of a partition cannot read on in
	// its retry topic. A chunk takes some tens of milliseconds.
	transactionTimeout = 10 * time.Second
)

// Do writes the events that are left to the service's retry topics. It first ends whatever another process of the run has begun. With
// an error the run can be resumed, and Result tells how far it is: nothing was written that it does not count.
func (r *Run) Do(ctx context.Context, w Work) error {
	if len(r.spans) == 0 {
		return nil
	}
	if err := r.do(ctx, w); err != nil {
		return fmt.Errorf("replay %s: %w", r.id, err)
	}
	return nil
}

func (r *Run) do(ctx context.Context, w Work) error {
	producer, err := txn.New(r.desk.d.Kafka, r.Group(), transactionTimeout, r.desk.d.Logger)
	if err != nil {
		return err
	}
	defer producer.Close()
	renew, cancel := context.WithTimeout(ctx, renewLimit)
	defer cancel()
	if err := producer.Renew(renew); err != nil {
		return err
	}
	if r.fresh {
		err = r.register(ctx)
	} else {
		err = r.reload(renew, r.Group()) // the run before may have gone on since
	}
	if err != nil {
		return err
	}
	if now := r.Result(); now.Done() {
		return nil
	}
	wr := &writer{run: r, producer: producer, owner: token(4), room: max(cmp.Or(w.Backlog, DefaultBacklog), 1), polled: time.Now()}
	if err := wr.claim(ctx); err != nil {
		return err
	}
	if wr.backlog, err = r.newBacklog(ctx); err != nil {
		return err
	}
	wr.chunk = min(maxChunk, max(1, wr.room/2))
	wr.limit = rate.NewLimiter(rate.Inf, 0)
	if w.Rate > 0 {
		wr.chunk = min(wr.chunk, max(1, int(w.Rate/chunksPerSecond)))
		wr.limit = rate.NewLimiter(rate.Limit(w.Rate), wr.chunk)
	}
	return wr.all(ctx)
}

// register makes the run known, so that it can be resumed from its first event on.
func (r *Run) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var offsets kadm.Offsets
	for _, s := range r.spans {
		offsets.Add(kadm.Offset{Topic: s.topic, Partition: s.partition, At: s.next, LeaderEpoch: -1, Metadata: s.mark.text()})
	}
	got, err := r.desk.admin.CommitOffsets(ctx, r.Group(), offsets)
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		return fmt.Errorf("begin consumer group %s: %w", r.Group(), err)
	}
	r.fresh = false
	return nil
}

// writer is one Do.
type writer struct {
	run      *Run
	producer *txn.Producer
	owner    string // in marks
	backlog  *backlog
	limit    *rate.Limiter
	chunk    int
	room     int // events of the run that may wait

	written int       // since the last poll
	polled  time.Time // when that was
	waits   atomic.Bool
}

// stage is what the run is at.
func (w *writer) stage() string {
	if w.waits.Load() {
		return StageWaiting
	}
	return StageWriting
}

// claim makes the run this process's. Another one that has it finds out when its next transaction fails.
func (w *writer) claim(ctx context.Context) error {
	w.run.spans[0].advance()
	return w.commit(ctx, nil, true)
}

// all reads and writes until nothing is left.
func (w *writer) all(ctx context.Context) error {
	progress := w.run.watch(ctx, w.stage)
	defer progress.end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, failed := w.run.read(ctx)
	defer func() { // no reader outlives the call
		cancel()
		for err := range failed { // unless it has been read, what has ended the call is why it ended
			w.run.desk.d.Logger.DebugContext(ctx, "reading has ended", "replay", w.run.id, "err", err)
		}
	}()
	for {
		events, more := gather(ctx, in, w.chunk)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.take(ctx, events); err != nil {
			return err
		}
		progress.set(w.run.passed(), w.run.Result().Total)
		if !more {
			break
		}
	}
	if err := <-failed; err != nil {
		return err
	}
	return w.commit(ctx, nil, true)
}

// gather takes what is there, up to n events. more is false when nothing comes after it.
func gather(ctx context.Context, in <-chan read, n int) (out []read, more bool) {
	var timer <-chan time.Time // from the first event on
	for size := 0; len(out) < n && size < maxChunkBytes; {
		select {
		case <-ctx.Done():
			return nil, false
		case <-timer:
			return out, true
		case e, ok := <-in:
			if !ok {
				return out, false
			}
			out = append(out, e)
			if e.record != nil {
				size += len(e.record.Value)
			}
			if timer == nil {
				timer = time.After(gatherTime)
			}
		}
	}
	return out, true
}

// take decides what becomes of events, and writes them.
func (w *writer) take(ctx context.Context, events []read) error {
	if time.Since(w.polled) > pollEvery {
		if err := w.poll(ctx); err != nil {
			return err
		}
	}
	var chosen []chosen
	for _, e := range events {
		a := e.span.advance()
		a.next = e.next
		if e.record == nil {
			continue
		}
		a.mark.Chosen++
		if reason := w.backlog.skip(place{e.span.topic, e.span.partition}, e.record.Offset); reason != "" {
			a.mark.skip(reason)
			continue
		}
		a.mark.Written++
		chosen = append(chosen, chosenOf(w.run, e))
	}
	if len(chosen) == 0 {
		return nil // with the next events, or at the end
	}
	if err := w.limit.WaitN(ctx, len(chosen)); err != nil {
		return err
	}
	if err := w.await(ctx, len(chosen)); err != nil {
		return err
	}
	return w.commit(ctx, chosen, false)
}

// await waits until the service has room for n events.
func (w *writer) await(ctx context.Context, n int) error {
	since, warned, least := time.Now(), time.Now(), w.room
	defer w.waits.Store(false)
	for w.backlog.ours()+w.written+n > w.room {
		if err := w.poll(ctx); err != nil {
			return err
		}
		ours := w.backlog.ours()
		if ours+n <= w.room {
			return nil
		}
		w.waits.Store(true)
		if ours < least {
			least, since = ours, time.Now()
		}
		if time.Since(since) > warnEvery && time.Since(warned) > warnEvery {
			warned = time.Now()
			w.run.desk.d.Logger.WarnContext(ctx, "the service takes nothing of the replay: does it run, and what it calls?", "replay", w.run.id,
				"service", w.run.selection.Service, "group", w.run.selection.Group, "waiting", ours, "since", since)
		}
		if err := pause.Sleep(ctx, roomEvery); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) poll(ctx context.Context) error {
	if err := w.backlog.poll(ctx); err != nil {
		return err
	}
	w.written, w.polled = 0, time.Now()
	return nil
}

// ErrTaken is returned, wrapped, by Run.Do when another process goes on with the same run.
var ErrTaken = errors.New("another process goes on with this replay")
