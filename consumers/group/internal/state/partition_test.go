package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/logread"
)

const changelog = "t.g.state"

// world is a changelog and a writer of it.
type world struct {
	t   testing.TB
	c   *kfake.Cluster
	cl  *kgo.Client
	adm *kadm.Client
	r   *logread.Reader
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		tb.Fatalf("NewCluster() error: %v", err)
	}
	tb.Cleanup(c.Close)
	w := &world{t: tb, c: c}
	w.cl = w.client()
	w.adm, w.r = kadm.NewClient(w.cl), logread.New(w.client())
	w.create()
	return w
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(w.c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond), kgo.UnknownTopicRetries(-1))...)
	if err != nil {
		w.t.Fatalf("NewClient() error: %v", err)
	}
	w.t.Cleanup(cl.Close)
	return cl
}

func (w *world) create() {
	w.t.Helper()
	if _, err := w.adm.CreateTopic(w.t.Context(), 2, -1, nil, changelog); err != nil {
		w.t.Fatalf("CreateTopic() error: %v", err)
	}
}

// write appends pairs of key and value to the changelog; the value "-" removes.
func (w *world) write(cl *kgo.Client, pairs ...string) (next int64) {
	w.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		r := &kgo.Record{Topic: changelog, Key: []byte(pairs[i]), Value: []byte(pairs[i+1])}
		if pairs[i+1] == "-" {
			r.Value = nil
		}
		r, err := cl.ProduceSync(w.t.Context(), r).First()
		if err != nil {
			w.t.Fatalf("ProduceSync() error: %v", err)
		}
		next = r.Offset + 1
	}
	return next
}

func (w *world) restore(st Store) *Partition {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	p, err := Restore(ctx, w.r, st, changelog, 0)
	if err != nil {
		w.t.Fatalf("Restore() error: %v", err)
	}
	return p
}

func TestTheNewestWriteIsSeenAtOnceAndStaysWhenAnEarlierOneCommits(t *testing.T) {
	w := newWorld(t)
	p := w.restore(newMemory())
	key := []byte("k")
	first := p.Put(key, []byte("1"))
	second := p.Put(key, []byte("2"))
	wantValue(t, p, "k", []byte("2"))
	wantValue(t, p.st, "k", nil)
	if err := p.Commit([]Write{{key, []byte("1"), first}}, 1); err != nil {
		t.Fatalf("Commit() error: %v", err)
	}
	wantValue(t, p, "k", []byte("2"))
	wantValue(t, p.st, "k", []byte("1"))
	// The transaction of the second is aborted, and repeated: nothing is told to the partition.
	wantValue(t, p, "k", []byte("2"))
	if err := p.Commit([]Write{{key, []byte("2"), second}}, 2); err != nil {
		t.Fatalf("Commit() error: %v", err)
	}
	wantValue(t, p, "k", []byte("2"))
	if len(p.overlay) != 0 || p.st.Position() != 2 {
		t.Errorf("%d writes are left uncommitted, the position is %d", len(p.overlay), p.st.Position())
	}
	third := p.Put(key, nil)
	wantValue(t, p, "k", nil)
	wantValue(t, p.st, "k", []byte("2"))
	if err := p.Commit([]Write{{key, nil, third}}, 3); err != nil {
		t.Fatalf("Commit() error: %v", err)
	}
	wantValue(t, p, "k", nil)
	wantValue(t, p.st, "k", nil)
}

func TestTwoWritesOfAKeyInOneTransaction(t *testing.T) {
	p := newWorld(t).restore(newMemory())
	one := p.Put([]byte("k"), []byte("1"))
	two := p.Put([]byte("k"), []byte("2"))
	if err := p.Commit([]Write{{[]byte("k"), []byte("1"), one}, {[]byte("k"), []byte("2"), two}}, 2); err != nil {
		t.Fatalf("Commit() error: %v", err)
	}
	wantValue(t, p, "k", []byte("2"))
	if len(p.overlay) != 0 {
		t.Errorf("%d writes are left uncommitted", len(p.overlay))
	}
}

