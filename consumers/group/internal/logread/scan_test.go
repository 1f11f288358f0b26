package logread

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestScanGivesCommittedRecordsOfItsRangeInOrder(t *testing.T) {
	_, w := fake(t, 1)
	testScan(w)
}

// testScan wants an empty topic.
func testScan(w *world) {
	got, next := w.scan(0, w.end())
	w.want(got, nil)
	if next != 0 {
		w.t.Errorf("Scan() of an empty log ends at %d", next)
	}
	values := w.write(w.plain, 0, 10, unique)
	cl, end := w.begin("aborts")
	w.write(cl, 100, 5, unique)
	end(kgo.TryAbort)
	cl, end = w.begin("commits")
	values = append(values, w.write(cl, 10, 5, unique)...)
	end(kgo.TryCommit)
	values = append(values, w.write(w.plain, 15, 5, unique)...)
	cl, end = w.begin("aborts")
	w.write(cl, 200, 5, unique)
	end(kgo.TryAbort) // the tail: aborted records and a marker
	got, next = w.scan(0, w.end())
	w.want(got, values)
	if next != w.end() {
		w.t.Errorf("Scan() ends at %d, the log at %d", next, w.end())
	}
	got, next = w.scan(3, 7)
	w.want(got, values[3:7])
	if next != 7 {
		w.t.Errorf("Scan() up to 7 ends at %d: whoever goes on there has not seen what lies between", next)
	}
	got, _ = w.scan(10, 15) // aborted ones only
	w.want(got, nil)
	got, _ = w.scan(w.end()-1, w.end()) // the marker
	w.want(got, nil)
	if got, next = w.scan(3, 7); len(got) != 4 || next != 7 {
		w.t.Errorf("Scan() of a part of an answer gives %q and ends at %d, want 7: the rest was not given", got, next)
	}
	if got, next = w.scan(7, 7); len(got) != 0 || next != 7 {
		w.t.Errorf("Scan() of nothing gives %q and ends at %d", got, next)
	}
}

func TestScanWaitsForAnOpenTransactionAndNoLongerThanItsContext(t *testing.T) {
	_, w := fake(t, 1)
	testOpen(w)
}

func testOpen(w *world) {
	t := w.t
	values := w.write(w.plain, 0, 3, unique)
	cl, end := w.begin("open")
	values = append(values, w.write(cl, 3, 2, unique)...)
	values = append(values, w.write(w.plain, 5, 2, unique)...)
	to := w.end()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var got []string
	next, err := w.r.Scan(ctx, topic, 0, 0, to, func(r *kgo.Record) error { got = append(got, string(r.Value)); return nil })
	if !errors.Is(err, context.DeadlineExceeded) || next != 3 {
		t.Errorf("Scan() = %d, %v; want the offset of the open transaction, 3, and the context's end", next, err)
	}
	w.want(got, values[:3])
	// At does not wait.
	if found := w.at(0, 6); found[0] != "v0" || found[6] != "v6" {
		t.Errorf("At() = %v below an open transaction", found)
	}
	done := make(chan []string, 1)
	go func() {
		got, _ := w.scan(next, to)
		done <- got
	}()
	end(kgo.TryCommit)
	w.want(append(got, <-done...), values)
}

func TestScanGoesOnFromTheLogsStart(t *testing.T) {
	_, w := fake(t, 1)
	testStart(w)
}

func testStart(w *world) {
	values := w.write(w.plain, 0, 10, unique)
	w.deleteBefore(4)
	got, _ := w.scan(0, w.end())
	w.want(got, values[4:])
	if found := w.at(0, 3, 4, 9); len(found) != 2 || found[4] != "v4" || found[9] != "v9" {
		w.t.Errorf("At() = %v, want what is left of it", found)
	}
	starts, err := w.r.Starts(w.t.Context(), topic, []int32{0, 1})
	if err != nil || starts[0] != 4 || starts[1] != 0 {
		w.t.Errorf("Starts() = %v, %v", starts, err)
	}
	w.deleteBefore(w.end())
	got, _ = w.scan(0, w.end()) // a log of length zero that does not begin at zero
	w.want(got, nil)
	if found := w.at(0, 9); len(found) != 0 {
		w.t.Errorf("At() = %v of an empty log", found)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
	defer cancel()
	if _, err := w.r.Scan(ctx, topic, 0, w.end()+5, w.end()+6, nil); !errors.Is(err, errOutOfRange) {
		w.t.Errorf("Scan() beyond the end = %v, want that it is out of range", err)
	}
}

func (w *world) deleteBefore(offset int64) {
	w.t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic = topic
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Offset = offset
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	req.TimeoutMillis = 10_000
	resp, err := req.RequestWith(w.t.Context(), w.plain)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		w.t.Fatalf("DeleteRecords() error: %v", err)
	}
}

func TestScanAndAtPassOverWhatCompactionHasRemoved(t *testing.T) {
	c, w := fake(t, 1)
	compacted := "compact"
	one := "1"
	if err := c.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	w.create(topic, map[string]*string{"cleanup.policy": &compacted, "segment.bytes": &one, "min.compaction.lag.ms": ptr("0")})
	key := func(i int) string { return fmt.Sprint("k", i%5) }
	for i := range 40 { // batches of 5
		w.write(w.plain, 5*i, 5, key)
	}
	cl, end := w.begin("aborts")
	w.write(cl, 900, 5, key)
	end(kgo.TryAbort)
	last := w.write(w.plain, 300, 1, unique) // stays, in the active segment
	c.Compact()
	got, _ := w.scan(0, w.end())
	if len(got) >= 100 || got[len(got)-1] != last[0] {
		t.Fatalf("%d records are left, ending with %q: the log is not compacted", len(got), got[len(got)-1])
	}
	var offsets []int64
	for o := range w.end() {
		offsets = append(offsets, o)
		if _, next := w.scan(o, o+1); next < o+1 { // from each offset, there or not
			t.Errorf("Scan(%d) ends at %d", o, next)
		}
	}
	found := w.at(offsets...)
	for _, v := range got {
		if !slices.Contains(valuesOf(found), v) {
			t.Errorf("At() of all offsets misses %s", v)
		}
	}
	if found := w.at(0, 1); len(found) != 0 {
		t.Errorf("At() = %v, and both are compacted away", found)
	}
}

