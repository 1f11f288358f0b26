package txn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"millrace/consumers/group/internal/wiretest"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const (
	group      = "g"
	source     = "source" // its group offset moves on in each transaction
	out        = "out"
	partitions = 3
	txnID      = "g-0"
)

// world is a service that turns source records into records in out, one batch per transaction, and remembers what it was told.
type world struct {
	t     testing.TB
	seeds kgo.Opt
	adm   *kadm.Client
	id    [16]byte // of source
	wire  *wiretest.Wire
	p     *Producer

	at       int64 // next source offset
	attempts int
	// told has the tag of each try and what became of it.
	told   map[string]bool
	before map[string]int // what was there at the beginning
}

// fake starts a broker of the newest version, or of one with the transactions of before KIP-890.
func fake(tb testing.TB, old bool, opts ...kfake.Opt) (*kfake.Cluster, kgo.Opt) {
	tb.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(partitions, source, out)}, opts...)
	if old {
		opts = append(opts, kfake.MaxVersions(kversion.V3_6_0()))
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		tb.Fatalf("NewCluster() error: %v", err)
	}
	tb.Cleanup(c.Close)
	return c, kgo.SeedBrokers(c.ListenAddrs()...)
}

func newWorld(tb testing.TB, seeds kgo.Opt, timeout time.Duration) *world {
	tb.Helper()
	cl, err := kgo.NewClient(seeds)
	if err != nil {
		tb.Fatalf("NewClient() error: %v", err)
	}
	tb.Cleanup(cl.Close)
	w := &world{t: tb, seeds: seeds, adm: kadm.NewClient(cl), wire: wiretest.New(), told: map[string]bool{}}
	w.p = w.producer(timeout, w.wire.Option())
	topics, err := w.adm.ListTopics(tb.Context(), source)
	if err != nil || topics[source].Err != nil {
		tb.Fatalf("ListTopics() = %v, %v", topics, err)
	}
	w.id = topics[source].ID
	w.before, w.at = w.committed(), w.groupOffset()
	return w
}

func (w *world) producer(timeout time.Duration, opts ...kgo.Opt) *Producer {
	w.t.Helper()
	p, err := New(append(opts, w.seeds), txnID, timeout, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatalf("New() error: %v", err)
	}
	w.t.Cleanup(p.Close)
	return p
}

// records are a batch of one try; their values tell which.
func records(tag string, n int) []*kgo.Record {
	rs := make([]*kgo.Record, n)
	for i := range rs {
		rs[i] = &kgo.Record{Topic: out, Partition: int32(i % partitions), Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "%s/%d", tag, i)}
	}
	return rs
}

const batch = 7

// try makes one transaction and notes its outcome, which after ErrUnknown it asks the group for.
func (w *world) try(timeout time.Duration) error {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), timeout)
	defer cancel()
	tag := fmt.Sprint("try-", w.attempts)
	w.attempts++
	rs := records(tag, batch)
	begin := time.Now()
	err := w.p.Do(ctx, rs, w.offsets(w.at+1))
	if took := time.Since(begin); took > timeout+500*time.Millisecond {
		w.t.Errorf("Do() took %s with a deadline of %s", took, timeout)
	}
	var refusal *RecordError
	switch {
	case err == nil:
		w.told[tag] = true
		w.wantPlaces(rs)
	case errors.Is(err, ErrUnknown):
		if errors.Is(err, ErrAborted) {
			w.t.Errorf("Do() = %v, which is both", err)
		}
		w.told[tag] = w.settle()
	case errors.Is(err, ErrAborted), errors.As(err, &refusal):
		w.told[tag] = false
	default:
		w.t.Fatalf("Do() = %v, which is no outcome", err)
	}
	if w.told[tag] {
		w.at++
	}
	return err
}

// settle finds out whether the last transaction is through.
func (w *world) settle() bool {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 60*time.Second)
	defer cancel()
	if err := w.p.Do(ctx, records("in between", 1), nil); !errors.Is(err, ErrUnknown) {
		w.t.Errorf("Do() before Renew() = %v, want ErrUnknown", err)
	}
	if err := w.p.Renew(ctx); err != nil {
		w.t.Fatalf("Renew() error: %v", err)
	}
	switch at := w.groupOffset(); at {
	case w.at:
		return false
	case w.at + 1:
		return true
	default:
		w.t.Fatalf("the group is at %d, want %d or the next", at, w.at)
		return false
	}
}

func (w *world) wantPlaces(rs []*kgo.Record) {
	w.t.Helper()
	seen := map[string]bool{}
	for i, r := range rs {
		place := fmt.Sprint(r.Partition, "/", r.Offset)
		if r.Offset < 0 || r.Partition != int32(i%partitions) || r.Timestamp.IsZero() || seen[place] {
			w.t.Errorf("record %d is said to be at %s, time %s", i, place, r.Timestamp)
		}
		seen[place] = true
	}
}

// offsets adds the group's offset as a member does, without a membership.
func (w *world) offsets(next int64) func(context.Context, *kgo.Client, string) error {
	return func(ctx context.Context, cl *kgo.Client, id string) error {
		pid, epoch, err := cl.ProducerID(ctx)
		if err != nil {
			return err
		}
		add := kmsg.NewPtrAddOffsetsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = id, pid, epoch, group
		added, err := add.RequestWith(ctx, cl)
		if err == nil {
			err = kerr.ErrorForCode(added.ErrorCode)
		}
		if err != nil {
			return err
		}
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group, req.Generation = id, pid, epoch, group, -1
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = source, w.id
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Offset, p.LeaderEpoch = next, -1
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
}

// groupOffset is the stable one: the answer waits for the end of what is open.
func (w *world) groupOffset() int64 {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		offsets, err := w.adm.FetchOffsets(w.t.Context(), group)
		if errors.Is(err, kerr.GroupIDNotFound) {
			return 0
		}
		if err == nil {
			o, ok := offsets.Lookup(source, 0)
			if err = o.Err; !ok || err == nil {
				return max(o.At, 0)
			}
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("FetchOffsets() error: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// committed returns how often a read-committed reader sees each value.
func (w *world) committed() map[string]int {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 60*time.Second)
	defer cancel()
	ends, err := w.adm.ListEndOffsets(ctx, out)
	if err != nil {
		w.t.Fatalf("ListEndOffsets() error: %v", err)
	}
	cl, err := kgo.NewClient(w.seeds, kgo.ConsumeTopics(out), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		w.t.Fatalf("NewClient() error: %v", err)
	}
	defer cl.Close()
	seen := map[string]int{}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			w.t.Fatalf("reading what is committed: not at the ends %v", left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				seen[string(r.Value)]++
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return seen
}

// check compares what the producer was told with what a reader sees.
func (w *world) check() {
	w.t.Helper()
	seen := w.committed()
	for value, n := range w.before {
		if seen[value] -= n; seen[value] == 0 {
			delete(seen, value)
		}
	}
	for tag, through := range w.told {
		for i := range batch {
			want := 0
			if through {
				want = 1
			}
			if n := seen[fmt.Sprintf("%s/%d", tag, i)]; n != want {
				w.t.Errorf("record %d of %s is seen %d times, want %d", i, tag, n, want)
			}
			delete(seen, fmt.Sprintf("%s/%d", tag, i))
		}
	}
	if len(seen) > 0 {
		w.t.Errorf("records that nobody knows of: %v", slices.Collect(maps.Keys(seen)))
	}
	if at := w.groupOffset(); at != w.at {
		w.t.Errorf("the group is at %d, want %d", at, w.at)
	}
}
