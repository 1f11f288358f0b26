package txn

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// noise is a value that does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func limitTopic(w *world, bytes int) {
	w.t.Helper()
	limit := fmt.Sprint(bytes)
	_, err := w.adm.AlterTopicConfigs(w.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, out)
	if err != nil {
		w.t.Fatalf("AlterTopicConfigs() error: %v", err)
	}
}

func TestTheRecordThatABrokerRefusesIsNamedAndNothingIsCommitted(t *testing.T) {
	_, seeds := fake(t, false)
	testRefusedRecord(newWorld(t, seeds, 30*time.Second))
}

func testRefusedRecord(w *world) {
	t := w.t
	limitTopic(w, 20_000)
	for _, at := range []int{0, 1, 33, 99} {
		rs := records(fmt.Sprint("large-", at), 100)
		rs[at].Value = noise(30_000)
		err := w.p.Do(t.Context(), rs, w.offsets(w.at+1))
		var refusal *RecordError
		if !errors.As(err, &refusal) || refusal.Index != at || !errors.Is(err, kerr.MessageTooLarge) {
			t.Errorf("Do() = %v, want record %d to be too large", err, at)
		}
		if errors.Is(err, ErrAborted) || errors.Is(err, ErrUnknown) {
			t.Errorf("Do() = %v, which a caller would repeat as it is", err)
		}
	}
	if err := w.try(5 * time.Second); err != nil {
		t.Errorf("Do() afterwards: %v", err)
	}
	w.check()
}

func TestRecordsThatAreTooLargeTogetherGoInSmallerBatches(t *testing.T) {
	_, seeds := fake(t, false)
	testTooLargeTogether(newWorld(t, seeds, 30*time.Second))
}

func testTooLargeTogether(w *world) {
	t := w.t
	limitTopic(w, 20_000)
	rs := records("together", 60)
	for _, r := range rs {
		r.Value = append(r.Value, noise(3_000)...)
	}
	// Each failure halves the batches: some repeats are enough, as many as the halves from all to one.
	var err error
	for range 8 {
		if err = w.p.Do(t.Context(), rs, nil); err == nil {
			break
		}
		if !errors.Is(err, ErrAborted) {
			t.Fatalf("Do() = %v, want ErrAborted", err)
		}
	}
	if err != nil {
		t.Errorf("Do() = %v after 8 repeats", err)
	}
	seen := 0
	for value, n := range w.committed() {
		if strings.HasPrefix(value, "together/") {
			seen += n
		}
	}
	if seen != 60 {
		t.Errorf("%d records are committed, want 60", seen)
	}
	// What is large and alone in its batch passes a limit that was found for batches.
	rs = records("alone", 1)
	rs[0].Value = noise(19_000)
	if err := w.p.Do(t.Context(), rs, nil); err != nil {
		t.Errorf("Do() of a large record: %v", err)
	}
}

func TestARecordOfTheLargestSizePasses(t *testing.T) {
	_, seeds := fake(t, false)
	w := newWorld(t, seeds, 30*time.Second)
	limitTopic(w, maxBatchBytes)
	rs := records("largest", 2)
	rs[1].Value = []byte(strings.Repeat("x", maxBatchBytes-1000))
	if err := w.p.Do(t.Context(), rs, nil); err != nil {
		t.Errorf("Do() error: %v", err)
	}
	rs[1].Value = []byte(strings.Repeat("x", maxBatchBytes))
	var refusal *RecordError
	if err := w.p.Do(t.Context(), rs, nil); !errors.As(err, &refusal) || refusal.Index != 1 || !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("Do() = %v, want record 1 to be too large", err)
	}
}

func TestRecordsWithoutAPartitionArePlacedByTheirKey(t *testing.T) {
	_, seeds := fake(t, false)
	w := newWorld(t, seeds, 30*time.Second)
	rs := records("keyed", 20)
	for _, r := range rs {
		r.Partition = -1
	}
	if err := w.p.Do(t.Context(), rs, nil); err != nil {
		t.Fatalf("Do() error: %v", err)
	}
	plain, err := kgo.NewClient(seeds, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		t.Fatalf("NewClient() error: %v", err)
	}
	defer plain.Close()
	for _, r := range rs {
		got, err := plain.ProduceSync(t.Context(), &kgo.Record{Topic: out, Key: r.Key}).First()
		if err != nil || got.Partition != r.Partition {
			t.Errorf("key %s is in partition %d, another producer puts it into %d (%v)", r.Key, r.Partition, got.Partition, err)
		}
	}
}