// A reader must at no time see an older value than it has written. Transactions commit in the order of their writes.
func TestReadersNeverGoBackWhileWritesCommit(t *testing.T) {
	p := newWorld(t).restore(newMemory())
	var wg sync.WaitGroup
	for w := range 4 {
		key, writes := fmt.Append(nil, "k", w), make(chan Write, 100)
		wg.Go(func() {
			for w := range writes {
				if err := p.Commit([]Write{w}, 1); err != nil {
					t.Errorf("Commit() error: %v", err)
				}
			}
		})
		wg.Go(func() {
			defer close(writes)
			for i := range 3000 {
				value := fmt.Append(nil, i)
				writes <- Write{key, value, p.Put(key, value)}
				if got, err := p.Get(key); err != nil || string(got) != string(value) {
					t.Errorf("Get() = %s, %v after Put(%d)", got, err, i)
				}
			}
		})
	}
	wg.Wait()
	if len(p.overlay) != 0 {
		t.Errorf("%d writes are left uncommitted", len(p.overlay))
	}
}

func TestRestoreReadsWhatIsCommittedAndOnlyOnce(t *testing.T) {
	w := newWorld(t)
	cache := mustPebble(t, t.TempDir())
	defer mustClose(t, cache)
	for name, open := range map[string]func() Store{
		"memory": func() Store { return newMemory() },
		"pebble": func() Store { return mustOpen(t, cache, changelog, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			w.write(w.cl, "a", "1", "b", "1", "c", "1", "a", "2", "b", "-")
			txn := w.client(kgo.TransactionalID(name))
			_ = txn.BeginTransaction()
			w.write(txn, "a", "aborted", "d", "aborted")
			if err := txn.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
				t.Fatal(err)
			}
			st := open()
			p := w.restore(st)
			wantValue(t, p, "a", []byte("2"))
			wantValue(t, p, "b", nil)
			wantValue(t, p, "c", []byte("1"))
			wantValue(t, p, "d", nil)
			at := p.st.Position()
			w.write(w.cl, "c", "2")
			counted := &counting{Store: st}
			p = w.restore(counted)
			wantValue(t, p, "c", []byte("2"))
			if counted.kvs != 1 || counted.wiped != 0 || p.st.Position() <= at {
				t.Errorf("the second restore wrote %d values, wiped %d times and ends at %d after %d", counted.kvs, counted.wiped, p.st.Position(), at)
			}
			mustClose(t, p)
		})
	}
}

// counting notes what is done to a store.
type counting struct {
	Store
	kvs, wiped int
	fail       error
}

func (c *counting) Apply(kvs []KV, next int64) error {
	if c.fail != nil {
		return c.fail
	}
	c.kvs += len(kvs)
	return c.Store.Apply(kvs, next)
}

func (c *counting) Wipe() error {
	c.wiped++
	return c.Store.Wipe()
}

func TestAStoreThatCannotBeTrustedIsWiped(t *testing.T) {
	w := newWorld(t)
	w.write(w.cl, "a", "1", "b", "1", "a", "2")
	full := func() Store {
		st := newMemory()
		w.restore(st)
		_ = st.Apply([]KV{{[]byte("stale"), []byte("x")}}, st.Position())
		return st
	}
	for name, spoil := range map[string]func(Store){
		"another topic":  func(st Store) { m := st.Mark(); m.Topic[0]++; _ = st.SetMark(m) },
		"beyond the end": func(st Store) { _ = st.Apply(nil, 4) },
		"too old":        func(st Store) { m := st.Mark(); m.Current = time.Now().Add(-maxAge - time.Minute); _ = st.SetMark(m) },
		"cut short":      func(st Store) { m := st.Mark(); m.Current = time.Time{}; _ = st.SetMark(m) },
	} {
		t.Run(name, func(t *testing.T) {
			st := full()
			wantValue(t, w.restore(st), "stale", []byte("x")) // as long as it is trusted
			spoil(st)
			p := w.restore(st)
			wantValue(t, p, "stale", nil)
			wantValue(t, p, "a", []byte("2"))
			if st.Position() != 3 || time.Since(st.Mark().Current) > time.Minute {
				t.Errorf("Position() = %d, Mark() = %v", st.Position(), st.Mark())
			}
		})
	}
	t.Run("before the start", func(t *testing.T) {
		st := full()
		_ = st.Apply(nil, 1)
		if err := w.c.DeleteRecords(changelog, 0, 2); err != nil {
			t.Fatal(err)
		}
		p := w.restore(st)
		wantValue(t, p, "stale", nil)
		wantValue(t, p, "b", nil) // its record is gone
		wantValue(t, p, "a", []byte("2"))
	})
	t.Run("made anew", func(t *testing.T) {
		st := full()
		if err := w.c.DeleteTopic(changelog); err != nil {
			t.Fatal(err)
		}
		w.create()
		w.write(w.client(), "n", "1", "n", "2", "n", "3", "n", "4", "n", "5")
		p := w.restore(st)
		wantValue(t, p, "stale", nil)
		wantValue(t, p, "a", nil)
		wantValue(t, p, "n", []byte("5"))
	})
}

