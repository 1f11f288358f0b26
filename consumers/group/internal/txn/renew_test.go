package txn

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"millrace/consumers/group/internal/wiretest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAnUnknownOutcomeIsNotLostWhileTheBrokersAreAway(t *testing.T) {
	for name, old := range versions() {
		t.Run(name, func(t *testing.T) {
			_, seeds := fake(t, old)
			w := newWorld(t, seeds, 30*time.Second)
			w.wire.Arm(endTxn, wiretest.Silence, 1<<20)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			rs := records("try-0", batch)
			if err := w.p.Do(ctx, rs, w.offsets(1)); !errors.Is(err, ErrUnknown) {
				t.Fatalf("Do() = %v, want ErrUnknown", err)
			}
			w.wire.Arm(initID, wiretest.CutBefore, 1<<20)
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				if err := w.p.Renew(ctx); err == nil {
					t.Fatal("Renew() = nil without brokers")
				}
				if err := w.p.Do(t.Context(), rs, w.offsets(1)); !errors.Is(err, ErrUnknown) {
					t.Fatalf("Do() = %v, want ErrUnknown", err)
				}
			}
			w.wire.Disarm()
			w.told["try-0"] = w.settle()
			w.attempts = 1
			if w.told["try-0"] {
				w.at = 1
			}
			if err := w.try(5 * time.Second); err != nil {
				t.Errorf("Do() afterwards: %v", err)
			}
			w.check()
		})
	}
}

func TestAnAbortIsFinishedBeforeTheNextTransaction(t *testing.T) {
	_, seeds := fake(t, false)
	w := newWorld(t, seeds, 30*time.Second)
	if err := w.try(5 * time.Second); err != nil {
		t.Fatalf("Do() error: %v", err)
	}
	w.wire.Arm(initID, wiretest.CutBefore, 1<<20) // the renewal fails
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	stop := errors.New("the group has moved on")
	err := w.p.Do(ctx, records("try-1", batch), func(context.Context, *kgo.Client, string) error { return stop })
	if !errors.Is(err, ErrAborted) || !errors.Is(err, stop) {
		t.Fatalf("Do() = %v, want ErrAborted with its reason", err)
	}
	w.wire.Disarm()
	w.told["try-1"], w.attempts = false, 2
	if err := w.try(30 * time.Second); err != nil {
		t.Errorf("Do() afterwards: %v", err)
	}
	w.check()
}

func TestAProducerFencesTheOneBeforeWithItsID(t *testing.T) {
	for name, old := range versions() {
		t.Run(name, func(t *testing.T) {
			_, seeds := fake(t, old)
			testFenced(newWorld(t, seeds, 30*time.Second))
		})
	}
}

// testFenced lets a second producer take the id over in the middle of a transaction of the first.
func testFenced(w *world) {
	t := w.t
	second := w.producer(30 * time.Second)
	if err := w.try(10 * time.Second); err != nil {
		t.Fatalf("Do() error: %v", err)
	}
	takeOver := func(ctx context.Context, cl *kgo.Client, id string) error {
		if err := w.offsets(w.at+1)(ctx, cl, id); err != nil {
			return err
		}
		return second.Renew(ctx)
	}
	err := w.p.Do(t.Context(), records("try-1", batch), takeOver)
	if !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrAborted) {
		t.Fatalf("Do() of a fenced producer = %v", err)
	}
	if errors.Is(err, ErrUnknown) && w.settle() {
		t.Error("the fenced transaction is through")
	}
	w.told["try-1"], w.attempts = false, 2
	if err := w.try(10 * time.Second); err != nil {
		t.Errorf("Do() afterwards: %v", err)
	}
	// The second has been fenced by that in turn, while it had nothing open.
	err = second.Do(t.Context(), records("second", 1), nil)
	if !errors.Is(err, ErrAborted) {
		t.Errorf("Do() of the second = %v, want ErrAborted", err)
	}
	w.check()
}

func TestATransactionThatTimesOutInAPauseIsNotHalfDone(t *testing.T) {
	for name, old := range versions() {
		t.Run(name, func(t *testing.T) {
			_, seeds := fake(t, old)
			testTimeout(newWorld(t, seeds, time.Second), time.Second)
		})
	}
}

// testTimeout pauses between the records and the offsets, and between the offsets and the end.
func testTimeout(w *world, timeout time.Duration) {
	t := w.t
	if err := w.try(10 * time.Second); err != nil {
		t.Fatalf("Do() error: %v", err)
	}
	for i, add := range []func(context.Context, *kgo.Client, string) error{
		func(ctx context.Context, cl *kgo.Client, id string) error {
			w.awaitAbort(timeout)
			return w.offsets(w.at+1)(ctx, cl, id)
		},
		func(ctx context.Context, cl *kgo.Client, id string) error {
			defer w.awaitAbort(timeout)
			return w.offsets(w.at+1)(ctx, cl, id)
		},
	} {
		tag := []string{"try-1", "try-2"}[i]
		err := w.p.Do(t.Context(), records(tag, batch), add)
		switch {
		case errors.Is(err, ErrAborted):
		case !errors.Is(err, ErrUnknown):
			t.Errorf("Do() of a transaction that has timed out = %v", err)
		case w.settle():
			t.Error("a transaction is through that has timed out")
		}
		w.told[tag] = false
		w.attempts = i + 2
	}
	if err := w.try(10 * time.Second); err != nil {
		t.Errorf("Do() afterwards: %v", err)
	}
	w.check()
}

