package txn

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// isolate finds out which record of a refused group it is. A broker answers for a batch as a whole, and the caller will put away
// the record that is named, so a guess is not good enough: halves of the group are sent alone, in transactions that are never
// committed, until one record is left, or until none is to blame. Then it was their sum that was too large for the topic, and
// from now on fewer go into one batch.
func (p *Producer) isolate(ctx context.Context, records []*kgo.Record, group []int, cause error) error {
	for len(group) > 1 {
		var part []int
		for _, half := range [][]int{group[:len(group)/2], group[len(group)/2:]} {
			bad, err := p.probe(ctx, records, half)
			if err != nil {
				return aborted("look for the refused record", errors.Join(err, cause))
			}
			if part = bad; len(part) > 0 {
				break
			}
		}
		if len(part) == 0 {
			return p.limit(ctx, records, group, cause)
		}
		group = part
	}
	if err := p.ensure(ctx); err != nil {
		p.log.WarnContext(ctx, "renew transactional producer: it is tried again before the next transaction", "transactional_id", p.id, "err", err)
	}
	var e *kerr.Error
	if errors.As(cause, &e) {
		cause = e
	}
	return &RecordError{Index: group[0], Err: cause}
}

// probe sends records in a transaction that is then thrown away, and returns those whose batch was refused.
func (p *Producer) probe(ctx context.Context, records []*kgo.Record, indices []int) (bad []int, err error) {
	if err := p.ensure(ctx); err != nil {
		return nil, err
	}
	defer p.discard()
	began, err := currentEpoch(ctx, p.cl)
	if err != nil {
		return nil, err
	}
	if err := p.cl.BeginTransaction(); err != nil {
		return nil, err
	}
	some := make([]*kgo.Record, len(indices))
	for i, at := range indices {
		some[i] = records[at]
	}
	group, err := p.produce(ctx, copies(some), began)
	if err != nil && len(group) == 0 {
		return nil, err
	}
	for _, i := range group {
		bad = append(bad, indices[i])
	}
	return bad, nil
}

func (p *Producer) limit(ctx context.Context, records []*kgo.Record, group []int, cause error) error {
	bytes := 0
	for _, i := range group {
		bytes += sizeOf(records[i])
	}
	topic := records[group[0]].Topic
	p.limits[topic] = bytes / 2
	p.log.WarnContext(ctx, "topic refuses a batch but none of its records: smaller batches from now on", "topic", topic, "records", len(group),
		"bytes", bytes, "limit_bytes", bytes/2, "err", cause)
	if err := p.ensure(ctx); err != nil {
		return aborted("renew", errors.Join(err, cause))
	}
	return fmt.Errorf("%w: a batch of %d records was too large: %w", ErrAborted, len(group), cause)
}

// Upper bounds of what the format adds to keys, values and headers.
const (
	recordOverhead = 64
	headerOverhead = 10
	batchOverhead  = 128
)

// sizeOf returns an upper bound of a record's size in a batch.
func sizeOf(r *kgo.Record) int {
	n := recordOverhead + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += headerOverhead + len(h.Key) + len(h.Value)
	}
	return n
}

// checkSizes finds records that cannot be sent at all.
func checkSizes(records []*kgo.Record) error {
	for i, r := range records {
		if n := sizeOf(r); n > maxBatchBytes-batchOverhead {
			return &RecordError{Index: i, Err: fmt.Errorf("%w: it has %d bytes, at most %d can be sent", kerr.MessageTooLarge, n, maxBatchBytes-batchOverhead)}
		}
	}
	return nil
}
