package txn

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"millrace/consumers/group/internal/wiretest"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning/kafkatest"
)

// What a real broker does with faults. The parts share topics and the transactional id; each begins where the last one ended.
func TestRealKafka(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.WithProperty("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500"))
	seeds := kgo.SeedBrokers(c.Brokers()...)
	c.CreateTopic(t, source, partitions, nil)
	c.CreateTopic(t, out, partitions, nil)
	fresh := func(t *testing.T, timeout time.Duration) *world {
		t.Helper()
		return newWorld(t, seeds, timeout)
	}
	t.Run("wire", func(t *testing.T) { testRealWire(fresh(t, 30*time.Second)) })
	t.Run("fenced", func(t *testing.T) { testFenced(fresh(t, 30*time.Second)) })
	t.Run("timeout", func(t *testing.T) { testTimeout(fresh(t, 2*time.Second), 2*time.Second) })
	t.Run("refused record", func(t *testing.T) { testRefusedRecord(fresh(t, 30*time.Second)) })
	t.Run("too large together", func(t *testing.T) { testTooLargeTogether(fresh(t, 30*time.Second)) })
	t.Run("broker killed", func(t *testing.T) { testKill(fresh(t, 30*time.Second), c) })
}

func testRealWire(w *world) {
	t := w.t
	if err := w.try(30 * time.Second); err != nil {
		t.Fatalf("Do() error: %v", err)
	}
	const always = 1 << 20
	for _, tt := range []struct {
		key   int16
		fault wiretest.Fault
		n     int
		want  outcome
	}{
		{produce, wiretest.CutAfter, 1, committed},
		{produce, wiretest.CutAfter, always, aborts},
		{addOffsets, wiretest.CutAfter, 1, committed},
		{addOffsets, wiretest.CutBefore, always, aborts},
		{txnOffsets, wiretest.CutAfter, 1, committed},
		{txnOffsets, wiretest.Silence, always, aborts},
		{endTxn, wiretest.CutAfter, 1, committed},
		{endTxn, wiretest.CutBefore, 1, committed},
		{endTxn, wiretest.CutAfter, always, unknown},
		{endTxn, wiretest.CutBefore, always, unknown},
		{endTxn, wiretest.Silence, always, unknown},
	} {
		before := w.at
		w.wire.Arm(tt.key, tt.fault, tt.n)
		err := w.try(2 * time.Second)
		if outcomeOf(err) != tt.want {
			t.Errorf("Do() with fault %d of request %d = %v, want %s", tt.fault, tt.key, err, tt.want)
		}
		if w.wire.Disarm() == 0 {
			t.Errorf("fault %d of request %d was never met", tt.fault, tt.key)
		}
		if through := w.at > before; tt.want == unknown && through != (tt.fault == wiretest.CutAfter) {
			t.Errorf("the unknown transaction of fault %d turns out to be through: %t", tt.fault, through)
		}
	}
	if err := w.try(30 * time.Second); err != nil {
		t.Errorf("Do() afterwards: %v", err)
	}
	w.check()
}

// testKill kills the broker when it has just been told to commit.
func testKill(w *world, c *kafkatest.Cluster) {
	t := w.t
	for round := range 2 {
		for range 5 {
			if err := w.try(30 * time.Second); err != nil {
				t.Errorf("Do() before the kill: %v", err)
			}
		}
		tag := fmt.Sprint("killed-", round)
		w.wire.Arm(endTxn, wiretest.Notice, 1)
		killed := make(chan error, 1)
		go func() {
			<-w.wire.Noticed
			killed <- c.Kill(0)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		err := w.p.Do(ctx, records(tag, batch), w.offsets(w.at+1))
		cancel()
		if err := <-killed; err != nil {
			t.Fatalf("Kill() error: %v", err)
		}
		if err := c.Restart(t.Context(), 0); err != nil {
			t.Fatalf("Restart() error: %v", err)
		}
		switch {
		case err == nil:
			w.told[tag] = true
		case errors.Is(err, ErrUnknown):
			w.told[tag] = w.settle()
		default:
			w.told[tag] = false
		}
		t.Logf("round %d: through %t, %v", round, w.told[tag], err)
		if w.told[tag] {
			w.at++
		}
	}
	if err := w.try(30 * time.Second); err != nil {
		t.Errorf("Do() afterwards: %v", err)
	}
	w.check()
}
