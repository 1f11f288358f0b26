package keyed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/deploy/internal/pause"
	"millrace/partitioning"
	"millrace/schemas"
)

// load sends the events, each entity's in order, at a steady rate.
type load struct {
	o      *Options
	client *kgo.Client
	dice   *rand.Rand
	seqs   []int32
	total  int

	acked atomic.Int64
	mu    sync.Mutex
	sent  []ledger.Sent
	err   error
}

func newLoad(o *Options, seeds []string, total int) (*load, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.RecordPartitioner(partitioning.Partitioner()),
		kgo.ProducerLinger(time.Millisecond), kgo.MaxBufferedRecords(5_000))
	if err != nil {
		return nil, fmt.Errorf("build the producer of the load: %w", err)
	}
	return &load{
		o: o, client: client, seqs: make([]int32, o.Entities), total: total, sent: make([]ledger.Sent, 0, total),
		dice: rand.New(rand.NewPCG(o.Seed, 1)), //nolint:gosec // repeatable on purpose
	}, nil
}

// run sends everything and waits for every acknowledgement. An event that Kafka did not take is an error of the run: nothing can be
// said of it.
func (l *load) run(ctx context.Context) error {
	defer l.client.Close()
	begin := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < l.total; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := l.failure(); err != nil {
			return err
		}
		for due := int(time.Since(begin).Seconds() * l.o.Rate); n < min(due, l.total); n++ {
			l.produce(ctx, l.next())
		}
	}
	if err := l.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for the last events: %w", err)
	}
	return l.failure()
}

// next picks an entity: some are busy, so that events queue behind one that waits, and in an outage the shop that is hit has a good
// share of the load.
func (l *load) next() ledger.Event {
	entity := l.dice.IntN(l.o.Entities)
	if l.dice.Float64() < 0.2 {
		if l.o.Scenario == scenarioOutage {
			entity -= entity % shops // of shop 0
		} else {
			entity %= max(1, l.o.Entities/50)
		}
	}
	l.seqs[entity]++
	return ledger.Event{Entity: int32(entity), Seq: l.seqs[entity]} //nolint:gosec // bounded by the flag
}

func (l *load) produce(ctx context.Context, e ledger.Event) {
	now := time.Now()
	w := l.o.world()
	envelope := w.Envelope(e, now)
	r := &kgo.Record{
		Topic: sourceTopic, Key: []byte(w.Key(e.Entity)), Value: ledger.Body(e), Timestamp: now,
		Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &envelope),
	}
	l.client.Produce(ctx, r, func(r *kgo.Record, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.err = errors.Join(l.err, fmt.Errorf("send %v: %w", e, err))
			return
		}
		l.acked.Add(1)
		l.sent = append(l.sent, ledger.Sent{Event: e, Partition: r.Partition, Offset: r.Offset, At: now.UnixNano()})
	})
}

func (l *load) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// write keeps what was sent, for people.
func (l *load) write(dir string) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return writeLines(filepath.Join(dir, "sent.tsv"), func(w *bufio.Writer) {
		for _, s := range l.sent {
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\n", s.Entity, s.Seq, s.Partition, s.Offset, s.At)
		}
	})
}

func writeLines(path string, f func(w *bufio.Writer)) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // a folder of ours
	if err != nil {
		return fmt.Errorf("keep data of the run: %w", err)
	}
	w := bufio.NewWriter(file)
	f(w)
	return errors.Join(w.Flush(), file.Close())
}

// aborter writes records in transactions that it aborts: they leave gaps in the offsets and hold readers up for a moment, and no
// handler may ever see one.
type aborter struct {
	o     *Options
	seeds []string
	dice  *rand.Rand
	wrote atomic.Int64
}

// aborterPause is the mean time between two transactions.
const aborterPause = 500 * time.Millisecond

// run writes until ctx ends. A transaction that fails, because a broker died, is aborted by the next client with the same id.
func (a *aborter) run(ctx context.Context) {
	for ctx.Err() == nil {
		client, err := kgo.NewClient(kgo.SeedBrokers(a.seeds...), kgo.TransactionalID("chaos-aborter"),
			kgo.TransactionTimeout(5*time.Second), kgo.RecordPartitioner(partitioning.Partitioner()))
		if err != nil {
			return
		}
		for ctx.Err() == nil && a.once(ctx, client) == nil {
			_ = pause.For(ctx, aborterPause/2+time.Duration(a.dice.Int64N(int64(aborterPause))))
		}
		client.CloseAllowingRebalance()
		_ = pause.For(ctx, aborterPause)
	}
}

func (a *aborter) once(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	n := max(1, int(a.o.Rate*a.o.Aborted*aborterPause.Seconds()))
	for range n {
		entity := int32(a.dice.IntN(a.o.Entities)) //nolint:gosec // bounded by the flag
		client.Produce(ctx, &kgo.Record{Topic: sourceTopic, Key: []byte(a.o.world().Key(entity)), Value: ledger.PhantomBody(entity)}, nil)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	a.wrote.Add(int64(n))
	if err := pause.For(ctx, time.Duration(a.dice.Int64N(int64(50*time.Millisecond)))); err != nil {
		return err
	}
	return client.EndTransaction(ctx, kgo.TryAbort)
}
