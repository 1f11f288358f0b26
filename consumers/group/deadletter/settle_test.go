package deadletter_test

import (
	cmps "cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/group/deadletter"
	"millrace/schemas"
)

func TestTheStoryOfAnOrderSaysThatItsLetterWasSettled(t *testing.T) {
	w := newWorld(t)
	if err := w.fake.CreateTopic(schemas.ActivityTopic, partitions, nil); err != nil {
		t.Fatal(err)
	}
	w.write(letter{offset: 7, order: 1}.record(), letter{offset: 8, order: 2, class: schemas.ClassExhausted}.record())
	b := w.book(deadletter.Options{})
	settle := func(f deadletter.Filter, how func(context.Context, *deadletter.Selection, deadletter.Work) (deadletter.Result, error), service string) {
		t.Helper()
		if result, err := how(t.Context(), w.choose(b, f), deadletter.Work{By: "ann@desk", Service: service}); err != nil || result.Settled != 1 {
			t.Fatalf("settled %+v, %v", result, err)
		}
	}
	settle(deadletter.Filter{Entities: []string{"1"}}, b.Redrive, "stock")
	settle(deadletter.Filter{Entities: []string{"2"}}, b.Drop, "")
	var got []schemas.Activity
	for _, records := range w.committed(schemas.ActivityTopic) {
		for _, r := range records {
			a, err := schemas.ParseActivity(r.Value)
			if err != nil || string(r.Key) != a.Shop+"|"+a.Subject || time.Since(a.Started) > time.Hour {
				t.Errorf("key %s, value %s, %v", r.Key, r.Value, err)
			}
			a.Started, a.Ended = time.Time{}, time.Time{}
			got = append(got, a)
		}
	}
	slices.SortFunc(got, func(x, y schemas.Activity) int { return cmps.Compare(x.SourceOffset, y.SourceOffset) })
	base := schemas.Activity{SourceTopic: orders, Shop: "acme.myshopify.com", ShopifyTopic: "orders/updated", Received: began, Attempt: 5}
	one, two := base, base
	one.Service, one.Outcome, one.Class, one.SourceOffset, one.WebhookID, one.Subject = "stock", "redriven", "permanent", 7, "webhook-0-7", "order/1"
	two.Service, two.Outcome, two.Class, two.SourceOffset, two.WebhookID, two.Subject = groupID, "dropped", "exhausted", 8, "webhook-0-8", "order/2"
	if diff := cmp.Diff([]schemas.Activity{one, two}, got); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
}

// Without the mark the service would take the event for a repeat of itself, and skip it.
func TestALetterOfAReplayGoesBackAsOne(t *testing.T) {
	w := newWorld(t)
	r := letter{offset: 7, order: 1}.record()
	r.Headers = append(r.Headers, header(schemas.HeaderReplay, "r1"))
	w.write(r)
	b := w.book(deadletter.Options{})
	if result, err := b.Redrive(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{By: "ann@desk"}); err != nil || result.Settled != 1 {
		t.Fatalf("Redrive gave %+v, %v", result, err)
	}
	if back := w.committed(retry)[0]; len(back) != 1 || headersOf(back[0])[schemas.HeaderReplay] != "r1" {
		t.Errorf("the retry partition has %v", back)
	}
}