// awaitAbort returns when the coordinator has given the open transaction up.
func (w *world) awaitAbort(timeout time.Duration) {
	w.t.Helper()
	deadline := time.Now().Add(timeout + 30*time.Second)
	for time.Now().Before(deadline) {
		txns, err := w.adm.DescribeTransactions(w.t.Context(), txnID)
		if err == nil && txns[txnID].State != "Ongoing" && txns[txnID].State != "PrepareAbort" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Error("the coordinator does not abort")
}

// An epoch that the client renews by itself would have split the transaction: the first part is aborted by that.
func TestATransactionOfTwoEpochsIsNotCommitted(t *testing.T) {
	for name, old := range versions() {
		t.Run(name, func(t *testing.T) {
			_, seeds := fake(t, old)
			w := newWorld(t, seeds, 30*time.Second)
			if err := w.try(5 * time.Second); err != nil {
				t.Fatalf("Do() error: %v", err)
			}
			// A commit that fails makes the client reload its id, which is what it also does after a log has lost its beginning.
			again := func(ctx context.Context, cl *kgo.Client, _ string) error {
				w.wire.Arm(endTxn, wiretest.CutBefore, 1<<20)
				short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				if err := cl.EndTransaction(short, kgo.TryAbort); err == nil {
					return errors.New("the commit did not fail")
				}
				w.wire.Disarm()
				return nil
			}
			if err := w.p.Do(t.Context(), records("try-1", batch), again); !errors.Is(err, ErrAborted) || !errors.Is(err, errEpoch) {
				t.Errorf("Do() = %v, want ErrAborted for the epoch", err)
			}
			w.told["try-1"], w.attempts = false, 2
			if err := w.try(5 * time.Second); err != nil {
				t.Errorf("Do() afterwards: %v", err)
			}
			w.check()
		})
	}
}

func TestRenewEndsWhatADeadPredecessorHasLeftOpen(t *testing.T) {
	_, seeds := fake(t, false)
	w := newWorld(t, seeds, time.Minute)
	dead, err := kgo.NewClient(seeds, kgo.TransactionalID(txnID), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatalf("NewClient() error: %v", err)
	}
	defer dead.Close()
	if err := dead.BeginTransaction(); err != nil {
		t.Fatalf("BeginTransaction() error: %v", err)
	}
	if err := dead.ProduceSync(t.Context(), records("dead", batch)...).FirstErr(); err != nil {
		t.Fatalf("ProduceSync() error: %v", err)
	}
	if err := w.offsets(1)(t.Context(), dead, txnID); err != nil {
		t.Fatalf("offsets: %v", err)
	}
	if err := w.p.Renew(t.Context()); err != nil {
		t.Fatalf("Renew() error: %v", err)
	}
	w.check() // within its deadline, far below the timeout of the transaction
}

func TestDoAndRenewTakeTurns(t *testing.T) {
	_, seeds := fake(t, false)
	w := newWorld(t, seeds, 30*time.Second)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if err := w.p.Do(t.Context(), records("turn", 3), nil); err != nil {
					t.Errorf("Do() error: %v", err)
				}
				if err := w.p.Renew(t.Context()); err != nil {
					t.Errorf("Renew() error: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := w.committed()["turn/0"]; n != 40 {
		t.Errorf("%d transactions are committed, want 40", n)
	}
}

func TestWhatWaitsForItsTurnHearsItsContext(t *testing.T) {
	_, seeds := fake(t, false)
	w := newWorld(t, seeds, 30*time.Second)
	inside, leave := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- w.p.Do(t.Context(), records("first", 1), func(context.Context, *kgo.Client, string) error {
			close(inside)
			<-leave
			return nil
		})
	}()
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.p.Do(ctx, records("second", 1), nil); !errors.Is(err, ErrAborted) || !errors.Is(err, context.Canceled) {
		t.Errorf("Do() = %v, want ErrAborted by its context", err)
	}
	if err := w.p.Renew(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Renew() = %v, want the context's end", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("Do() error: %v", err)
	}
}

func TestNewWantsAnIDAndDoSomethingToDo(t *testing.T) {
	if _, err := New(nil, "", time.Minute, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("New() without an id succeeds")
	}
	if _, err := New([]kgo.Opt{kgo.SeedBrokers("127.0.0.1:1")}, "id", time.Millisecond, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("New() with a timeout that nothing can keep succeeds")
	}
	_, seeds := fake(t, false)
	w := newWorld(t, seeds, time.Minute)
	if err := w.p.Do(t.Context(), nil, w.offsets(1)); err == nil {
		t.Error("Do() without records succeeds, and its offsets would be lost")
	}
}

func TestAProducerThatMayNotIsNotStuck(t *testing.T) {
	c, seeds := fake(t, false)
	w := newWorld(t, seeds, time.Minute)
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.TransactionalIDAuthorizationFailed, Count: -1})
	if err := w.try(3 * time.Second); !errors.Is(err, ErrAborted) || !errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
		t.Errorf("Do() = %v, want ErrAborted and the reason", err)
	}
	h.Remove()
	if err := w.try(30 * time.Second); err != nil {
		t.Errorf("Do() afterwards: %v", err)
	}
	w.check()
}

func TestAnAbortedTransactionHoldsNobodyUp(t *testing.T) {
	_, seeds := fake(t, false)
	w := newWorld(t, seeds, time.Minute)
	stop := errors.New("the group has moved on")
	err := w.p.Do(t.Context(), records("try-0", batch), func(context.Context, *kgo.Client, string) error { return stop })
	if !errors.Is(err, ErrAborted) {
		t.Fatalf("Do() = %v, want ErrAborted", err)
	}
	txns, err := w.adm.DescribeTransactions(t.Context(), txnID)
	if err != nil || txns[txnID].State == "Ongoing" {
		t.Errorf("the transaction is left %s (%v) until it times out", txns[txnID].State, err)
	}
	w.told["try-0"] = false
	w.check()
}
