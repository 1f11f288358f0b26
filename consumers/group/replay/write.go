package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/group/internal/txn"
	"millrace/consumers/internal/pause"
	"millrace/schemas"
)

const (
	writeTries = 8
	// Whoever claims a run tries again sooner than the owner whose transaction has failed, so that two do not end each other's for ever.
	claimBackoff = 50 * time.Millisecond
	ownerBackoff = 500 * time.Millisecond
	maxBackoff   = 5 * time.Second
	// settleTime is what finding out about a transaction may take, also after an interrupt: what was written should be counted.
	settleTime = 20 * time.Second
)

// commit writes events, and how far their partitions are, in one transaction. Without events it does so only if it must.
func (w *writer) commit(ctx context.Context, events []chosen, must bool) error {
	var touched []*span
	for _, s := range w.run.spans {
		if s.ahead.touched {
			touched = append(touched, s)
		}
	}
	if len(touched) == 0 || len(events) == 0 && !must {
		return nil
	}
	seq, backoff := w.run.seq+1, ownerBackoff
	if w.run.owner != w.owner {
		backoff = claimBackoff
	}
	for try := 1; ; try++ {
		err := w.attempt(ctx, events, touched, seq)
		var refused *txn.RecordError
		switch {
		case err == nil:
			w.done(touched, seq, len(events))
			return nil
		case errors.As(err, &refused):
			events = w.refuse(ctx, events, refused)
			continue
		}
		committed, unclear := w.settle(ctx, seq)
		switch {
		case unclear != nil:
			return errors.Join(err, unclear)
		case committed:
			w.done(touched, seq, len(events))
			return ctx.Err()
		case ctx.Err() != nil:
			return ctx.Err()
		case try == writeTries:
			return fmt.Errorf("write events to the retry topics: %w", err)
		}
		if err := pause.Sleep(ctx, pause.Backoff(try-1, backoff, maxBackoff)); err != nil {
			return err
		}
	}
}

func (w *writer) attempt(ctx context.Context, events []chosen, touched []*span, seq int64) error {
	records := make([]*kgo.Record, 0, len(events)+1)
	for _, e := range events {
		records = append(records, e.record)
	}
	if len(records) == 0 {
		records = append(records, w.closing(touched[0]))
	}
	// Not cut off by an interrupt: it would leave unknown what is written.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	return w.producer.Do(ctx, records, func(ctx context.Context, cl *kgo.Client, id string) error {
		return w.offsets(ctx, cl, id, touched, seq)
	})
}

// closing is a record for a transaction that has offsets and no event: it needs one. It says that an event does not wait which there cannot
// be, since no key is like that, and compaction removes it.
func (w *writer) closing(s *span) *kgo.Record {
	return &kgo.Record{
		Topic: schemas.RetryTopic(s.topic, w.run.selection.Group), Partition: s.partition, Key: schemas.RetryKey([]byte(w.run.Group()), s.mark.End),
	}
}

// offsets adds how far the partitions are to a transaction.
func (w *writer) offsets(ctx context.Context, cl *kgo.Client, id string, touched []*span, seq int64) error {
	doing := func(err error) error { return fmt.Errorf("keep the progress in %s: %w", w.run.Group(), err) }
	producer, epoch, err := cl.ProducerID(ctx)
	if err != nil {
		return doing(err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = id, producer, epoch, w.run.Group()
	for {
		resp, err := add.RequestWith(ctx, cl)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err == nil {
			break
		}
		// The coordinator still finishes the transaction before.
		if !errors.Is(err, kerr.ConcurrentTransactions) || pause.Sleep(ctx, 20*time.Millisecond) != nil {
			return doing(err)
		}
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = id, w.run.Group(), producer, epoch
	req.Generation = -1 // the group has no members
	for _, s := range touched {
		m := s.ahead.mark
		m.Seq, m.Owner = seq, w.owner
		text := m.text()
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = s.partition, s.ahead.next, -1, &text
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != s.topic {
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic, t.TopicID = s.topic, w.run.topics[s.topic].ID
			req.Topics = append(req.Topics, t)
		}
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return doing(err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return doing(fmt.Errorf("%s partition %d: %w", t.Topic, p.Partition, err))
			}
		}
	}
	return nil
}

// done takes over what is committed.
func (w *writer) done(touched []*span, seq int64, events int) {
	w.run.seq, w.run.owner = seq, w.owner
	for _, s := range touched {
		s.next, s.mark = s.ahead.next, s.ahead.mark
		s.mark.Seq, s.mark.Owner = seq, w.owner
		s.ahead = ahead{}
	}
	w.written += events
}

// refuse leaves out the event that the retry topic does not take.
func (w *writer) refuse(ctx context.Context, events []chosen, refused *txn.RecordError) []chosen {
	if refused.Index >= len(events) { // not reached: the closing record is small
		return events
	}
	e := events[refused.Index]
	w.run.desk.d.Logger.ErrorContext(ctx, "an event cannot be replayed: its retry topic does not take it", "replay", w.run.id, "to", e.record.Topic,
		"partition", e.record.Partition, "key", string(e.record.Key), "err", refused.Err)
	e.span.ahead.mark.Written--
	e.span.ahead.mark.skip(SkipTooLarge)
	return slices.Delete(slices.Clone(events), refused.Index, refused.Index+1)
}

// settle finds out what became of a transaction that has failed, and whether the run is still this process's: after Renew nothing is in
// flight, neither of it nor of another that had the run meanwhile.
func (w *writer) settle(ctx context.Context, seq int64) (committed bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := w.producer.Renew(ctx); err != nil {
		return false, err
	}
	now := &Run{desk: w.run.desk, id: w.run.id}
	if err := now.reload(ctx, w.run.Group()); err != nil {
		return false, err
	}
	switch {
	case now.seq == w.run.seq && now.owner == w.run.owner:
		return false, nil
	case now.seq == seq && now.owner == w.owner:
		return true, nil
	default:
		return false, ErrTaken
	}
}

// watched tells Deps.Progress how far a call is.
type watched struct {
	done, total atomic.Int64
	end         func()
}

func (p *watched) set(done, total int64) {
	p.done.Store(done)
	p.total.Store(total)
}

const progressEvery = 100 * time.Millisecond

// watch reports progress until end is called.
func (r *Run) watch(ctx context.Context, stage func() string) *watched {
	p := &watched{end: func() {}}
	p.set(r.passed(), r.Result().Total)
	if r.desk.d.Progress == nil {
		return p
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.desk.d.Progress(stage(), p.done.Load(), p.total.Load())
			}
		}
	})
	p.end = func() { cancel(); wg.Wait() }
	return p
}