func TestRedriveSendsALetterBackAndSettlesIt(t *testing.T) {
	w := newWorld(t)
	l := letter{partition: 2, offset: 7, order: 1, value: []byte{0xff, 0, '{'}}
	w.write(l.record())
	b := w.book(deadletter.Options{})
	s := w.choose(b, deadletter.Filter{})
	before := time.Now()
	var outcomes []deadletter.Outcome
	result, err := b.Redrive(t.Context(), s, deadletter.Work{By: "ann@desk", Report: func(o deadletter.Outcome) { outcomes = append(outcomes, o) }})
	if err != nil || result != (deadletter.Result{Settled: 1}) {
		t.Fatalf("Redrive gave %+v, %v", result, err)
	}
	if len(outcomes) != 1 || outcomes[0].Letter.ID != l.id() || outcomes[0].Err != nil || outcomes[0].Skipped || outcomes[0].Action != deadletter.ActionRedrive {
		t.Errorf("reported %+v", outcomes)
	}

	back := w.committed(retry)[2]
	if len(back) != 1 || string(back[0].Key) != "acme.myshopify.com|order/1#7" || string(back[0].Value) != string(l.value) {
		t.Fatalf("the retry partition has %v", back)
	}
	got, want := headersOf(back[0]), headersOf(l.event())
	due, err := time.Parse(time.RFC3339Nano, got[schemas.HeaderRetryDue])
	if err != nil || due.Before(before.Add(-time.Second)) || due.After(time.Now()) {
		t.Errorf("due at %q, %v; want now", got[schemas.HeaderRetryDue], err)
	}
	delete(got, schemas.HeaderRetryDue)
	want[schemas.HeaderSourceTopic], want[schemas.HeaderSourcePartition], want[schemas.HeaderSourceOffset] = orders, "2", "7"
	want[schemas.HeaderAttempts], want[schemas.HeaderRetryBy] = "0", schemas.RetryByRedrive
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers of the record that goes back (-want +got):\n%s", diff)
	}

	letters := w.committed(dlq)[2]
	if len(letters) != 2 || letters[1].Value != nil || string(letters[1].Key) != "acme.myshopify.com|order/1" {
		t.Fatalf("the dead-letter partition has %v", letters)
	}
	got = headersOf(letters[1])
	delete(got, schemas.HeaderResolutionTime)
	if diff := cmp.Diff(map[string]string{
		schemas.HeaderSourceTopic: orders, schemas.HeaderSourcePartition: "2", schemas.HeaderSourceOffset: "7",
		schemas.HeaderResolution: schemas.ResolutionRedriven, schemas.HeaderResolutionBy: "ann@desk",
	}, got); diff != "" {
		t.Errorf("headers of the resolution (-want +got):\n%s", diff)
	}

	// Once more, with what was chosen before: nothing is open any more.
	result, err = b.Redrive(t.Context(), s, deadletter.Work{})
	if err != nil || result != (deadletter.Result{Skipped: 1}) || len(w.committed(retry)[2]) != 1 {
		t.Errorf("the second Redrive gave %+v, %v", result, err)
	}
	if got := w.list(b, deadletter.Filter{}); len(got) != 0 {
		t.Errorf("still open: %v", ids(got))
	}
}

func TestRedriveKeepsAnEmptyBodyApartFromNone(t *testing.T) {
	w := newWorld(t)
	r := letter{offset: 1, order: 1}.record()
	r.Value = nil
	w.write(r)
	b := w.book(deadletter.Options{})
	if result, err := b.Redrive(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{}); err != nil || result.Settled != 1 {
		t.Fatalf("Redrive gave %+v, %v", result, err)
	}
	if back := w.committed(retry)[0]; len(back) != 1 || back[0].Value == nil || len(back[0].Value) != 0 {
		t.Errorf("a body that was null goes back as %v, want an empty one: null would settle it", back)
	}
	if q, err := b.Waiting(t.Context(), deadletter.Filter{}); err != nil || q.Len() != 1 {
		t.Errorf("it does not count as waiting: %v", err)
	}
}

