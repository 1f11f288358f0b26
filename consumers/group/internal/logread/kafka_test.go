package logread

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning/kafkatest"
)

func TestRealKafka(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.WithProperty("log.cleaner.backoff.ms", "200"), kafkatest.WithProperty("log.initial.task.delay.ms", "500"))
	fresh := func(t *testing.T, configs map[string]*string) *world {
		t.Helper()
		w := newWorld(t, kgo.SeedBrokers(c.Brokers()...))
		if _, err := w.adm.DeleteTopic(t.Context(), topic); err == nil {
			w.awaitGone()
		}
		w.create(topic, configs)
		return w
	}
	t.Run("scan", func(t *testing.T) { testScan(fresh(t, nil)) })
	t.Run("open", func(t *testing.T) { testOpen(fresh(t, nil)) })
	t.Run("start", func(t *testing.T) { testStart(fresh(t, nil)) })
	t.Run("large", func(t *testing.T) {
		testLarge(fresh(t, map[string]*string{"max.message.bytes": ptr(fmt.Sprint(12 << 20))}))
	})
	t.Run("compacted", func(t *testing.T) {
		testCompacted(fresh(t, map[string]*string{
			"cleanup.policy": ptr("compact"), "segment.ms": ptr("100"), "min.cleanable.dirty.ratio": ptr("0.01"), "delete.retention.ms": ptr("0"),
		}))
	})
	t.Run("restart", func(t *testing.T) {
		w := fresh(t, nil)
		values := w.write(w.plain, 0, 10, unique)
		w.scan(0, 10)
		if err := c.Kill(0); err != nil {
			t.Fatal(err)
		}
		done := make(chan []string, 1)
		go func() {
			got, _ := w.scan(0, 10)
			done <- got
		}()
		if err := c.Restart(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		w.want(<-done, values)
		if found := w.at(9); found[9] != "v9" {
			t.Errorf("At() = %v", found)
		}
	})
}

// awaitGone returns when the topic can be made again.
func (w *world) awaitGone() {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if topics, err := w.adm.ListTopics(w.t.Context(), topic); err == nil && !topics.Has(topic) {
			return
		}
	}
	w.t.Fatal("the topic does not go away")
}

// testCompacted lets a real cleaner make gaps, empty batches and a start with nothing in it.
func testCompacted(w *world) {
	t := w.t
	key := func(i int) string { return fmt.Sprint("k", i%5) }
	for i := range 40 {
		cl := w.plain
		if i%4 == 0 { // batches of transactions leave markers and empty batches
			txn, end := w.begin(fmt.Sprint("t", i%8))
			w.write(txn, 5*i, 5, key)
			how := kgo.TryCommit
			if i%8 == 0 {
				how = kgo.TryAbort
			}
			end(how)
			continue
		}
		w.write(cl, 5*i, 5, key)
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		time.Sleep(200 * time.Millisecond) // a segment is closed by a later write only
		w.write(w.plain, 300, 1, func(int) string { return "tick" })
		got, next := w.scan(0, w.end())
		if next != w.end() {
			t.Errorf("Scan() ends at %d, the log at %d", next, w.end())
		}
		if len(got) < 30 {
			t.Logf("%d of %d offsets are left", len(got), w.end())
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log is not compacted: %d records", len(got))
		}
	}
	var offsets []int64
	for o := range w.end() {
		offsets = append(offsets, o)
		if _, next := w.scan(o, o+1); next < o+1 {
			t.Errorf("Scan(%d) ends at %d", o, next)
		}
	}
	w.at(offsets...)
}
