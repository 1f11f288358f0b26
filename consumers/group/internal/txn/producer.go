package txn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

const (
	// maxBatchBytes has room for the largest record of any topic of ours, its retry or dead letter's headers included.
	maxBatchBytes = schemas.MaxMessageBytes + 64<<10
	// linger lets batches fill while a transaction's records are handed over; a flush ends it.
	linger = 5 * time.Millisecond
	// initTimeout bounds one try to get the producer id, so that a broker that hangs does not hold up a renewal for ever.
	initTimeout = 5 * time.Second

	// metadataMinAge lets a leader that has moved be found soon: the default is 5 s.
	metadataMinAge = 250 * time.Millisecond

	minBackoff = 50 * time.Millisecond
	maxBackoff = time.Second
)

// Producer makes transactions, one at a time. It is safe for concurrent use.
type Producer struct {
	opts  []kgo.Opt
	id    string
	log   *slog.Logger
	plain *kgo.Client

	turn chan struct{} // holds one token while somebody works with what follows
	// cl is nil when the client must be made anew before anything else: at first, and after each failure.
	cl *kgo.Client
	// unknown is set from an ErrUnknown until Renew has succeeded.
	unknown bool
	// limits has, for topics that have refused a batch but none of its records alone, how many bytes may go into one.
	limits map[string]int
	closed bool
}

// New builds a Producer with the transactional id; opts say how to reach the brokers. It does not connect, so it succeeds while
// they are away. timeout is how long the brokers let a transaction of a producer that has gone stay open.
//
// The id must be stable over restarts of an instance and used by it alone: whoever takes it over fences the one before.
func New(opts []kgo.Opt, id string, timeout time.Duration, log *slog.Logger) (*Producer, error) {
	if id == "" {
		return nil, errors.New("build transactional producer: the transactional id is empty")
	}
	if timeout < time.Second {
		return nil, fmt.Errorf("build transactional producer %s: the transaction timeout must be at least 1s, is %s", id, timeout)
	}
	plain, err := kgo.NewClient(append(append([]kgo.Opt{}, opts...), kgo.MetadataMinAge(metadataMinAge), kgo.RetryBackoffFn(backoff))...)
	if err != nil {
		return nil, fmt.Errorf("build transactional producer %s: %w", id, err)
	}
	p := &Producer{opts: options(opts, id, timeout), id: id, log: log, plain: plain, turn: make(chan struct{}, 1), limits: map[string]int{}}
	if err := kgo.ValidateOpts(p.opts...); err != nil {
		plain.Close()
		return nil, fmt.Errorf("build transactional producer %s: %w", id, err)
	}
	return p, nil
}

func options(opts []kgo.Opt, id string, timeout time.Duration) []kgo.Opt {
	return append(append([]kgo.Opt{}, opts...),
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(timeout),
		kgo.RecordPartitioner(newPartitioner()),
		kgo.ProducerBatchMaxBytes(maxBatchBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(linger),
		// A transaction is handed over whole: Produce must never wait for space in the middle of it. The caller bounds its size.
		kgo.MaxBufferedRecords(math.MaxInt32),
		// Do's context is what ends the wait, not the client's patience.
		kgo.UnknownTopicRetries(-1),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.RetryBackoffFn(backoff),
	)
}

// Client returns a client for requests of others, such as those of package logread. It is not the one of the transactions, which
// comes and goes with their failures.
func (p *Producer) Client() *kgo.Client { return p.plain }

// Do makes one transaction of the records and of what offsets adds to it, and returns when its end is known, or ctx is over. The
// error is one of those in the package's comment; after nil each record has its Partition, Offset and Timestamp.
//
// Records with a Partition keep it, those marked -1 are placed by their key. Do sends copies; keys, values and headers must not
// be changed any more, also when it has failed. offsets, which may be nil, is called after the brokers have acknowledged
// all records, with the client and the transactional id to which it has to add the group's offsets. Its error aborts.
//
// After ErrUnknown every Do returns ErrUnknown, without doing anything, until Renew has succeeded.
func (p *Producer) Do(ctx context.Context, records []*kgo.Record, offsets func(ctx context.Context, cl *kgo.Client, id string) error) error {
	if len(records) == 0 {
		return errors.New("a transaction needs at least one record")
	}
	if err := checkSizes(records); err != nil {
		return err
	}
	if err := p.lock(ctx); err != nil {
		return aborted("wait for the one before it", err)
	}
	defer p.unlock()
	if p.unknown {
		return fmt.Errorf("%w: an earlier one has not been settled, Renew has to succeed first", ErrUnknown)
	}
	if err := p.ensure(ctx); err != nil {
		return aborted("prepare", err)
	}
	group, err := p.attempt(ctx, records, offsets)
	if err == nil {
		return nil
	}
	p.discard()
	p.unknown = errors.Is(err, ErrUnknown)
	if len(group) > 0 {
		return p.isolate(ctx, records, group, err)
	}
	// At once, and not at the next Do: what is open holds up readers, and other members that ask for the group's offsets.
	if again := p.ensure(ctx); again != nil {
		p.log.WarnContext(ctx, "renew transactional producer: it is tried again before the next transaction", "transactional_id", p.id, "err", again)
	}
	return err
}

// Renew returns nil when nothing of earlier transactions is in flight: each is committed or aborted for good, and the offsets of
// the group, fetched as stable ones, tell which. It is to be called after ErrUnknown, and once at the start: what a process with the
// same id has left open when it died is ended too. It tries again until ctx is over; where nothing is to be done it does nothing.
func (p *Producer) Renew(ctx context.Context) error {
	if err := p.lock(ctx); err != nil {
		return fmt.Errorf("renew transactional producer: %w", err)
	}
	defer p.unlock()
	if err := p.ensure(ctx); err != nil {
		return fmt.Errorf("renew transactional producer: %w", err)
	}
	p.unknown = false
	return nil
}

// Close waits for a Do that is running and closes the clients. It does not end a transaction that a failed Do has left open:
// call Renew before it where that matters.
func (p *Producer) Close() {
	p.turn <- struct{}{}
	defer p.unlock()
	p.closed = true
	p.discard()
	p.plain.Close()
}

func (p *Producer) lock(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Producer) unlock() { <-p.turn }