func TestDropSettlesALetterAndLetsGoOfItsPlace(t *testing.T) {
	w := newWorld(t)
	l := letter{offset: 7, order: 1}
	w.write(l.record(), l.parked(), letter{offset: 9, order: 1}.waiting(time.Time{}))
	b := w.book(deadletter.Options{})
	place, err := b.Place(t.Context(), w.list(b, deadletter.Filter{})[0])
	if err != nil || place != (deadletter.Place{Parked: true, Behind: 1}) {
		t.Errorf("Place gave %+v, %v", place, err)
	}
	if result, err := b.Drop(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{By: "ann@desk"}); err != nil || result.Settled != 1 {
		t.Fatalf("Drop gave %+v, %v", result, err)
	}
	back := w.committed(retry)[0]
	last := back[len(back)-1]
	if last.Value != nil || string(last.Key) != "acme.myshopify.com|order/1#7" {
		t.Errorf("the retry record is %v", last)
	}
	if diff := cmp.Diff(map[string]string{
		schemas.HeaderSourceTopic: orders, schemas.HeaderSourcePartition: "0", schemas.HeaderSourceOffset: "7", schemas.HeaderRetryBy: schemas.RetryByDrop,
	}, headersOf(last)); diff != "" {
		t.Errorf("its headers (-want +got):\n%s", diff)
	}
	all := w.list(b, deadletter.Filter{Settled: true})
	if len(all) != 1 || all[0].Resolution == nil || all[0].Resolution.What != schemas.ResolutionDropped || all[0].Resolution.By != "ann@desk" {
		t.Errorf("the letter is %+v", all)
	}
	if place, err = b.Place(t.Context(), all[0]); err != nil || place != (deadletter.Place{Behind: 1}) {
		t.Errorf("Place gave %+v, %v afterwards", place, err)
	}
}

// Letters of an entity go back in the order of their events, however they came into the log, over chunks and partitions.
func TestRedriveKeepsTheOrderOfAnEntity(t *testing.T) {
	w := newWorld(t)
	var records []*kgo.Record
	for i := range 1300 {
		offset := int64((i * 7919) % 1300) // 7919 is prime: all offsets, out of order
		records = append(records, letter{partition: int32(i % 2), offset: offset, order: int(offset % 10), failed: time.Duration(i)}.record())
	}
	w.write(records...)
	var stages []string
	b := w.book(deadletter.Options{Progress: func(stage string, done, total int64) {
		if total <= 0 || done > total {
			t.Errorf("progress %s %d of %d", stage, done, total)
		}
		stages = append(stages, stage)
	}})
	result, err := b.Redrive(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{Rate: 4000})
	if err != nil || result.Settled != 1300 {
		t.Fatalf("Redrive gave %+v, %v", result, err)
	}
	for p, records := range w.committed(retry) {
		last := map[string]string{}
		for _, r := range records {
			key, offset, _ := strings.Cut(string(r.Key), "#")
			if offset = fmt.Sprintf("%08s", offset); last[key] >= offset {
				t.Fatalf("partition %d: %s after %s of %s", p, offset, last[key], key)
			}
			last[key] = offset
		}
	}
	_ = stages
}

func TestALetterWithoutItsBodyGetsItFromTheSource(t *testing.T) {
	w := newWorld(t)
	there := letter{offset: 1, order: 1, bare: true, value: []byte(strings.Repeat("x", 1<<20))}
	w.write(letter{order: 9}.event(), there.event())
	gone, behind := letter{partition: 1, offset: 4, order: 2, bare: true}, letter{partition: 1, offset: 5, order: 2}
	other := letter{partition: 1, offset: 6, order: 3}
	w.write(there.record(), gone.record(), behind.record(), other.record())
	b := w.book(deadletter.Options{})
	for _, l := range w.list(b, deadletter.Filter{Classes: []string{schemas.ClassTooLarge}}) {
		if !l.Bare || l.Shop != "acme.myshopify.com" {
			t.Errorf("letter %s: bare %v, shop %s", l.ID, l.Bare, l.Shop)
		}
	}
	errs := map[string]error{}
	result, err := b.Redrive(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{Report: func(o deadletter.Outcome) { errs[o.Letter.ID.String()] = o.Err }})
	if err != nil || result != (deadletter.Result{Settled: 2, Failed: 2}) {
		t.Fatalf("Redrive gave %+v, %v", result, err)
	}
	if !errors.Is(errs[gone.id().String()], deadletter.ErrBodyGone) || !errors.Is(errs[behind.id().String()], deadletter.ErrBehindFailed) {
		t.Errorf("outcomes %v", errs)
	}
	back := w.committed(retry)
	if len(back[0]) != 1 || string(back[0][0].Value) != string(there.value) || headersOf(back[0][0])[schemas.HeaderShopifyTopic] != "orders/updated" {
		t.Error("the body and the headers at the source did not go back")
	}
	// By its id alone the later one may pass; the one without a body can be dropped.
	if result, err = b.Redrive(t.Context(), w.choose(b, deadletter.Filter{IDs: []deadletter.ID{behind.id()}}), deadletter.Work{}); err != nil || result.Settled != 1 {
		t.Errorf("Redrive of the later one gave %+v, %v", result, err)
	}
	if result, err = b.Drop(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{}); err != nil || result.Settled != 1 {
		t.Errorf("Drop gave %+v, %v", result, err)
	}
}

