package txn

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// epoch is a producer id and its epoch. One transaction has one.
type epoch struct {
	id    int64
	epoch int16
}

func currentEpoch(ctx context.Context, cl *kgo.Client) (epoch, error) {
	id, e, err := cl.ProducerID(ctx)
	return epoch{id, e}, err
}

// attempt makes one transaction with the client that is there. After an error the client is in an undefined state. group is not
// empty when a batch was refused: the indices of the records in it.
func (p *Producer) attempt(ctx context.Context, records []*kgo.Record, offsets func(context.Context, *kgo.Client, string) error) (group []int, err error) {
	// The id first: Begin would ask for it without a deadline.
	began, err := currentEpoch(ctx, p.cl)
	if err != nil {
		return nil, aborted("get the producer id", err)
	}
	if err := p.cl.BeginTransaction(); err != nil {
		return nil, aborted("begin", err)
	}
	sent := copies(records)
	if group, err := p.produce(ctx, sent, began); err != nil {
		return group, aborted("produce", err)
	}
	if offsets != nil {
		if err := offsets(ctx, p.cl, p.id); err != nil {
			return nil, aborted("add offsets", err)
		}
	}
	// The client renews its epoch by itself after some errors, and goes on. The brokers abort what the old epoch wrote: to commit
	// then would be to commit a part.
	now, err := currentEpoch(ctx, p.cl)
	if err == nil && now != began {
		err = errEpoch
	}
	if err != nil {
		return nil, aborted("check the epoch", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, aborted("commit", err)
	}
	// All are acknowledged. Where they are must be known also if the end of the transaction gets lost and it proves to be committed.
	for i, r := range records {
		r.Partition, r.Offset, r.Timestamp = sent[i].Partition, sent[i].Offset, sent[i].Timestamp
	}
	if err := p.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		if commitNotSent(err) {
			return nil, aborted("commit", err)
		}
		return nil, fmt.Errorf("%w: commit: %w", ErrUnknown, err)
	}
	return nil, nil
}

var errEpoch = errors.New("the producer's epoch has changed in the middle of the transaction")

// copies are what is sent: a client that has been thrown away may still write to the records it was given.
func copies(records []*kgo.Record) []kgo.Record {
	out := make([]kgo.Record, len(records))
	for i, r := range records {
		out[i] = kgo.Record{Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp, Topic: r.Topic, Partition: r.Partition}
	}
	return out
}

// produce sends the records and waits for all answers: at once where no topic has a limit, else in waves that keep to it.
func (p *Producer) produce(ctx context.Context, records []kgo.Record, began epoch) (group []int, err error) {
	for from := 0; from < len(records); {
		to := p.waveEnd(records, from)
		if group, err := p.wave(ctx, records, from, to, began); err != nil {
			return group, err
		}
		from = to
	}
	return nil, nil
}

// waveEnd returns the end of the longest wave from a record on in which no limited topic has more than one record and more bytes
// than its limit. A batch never has more than what is waiting, so the limit holds for batches too.
func (p *Producer) waveEnd(records []kgo.Record, from int) int {
	if len(p.limits) == 0 {
		return len(records)
	}
	waiting := make(map[string]int, len(p.limits))
	for i := from; i < len(records); i++ {
		topic := records[i].Topic
		limit, ok := p.limits[topic]
		if !ok {
			continue
		}
		size := sizeOf(&records[i])
		if before := waiting[topic]; before > 0 && before+size > limit {
			return i
		}
		waiting[topic] += size
	}
	return len(records)
}

// wave sends the records of a range and waits for their answers. An answer that is not about the records ends the wait at once.
// Answers come by promise: a synchronous call does not return while a record in flight has none, whatever the context says.
func (p *Producer) wave(ctx context.Context, records []kgo.Record, from, to int, began epoch) (group []int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := &answers{records: records, left: to - from, done: make(chan struct{}), fail: cancel, began: began}
	// A record in flight cannot be taken back, so a context would only break the sequence of those that are not.
	unbound := context.WithoutCancel(ctx)
	for i := from; i < to; i++ {
		p.cl.Produce(unbound, &records[i], func(r *kgo.Record, err error) { a.take(i, r, err) })
	}
	_ = p.cl.Flush(ctx) // ends the linger; whether all is well the answers say
	select {
	case <-a.done:
	case <-ctx.Done():
	}
	// Not only where the wait has ended so: the last answer can be the failure.
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return a.refused()
}

// answers collects the promises of one wave.
type answers struct {
	began epoch
	done  chan struct{} // closed when none is left
	fail  context.CancelCauseFunc

	mu      sync.Mutex
	records []kgo.Record
	left    int
	bad     []int // indices of refused records
	err     error // of the first of them
}

func (a *answers) take(i int, r *kgo.Record, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil && (epoch{r.ProducerID, r.ProducerEpoch}) != a.began:
		a.fail(errEpoch)
	case err == nil:
	case refused(err):
		a.bad = append(a.bad, i)
		if a.err == nil {
			a.err = err
		}
	default:
		a.fail(err)
	}
	if a.left--; a.left == 0 {
		close(a.done)
	}
}

// refused returns the records of the first partition that refused a batch.
func (a *answers) refused() ([]int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var group []int
	for _, i := range a.bad {
		first, r := &a.records[a.bad[0]], &a.records[i]
		if r.Topic == first.Topic && r.Partition == first.Partition {
			group = append(group, i)
		}
	}
	return group, a.err
}
