package deadletter_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/deadletter"
)

func (w *world) waiting(b *deadletter.Book, q *deadletter.Queue, heads bool, limit int) []string {
	w.t.Helper()
	var out []string
	err := b.ReadWaiting(w.t.Context(), q, heads, limit, func(x deadletter.Waiting) error {
		state := "behind"
		switch {
		case x.Parked:
			state = "parked"
		case !x.Due.IsZero():
			state = "due " + x.Due.Sub(began).String()
		}
		out = append(out, fmt.Sprintf("%s %s %d tries %s +%d", strings.TrimPrefix(x.ID.String(), orders+"/"), x.Entity, x.Attempts, state, x.Behind))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestWaitingIsWhatTheLastRecordOfEachEventSays(t *testing.T) {
	w := newWorld(t)
	settled := letter{offset: 1, order: 1, attempts: 1}
	again := letter{offset: 2, order: 2, attempts: 1}
	later := again
	later.attempts = 2
	w.write(
		settled.waiting(began), settled.tombstone(),
		again.waiting(began), letter{offset: 9, order: 2}.waiting(time.Time{}), later.waiting(began.Add(time.Minute)),
		letter{partition: 1, offset: 3, order: 3, attempts: 1}.waiting(began.Add(time.Second)),
		letter{partition: 2, offset: 5, order: 4, attempts: 5}.parked(), letter{partition: 2, offset: 6, order: 4}.waiting(time.Time{}), letter{partition: 2, offset: 7, order: 4}.waiting(time.Time{}),
		&kgo.Record{Topic: retry, Key: []byte("none of ours"), Value: []byte("x")},
	)
	b := w.book(deadletter.Options{})
	want := []string{
		"1@3 order/3 1 tries due 1s +0",
		"0@2 order/2 2 tries due 1m0s +1", "0@9 order/2 0 tries behind +0",
		"2@5 order/4 5 tries parked +2", "2@6 order/4 0 tries behind +0", "2@7 order/4 0 tries behind +0",
	}
	look := func(when string) {
		t.Helper()
		q, err := b.Waiting(t.Context(), deadletter.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if q.Len() != 5 || q.Keys() != 3 || q.Parked() != 1 {
			t.Errorf("%s: %d wait, %d keys, %d parked; want 5, 3, 1", when, q.Len(), q.Keys(), q.Parked())
		}
		if diff := cmp.Diff(want, w.waiting(b, q, false, 0)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if diff := cmp.Diff([]string{want[0], want[1], want[3]}, w.waiting(b, q, true, 0)); diff != "" {
			t.Errorf("%s, heads (-want +got):\n%s", when, diff)
		}
		if diff := cmp.Diff(want[:2], w.waiting(b, q, false, 2)); diff != "" {
			t.Errorf("%s, limit (-want +got):\n%s", when, diff)
		}
	}
	look("before compaction")
	w.compact()
	look("after compaction")

	q, err := b.Waiting(t.Context(), deadletter.Filter{Entities: []string{"4"}})
	if err != nil || q.Len() != 2 {
		t.Errorf("filtered by entity: %v, %v", q, err)
	}
}

// compact does to the retry topic what brokers do in time: only the last record of a key is left, and no tombstones.
func (w *world) compact() {
	w.t.Helper()
	admin := kadm.NewClient(w.cl)
	compaction, now := "compact", "0"
	_, err := admin.AlterTopicConfigs(w.t.Context(), []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &compaction},
		{Op: kadm.SetConfig, Name: "delete.retention.ms", Value: &now},
		{Op: kadm.SetConfig, Name: "min.cleanable.dirty.ratio", Value: &now},
		{Op: kadm.SetConfig, Name: "segment.ms", Value: &now},
	}, retry)
	if err != nil {
		w.t.Fatal(err)
	}
	// The newest batch of a log is never compacted.
	for p := range int32(partitions) {
		w.write(&kgo.Record{Topic: retry, Partition: p, Key: []byte("none of ours"), Value: []byte("x")})
	}
	before := w.count(retry)
	w.fake.Compact()
	w.fake.Compact() // tombstones go at the second pass
	if after := w.count(retry); after >= before {
		w.t.Fatalf("compaction left %d of %d records: the test shows nothing", after, before)
	}
}

func (w *world) count(topic string) int {
	n := 0
	for _, records := range w.committed(topic) {
		n += len(records)
	}
	return n
}

func TestPlaceCountsWhatIsParkedBehindALetter(t *testing.T) {
	w := newWorld(t)
	l := letter{offset: 5, order: 1}
	w.write(l.record(), l.parked(),
		letter{offset: 3, order: 1}.waiting(began), // an earlier one, sent back
		letter{offset: 6, order: 1}.waiting(time.Time{}), letter{offset: 8, order: 1}.waiting(time.Time{}),
		letter{offset: 9, order: 1}.waiting(time.Time{}), letter{offset: 9, order: 1}.tombstone(),
		letter{offset: 7, order: 11}.waiting(time.Time{}), // another entity with the same beginning
	)
	b := w.book(deadletter.Options{})
	letters := w.list(b, deadletter.Filter{})
	place, err := b.Place(t.Context(), letters[0])
	if err != nil || place != (deadletter.Place{Parked: true, Behind: 2}) {
		t.Errorf("Place gave %+v, %v", place, err)
	}
	if _, err := b.Redrive(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{}); err != nil {
		t.Fatal(err)
	}
	if place, err = b.Place(t.Context(), letters[0]); err != nil || place != (deadletter.Place{Waiting: true, Behind: 2}) {
		t.Errorf("after the redrive Place gave %+v, %v", place, err)
	}
}

// TestAMillionWaitingEvents reports memory and time; it needs minutes, so it has to be asked for.
func TestAMillionWaitingEvents(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("MILLRACE_WAITING"))
	if n == 0 {
		t.Skip("MILLRACE_WAITING=1000000 is not set")
	}
	w := newWorld(t)
	var batch []*kgo.Record
	for i := range n {
		l := letter{partition: int32(i % partitions), offset: int64(i), order: rand.IntN(n / 5), value: []byte(`{"id":1}`)}
		due := time.Time{}
		if i%5 == 0 {
			due = began.Add(time.Duration(i) * time.Second)
		}
		batch = append(batch, l.waiting(due))
		if len(batch) == 10_000 || i == n-1 {
			w.write(batch...)
			batch = batch[:0]
		}
	}
	b := w.book(deadletter.Options{})
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	q, err := b.Waiting(context.Background(), deadletter.Filter{})
	if err != nil || q.Len() != n {
		t.Fatalf("%v, %v", q, err)
	}
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d waiting of %d keys read in %v; %d MiB held", q.Len(), q.Keys(), took, (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20)
	runtime.KeepAlive(q)
}