// A broker that refuses a record fails its whole batch without saying which record: that one letter is left, the others go.
func TestOneLetterThatIsRefusedDoesNotHoldUpTheOthers(t *testing.T) {
	w := newWorld(t)
	big := letter{offset: 4, order: 4, value: []byte(strings.Repeat("0123456789abcdef", 1<<16))}
	for i := range int64(10) {
		l := letter{offset: i, order: int(i)}
		switch i {
		case big.offset:
			l = big
		case 7:
			l.order = big.order // it must not pass the one before it, though the two are not refused together
		}
		w.write(l.record())
	}
	b := w.book(deadletter.Options{})
	tooLarge := func(req kmsg.Request) bool {
		produce, ok := req.(*kmsg.ProduceRequest)
		if !ok {
			return false
		}
		for _, t := range produce.Topics {
			for _, p := range t.Partitions {
				if len(p.Records) > 4096 { // compressed
					return true
				}
			}
		}
		return false
	}
	w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, When: tooLarge, Err: kerr.MessageTooLarge, Count: -1})
	var failed []string
	result, err := b.Redrive(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{Report: func(o deadletter.Outcome) {
		if o.Err != nil {
			failed = append(failed, o.Letter.ID.String())
		}
	}})
	if err != nil || result != (deadletter.Result{Settled: 8, Failed: 2}) {
		t.Fatalf("Redrive gave %+v, %v", result, err)
	}
	if diff := cmp.Diff([]string{big.id().String(), letter{offset: 7}.id().String()}, failed); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func (w *world) letters(n int) {
	w.t.Helper()
	var records []*kgo.Record
	for i := range n {
		records = append(records, letter{partition: int32(i % partitions), offset: int64(i), order: i % 50}.record())
	}
	w.write(records...)
}

// once checks that every letter was sent back once, and settled once.
func (w *world) once(n int) {
	w.t.Helper()
	for _, topic := range []string{retry, dlq} {
		times := map[string]int{}
		for _, records := range w.committed(topic) {
			for _, r := range records {
				if h := headersOf(r); topic == retry || h[schemas.HeaderResolution] != "" {
					times[h[schemas.HeaderSourcePartition]+"@"+h[schemas.HeaderSourceOffset]]++
				}
			}
		}
		for id, n := range times {
			if n != 1 {
				w.t.Errorf("%s was written %d times to %s", id, n, topic)
			}
		}
		if len(times) != n {
			w.t.Errorf("%d of %d letters were written to %s", len(times), n, topic)
		}
	}
}

func TestASecondRunTakesOverAndNothingIsDoneTwice(t *testing.T) {
	const n = 1600
	w := newWorld(t)
	w.letters(n)
	w.takeOver(n)
}

func (w *world) takeOver(n int) {
	t := w.t
	t.Helper()
	b := w.book(deadletter.Options{})
	first, second := w.choose(b, deadletter.Filter{}), w.choose(b, deadletter.Filter{})
	var byFirst, bySecond deadletter.Result
	result, err := b.Redrive(t.Context(), first, deadletter.Work{By: "first@desk", Report: func(deadletter.Outcome) {
		if byFirst.Settled++; byFirst.Settled == 1 {
			var err error
			if bySecond, err = b.Redrive(t.Context(), second, deadletter.Work{By: "second@desk"}); err != nil {
				t.Errorf("the second run gave %v", err)
			}
		}
	}})
	if !errors.Is(err, deadletter.ErrTaken) {
		t.Errorf("the first run gave %v, want ErrTaken", err)
	}
	if result.Settled == 0 || result.Settled == n || bySecond.Settled != n-result.Settled || bySecond.Skipped != result.Settled {
		t.Errorf("first %+v, second %+v of %d", result, bySecond, n)
	}
	w.once(n)
}

