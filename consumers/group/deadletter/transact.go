package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

const (
	// transactionTimeout is when the brokers end a transaction whose writer is gone. Until then readers of the topics wait, so it
	// is short; a chunk takes some tens of milliseconds.
	transactionTimeout = 10 * time.Second
	writeTimeout       = 8 * time.Second
	endTimeout         = 10 * time.Second
	openTimeout        = 30 * time.Second
)

// ErrTaken is returned, wrapped, by Redrive and Drop when another run for the same group has begun meanwhile, or when this one
// stood still for so long that the brokers ended its transaction. What was reported is done.
var ErrTaken = errors.New("another redrive or drop for this group has taken over, or this one stood still for too long; what was reported is done, " +
	"run it again for the rest")

// errRefused means that brokers do not take a record for what it is; nothing was written.
var errRefused = errors.New("refused")

// writer is a transactional producer. To open one ends whatever an earlier writer of the group had begun.
type writer struct {
	b      *Book
	client *kgo.Client
}

// TransactionalID is the one id under which dead letters of a group are settled, so that two tools cannot settle one twice.
func TransactionalID(group string) string { return group + "-dlq" }

func (w *writer) open(ctx context.Context) error {
	w.close()
	client, err := kgo.NewClient(append(slices.Clone(w.b.kafka),
		kgo.TransactionalID(TransactionalID(w.b.group)),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(schemas.MaxMessageBytes+schemas.DeadLetterRoomBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
	)...)
	if err != nil {
		return fmt.Errorf("open transactional producer: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if _, _, err := client.ProducerID(ctx); err != nil {
		client.Close()
		return explain(fmt.Errorf("begin under transactional id %s: %w", TransactionalID(w.b.group), err), "", "")
	}
	w.client = client
	return nil
}

func (w *writer) close() {
	if w.client != nil {
		w.client.Close()
		w.client = nil
	}
}

// write writes the records in one transaction. With nil they are all committed. Errors: wrapping errRefused, ErrTaken or ctx's, or
// being about permissions: nothing is committed. Any other: perhaps all, perhaps nothing; open and look.
func (w *writer) write(ctx context.Context, records []*kgo.Record) error {
	if err := w.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := w.produce(ctx, records); err != nil {
		return errors.Join(err, w.abort(ctx))
	}
	// Not the caller's context: an interrupt here would leave unknown whether it is done.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := w.client.EndTransaction(end, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit: %w", taken(err))
	}
	return nil
}

// produce waits for all answers, or for the first that is an error. Answers come by promise and channel: a synchronous produce
// would not come back while a record in flight has no answer.
func (w *writer) produce(ctx context.Context, records []*kgo.Record) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	answers := make(chan error, len(records))
	for _, r := range records {
		w.client.Produce(context.WithoutCancel(ctx), r, func(r *kgo.Record, err error) {
			if err != nil {
				err = explain(fmt.Errorf("write to %s partition %d: %w", r.Topic, r.Partition, refused(taken(err))), r.Topic, "WRITE")
			}
			answers <- err
		})
	}
	for range records {
		select {
		case <-ctx.Done():
			return fmt.Errorf("write: %w", ctx.Err())
		case err := <-answers:
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// abort ends the transaction so that nothing of it is seen. Where that fails, the brokers do it after transactionTimeout, or the
// next writer.
func (w *writer) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := w.client.AbortBufferedRecords(ctx); err != nil {
		w.close()
		return fmt.Errorf("abort: %w", err)
	}
	if err := w.client.EndTransaction(ctx, kgo.TryAbort); err != nil {
		w.close()
		return fmt.Errorf("abort: %w", taken(err))
	}
	return nil
}

// taken marks what brokers say to a writer that has a successor.
func taken(err error) error {
	for _, e := range []error{kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidTxnState} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrTaken, err)
		}
	}
	return err
}

// refused marks what brokers say to a record.
func refused(err error) error {
	for _, e := range []error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.CorruptMessage} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	return err
}

// hopeless tells that trying again does not help.
func hopeless(err error) bool {
	for _, e := range []error{
		ErrTaken, context.Canceled, kerr.TopicAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.UnknownTopicOrPartition,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