func ptr(s string) *string { return &s }

func valuesOf(m map[int64]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func TestScanAndAtFollowTheLeader(t *testing.T) {
	c, w := fake(t, 3)
	values := w.write(w.plain, 0, 20, unique)
	w.scan(0, w.end())
	for range 4 {
		leader := c.LeaderFor(topic, 0)
		if err := c.MoveTopicPartition(topic, 0, (leader+1)%3); err != nil {
			t.Fatal(err)
		}
		got, _ := w.scan(0, 20)
		w.want(got, values)
		if err := c.MoveTopicPartition(topic, 0, (leader+2)%3); err != nil {
			t.Fatal(err)
		}
		if found := w.at(19); found[19] != "v19" {
			t.Errorf("At() = %v", found)
		}
	}
}

func TestErrorsOfABrokerAreWaitedOut(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata} {
		for _, answer := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.FencedLeaderEpoch, kerr.UnknownTopicID, kerr.KafkaStorageError, kerr.OffsetNotAvailable} {
			t.Run(fmt.Sprint(key.Name(), " ", answer.Message), func(t *testing.T) {
				c, w := fake(t, 1)
				values := w.write(w.plain, 0, 5, unique)
				h := c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: topic, Err: answer, Count: 3})
				got, _ := w.scan(0, w.end())
				w.want(got, values)
				if h.Hits() == 0 {
					t.Error("the fault was never met")
				}
			})
		}
	}
}

func TestARefusalIsNotRepeated(t *testing.T) {
	c, w := fake(t, 1)
	w.write(w.plain, 0, 5, unique)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
	if _, err := w.r.Scan(t.Context(), topic, 0, 0, 5, nil); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("Scan() = %v, want the refusal", err)
	}
	if err := w.r.At(t.Context(), topic, 0, []int64{1}, nil); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("At() = %v, want the refusal", err)
	}
}

func TestABrokerThatIsAwayIsWaitedForNoLongerThanTheContext(t *testing.T) {
	c, w := fake(t, 1)
	w.write(w.plain, 0, 5, unique)
	w.scan(0, 5)
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := w.r.Scan(ctx, topic, 0, 0, 5, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Scan() = %v, want the context's end", err)
	}
	if err := w.r.At(ctx, topic, 0, []int64{1}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("At() = %v, want the context's end", err)
	}
	if _, err := w.r.Ends(ctx, topic, []int32{0}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ends() = %v, want the context's end", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestATopicThatIsMadeAnewEndsAScanAndHasAnotherID(t *testing.T) {
	c, w := fake(t, 1)
	w.write(w.plain, 0, 3, unique)
	before, err := w.r.TopicID(t.Context(), topic)
	if err != nil {
		t.Fatalf("TopicID() error: %v", err)
	}
	inside := false
	_, err = w.r.Scan(t.Context(), topic, 0, 0, 5, func(*kgo.Record) error {
		if inside {
			return nil
		}
		inside = true
		if err := c.DeleteTopic(topic); err != nil {
			t.Error(err)
		}
		w.create(topic, nil)
		return nil
	})
	if !errors.Is(err, ErrTopicRemade) {
		t.Errorf("Scan() = %v, want ErrTopicRemade", err)
	}
	after, err := w.r.TopicID(t.Context(), topic)
	if err != nil || after == before {
		t.Errorf("TopicID() = %x, %v after %x", after, err, before)
	}
}

func TestAnErrorOfTheCallerEndsAScanAtItsRecord(t *testing.T) {
	_, w := fake(t, 1)
	w.write(w.plain, 0, 10, unique)
	stop := errors.New("enough")
	next, err := w.r.Scan(t.Context(), topic, 0, 0, 10, func(r *kgo.Record) error {
		if r.Offset == 6 {
			return stop
		}
		return nil
	})
	if next != 6 || !errors.Is(err, stop) {
		t.Errorf("Scan() = %d, %v; want 6 and the caller's error", next, err)
	}
}

func TestRecordsOfTheLargestSizeAreRead(t *testing.T) {
	_, w := fake(t, 1)
	if err := w.alter("max.message.bytes", fmt.Sprint(12<<20)); err != nil {
		t.Fatal(err)
	}
	testLarge(w)
}

func testLarge(w *world) {
	value := make([]byte, 10<<20)
	for i := range value {
		value[i] = byte(i * i >> 7)
	}
	from := w.end()
	for range 3 {
		if err := w.plain.ProduceSync(w.t.Context(), &kgo.Record{Topic: topic, Value: value}).FirstErr(); err != nil {
			w.t.Fatalf("ProduceSync() error: %v", err)
		}
		w.write(w.plain, 1, 1, unique)
	}
	got, _ := w.scan(from, w.end())
	if len(got) != 6 || got[0] != string(value) || got[4] != string(value) {
		w.t.Errorf("Scan() gives %d records", len(got))
	}
	if found := w.at(from+2, from+5); found[from+2] != string(value) || found[from+5] != "v1" {
		w.t.Errorf("At() gives %d records", len(found))
	}
}

func (w *world) alter(name, value string) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, &value
	r.Configs = append(r.Configs, c)
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(w.t.Context(), w.plain)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Resources[0].ErrorCode)
}