func TestAnInterruptedRunLeavesNothingHalfDone(t *testing.T) {
	const n = 1200
	for name, fault := range map[string]kfake.Fault{
		"while records are written": {Keys: []kmsg.Key{kmsg.Produce}, TxnID: "inventory-dlq"},
		"while it commits":          {Keys: []kmsg.Key{kmsg.EndTxn}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.letters(n)
			b := w.book(deadletter.Options{})
			s := w.choose(b, deadletter.Filter{})
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			requests := 0
			fault.Observe, fault.Count = true, -1
			fault.When = func(req kmsg.Request) bool {
				if produce, ok := req.(*kmsg.ProduceRequest); ok && (produce.TransactionID == nil || *produce.TransactionID != "inventory-dlq") {
					return false
				}
				if requests++; requests == 2 {
					interrupt()
				}
				return true
			}
			fault.TxnID = ""
			w.fake.Fault(fault)
			reported := 0
			result, err := b.Redrive(ctx, s, deadletter.Work{By: "ann@desk", Report: func(deadletter.Outcome) { reported++ }})
			if !errors.Is(err, context.Canceled) || result.Settled != reported {
				t.Errorf("Redrive gave %+v, %v; reported %d", result, err, reported)
			}
			w.closed(dlq, retry)
			if left := w.choose(b, deadletter.Filter{}).Len(); left != n-reported {
				t.Errorf("%d letters are open, want %d: what was reported is what is done", left, n-reported)
			}
			again, err := b.Redrive(t.Context(), w.choose(b, deadletter.Filter{}), deadletter.Work{})
			if err != nil || again.Settled+reported != n {
				t.Errorf("the repeat gave %+v, %v after %d", again, err, reported)
			}
			w.once(n)
		})
	}
}

// closed checks that no transaction is open: readers would wait for it.
func (w *world) closed(topics ...string) {
	w.t.Helper()
	admin := kadm.NewClient(w.cl)
	ends, err := admin.ListEndOffsets(w.t.Context(), topics...)
	if err != nil {
		w.t.Fatal(err)
	}
	stable, err := admin.ListCommittedOffsets(w.t.Context(), topics...)
	if err != nil {
		w.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if s, _ := stable.Lookup(o.Topic, o.Partition); s.Offset != o.Offset {
			w.t.Errorf("%s partition %d: a transaction is open at %d of %d", o.Topic, o.Partition, s.Offset, o.Offset)
		}
	})
}