func TestARestoreThatIsCutShortBeginsAnew(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.write(w.cl, fmt.Sprint("k", i), "1")
	}
	st := &counting{Store: newMemory(), fail: errors.New("disk full")}
	if _, err := Restore(t.Context(), w.r, st, changelog, 0); !errors.Is(err, st.fail) {
		t.Fatalf("Restore() = %v, want the store's error", err)
	}
	if !st.Mark().Current.IsZero() {
		t.Errorf("Mark() = %v: what has been cut short passes for current", st.Mark())
	}
	st.fail = nil
	wantValue(t, w.restore(st), "k2", []byte("1"))
}

func TestRestoreWaitsForAnOpenTransactionNoLongerThanItsContext(t *testing.T) {
	w := newWorld(t)
	txn := w.client(kgo.TransactionalID("open"))
	_ = txn.BeginTransaction()
	w.write(txn, "a", "1")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Restore(ctx, w.r, newMemory(), changelog, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Restore() = %v, want the context's end", err)
	}
	if err := txn.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	wantValue(t, w.restore(newMemory()), "a", []byte("1"))
}

func TestCommitsKeepAStoreCurrent(t *testing.T) {
	w := newWorld(t)
	st := newMemory()
	p := w.restore(st)
	old := time.Now().Add(-time.Hour)
	p.mark.Current = old
	seq := p.Put([]byte("k"), []byte("v"))
	if err := p.Commit([]Write{{[]byte("k"), []byte("v"), seq}}, 1); err != nil {
		t.Fatal(err)
	}
	if m := st.Mark(); time.Since(m.Current) > time.Minute || m.Topic != p.mark.Topic || m.Topic == [16]byte{} {
		t.Errorf("Mark() = %v after a commit", m)
	}
}

func TestAStoresErrorIsCommitsError(t *testing.T) {
	w := newWorld(t)
	st := &counting{Store: newMemory()}
	p := w.restore(st)
	st.fail = errors.New("disk full")
	seq := p.Put([]byte("k"), []byte("v"))
	if err := p.Commit([]Write{{[]byte("k"), []byte("v"), seq}}, 1); !errors.Is(err, st.fail) {
		t.Errorf("Commit() = %v, want the store's error", err)
	}
	wantValue(t, p, "k", []byte("v"))
}

// BenchmarkRestore reads a changelog of 500 000 records of 200 bytes over 100 000 keys from an in-process broker.
func BenchmarkRestore(b *testing.B) {
	const n = 500_000
	w := newWorld(b)
	value := make([]byte, 200)
	producer := w.client(kgo.MaxBufferedRecords(n), kgo.ProducerLinger(5*time.Millisecond))
	for i := range n {
		producer.Produce(b.Context(), &kgo.Record{Topic: changelog, Key: fmt.Appendf(nil, "shop|order/%07d", i*7919%100_000), Value: value}, nil)
	}
	if err := producer.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	cache := mustPebble(b, b.TempDir())
	defer mustClose(b, cache)
	for name, st := range map[string]Store{"memory": newMemory(), "pebble": mustOpen(b, cache, changelog, 0)} {
		b.Run(name, func(b *testing.B) {
			begin := time.Now()
			rounds := 0
			for b.Loop() {
				if err := st.Wipe(); err != nil {
					b.Fatal(err)
				}
				w.restore(st)
				rounds++
			}
			b.ReportMetric(float64(rounds*n)/time.Since(begin).Seconds(), "records/s")
		})
	}
}