// A process that is killed leaves a transaction open: the next run ends it and does all of it again.
func TestATransactionLeftOpenByAKilledRunIsEnded(t *testing.T) {
	w := newWorld(t)
	w.letters(30)
	killed := w.client(kgo.TransactionalID(deadletter.TransactionalID(groupID)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := killed.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	l := letter{order: 0}
	back := l.waiting(began)
	if err := killed.ProduceSync(t.Context(), back, l.resolution(schemas.ResolutionRedriven, "ann@desk", 0)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b := w.book(deadletter.Options{})
	// The selection itself has to wait for the open transaction; it is made of what can be read before it.
	done := make(chan *deadletter.Selection)
	go func() { s, _ := b.Select(t.Context(), deadletter.Filter{}); done <- s }()
	other := w.client(kgo.TransactionalID(deadletter.TransactionalID(groupID)))
	if _, _, err := other.ProducerID(t.Context()); err != nil { // what Redrive does first
		t.Fatal(err)
	}
	s := <-done
	if s == nil || s.Len() != 30 {
		t.Fatalf("selection %v, want 30 open letters", s)
	}
	if result, err := b.Redrive(t.Context(), s, deadletter.Work{}); err != nil || result.Settled != 30 {
		t.Errorf("Redrive gave %+v, %v", result, err)
	}
	w.once(30)
}

// The answer to a commit is lost in several ways; whichever it is, each letter is settled once and reported once.
func TestACommitWhoseAnswerIsLostIsLookedUp(t *testing.T) {
	for name, fault := range map[string]kfake.Fault{
		"not committed":             {Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError},
		"records are not written":   {Keys: []kmsg.Key{kmsg.Produce}, Topic: retry, Err: kerr.UnknownServerError},
		"the coordinator is gone":   {Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.CoordinatorNotAvailable, Count: 3},
		"no such producer any more": {Keys: []kmsg.Key{kmsg.Produce}, Topic: retry, Err: kerr.InvalidProducerIDMapping},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.letters(40)
			b := w.book(deadletter.Options{})
			s := w.choose(b, deadletter.Filter{})
			h := w.fake.Fault(fault)
			reported := map[deadletter.ID]int{}
			result, err := b.Redrive(t.Context(), s, deadletter.Work{By: "ann@desk", Report: func(o deadletter.Outcome) { reported[o.Letter.ID]++ }})
			if err != nil || result.Settled != 40 || len(reported) != 40 || h.Hits() == 0 {
				t.Errorf("Redrive gave %+v, %v; %d reported, %d faults", result, err, len(reported), h.Hits())
			}
			w.once(40)
		})
	}
	t.Run("committed", func(t *testing.T) {
		w := newWorld(t)
		w.letters(40)
		// The first EndTxn is done, and the connection ends before its answer is read.
		cut := &cutter{}
		b := w.book(deadletter.Options{}, kgo.Dialer(cut.dial), kgo.RequestRetries(0))
		s := w.choose(b, deadletter.Filter{})
		reported := map[deadletter.ID]int{}
		cut.armed.Store(true)
		result, err := b.Redrive(t.Context(), s, deadletter.Work{By: "ann@desk", Report: func(o deadletter.Outcome) { reported[o.Letter.ID]++ }})
		if err != nil || result != (deadletter.Result{Settled: 40}) || len(reported) != 40 || !cut.cut.Load() {
			t.Errorf("Redrive gave %+v, %v; %d reported, cut %v", result, err, len(reported), cut.cut.Load())
		}
		w.once(40)
	})
}

// The sink of analytics has dead letters and no retry topics.
func TestALetterOfAGroupWithoutAWayBackCanBeDroppedAndNotRedriven(t *testing.T) {
	w := newWorld(t)
	l := letter{partition: 2, offset: 7, order: 1, value: []byte("{}")}
	w.write(l.record())
	b := w.book(deadletter.Options{NoWayBack: true})
	s := w.choose(b, deadletter.Filter{})
	if result, err := b.Redrive(t.Context(), s, deadletter.Work{By: "ann@desk"}); !errors.Is(err, deadletter.ErrNoWayBack) || result != (deadletter.Result{}) {
		t.Errorf("Redrive gave %+v, %v; want ErrNoWayBack", result, err)
	}
	if place, err := b.Place(t.Context(), deadletter.Letter{ID: l.id(), Key: []byte("k")}); err != nil || place != (deadletter.Place{}) {
		t.Errorf("Place gave %+v, %v", place, err)
	}
	if q, err := b.Waiting(t.Context(), deadletter.Filter{}); err != nil || q.Len() != 0 || q.Parked() != 0 {
		t.Errorf("Waiting gave %+v, %v", q, err)
	}
	if result, err := b.Drop(t.Context(), s, deadletter.Work{By: "ann@desk"}); err != nil || result != (deadletter.Result{Settled: 1}) {
		t.Errorf("Drop gave %+v, %v", result, err)
	}
	if left := w.choose(b, deadletter.Filter{}); left.Len() != 0 {
		t.Errorf("%d letters are open after the drop", left.Len())
	}
	if waiting := w.committed(retry)[2]; len(waiting) != 0 {
		t.Errorf("the retry topic, which nobody reads, has %v", waiting)
	}
}
