package reread_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"millrace/consumers/group"
	"millrace/consumers/group/internal/state"
	"millrace/consumers/group/reread"
	"millrace/partitioning"
	"millrace/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "shopify.orders"

func setup(t *testing.T) (*reread.Reader, *kgo.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, topic, schemas.StateTopic(topic, "g")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	kafka := []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}
	cl, err := kgo.NewClient(append(kafka, kgo.RecordPartitioner(partitioning.Partitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	r, err := reread.Open(kafka)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, cl
}

func TestTheEventsOfAKeyAreReadInOrder(t *testing.T) {
	r, cl := setup(t)
	want := []string{}
	for i := range 300 {
		key := fmt.Sprintf("acme.myshopify.com|order/%d", i%7)
		e := schemas.Event{ID: fmt.Sprint(i), Shop: "acme.myshopify.com", Topic: "orders/updated", Subject: "order/1", PartitionKey: key}
		rec := &kgo.Record{Topic: topic, Key: []byte(key), Value: fmt.Append(nil, i), Headers: schemas.AppendHeaders[kgo.RecordHeader](nil, &e)}
		if i == 140 {
			rec.Headers = nil // no event
		}
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if i%7 == 3 {
			want = append(want, fmt.Sprint(i))
		}
	}
	const key = "acme.myshopify.com|order/3"
	p, err := r.PartitionOf(t.Context(), topic, key)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	n := 0
	for partition := range int32(3) {
		if err := r.Events(t.Context(), topic, partition, func(e *group.Event) error {
			if n++; e.Key == key {
				if e.Partition != p || e.ID != string(e.Body) {
					t.Errorf("%+v in partition %d", e, p)
				}
				got = append(got, e.ID)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, want) || n != 299 || r.Foreign() != 1 {
		t.Errorf("%d events and %d others, of the key %v, want %v", n, r.Foreign(), got, want)
	}
	if read, total := r.Progress(); read != 300 || total != 300 {
		t.Errorf("progress %d of %d", read, total)
	}
	stop := errors.New("enough")
	if err := r.Events(t.Context(), topic, p, func(*group.Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of the reader's own: %v", err)
	}
}

func TestTheNewestStateOfEachKeyIsRead(t *testing.T) {
	r, cl := setup(t)
	write := func(key string, e *state.Envelope) {
		rec := &kgo.Record{Topic: schemas.StateTopic(topic, "g"), Key: []byte(key)}
		if e != nil {
			rec.Value = e.Append(nil)
		}
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	write("a", &state.Envelope{Value: []byte("old"), HasValue: true})
	write("b", &state.Envelope{Value: []byte("b"), HasValue: true})
	write("c", &state.Envelope{Value: []byte("gone"), HasValue: true})
	write("a", &state.Envelope{Value: []byte("new"), HasValue: true, IDs: [][16]byte{{1}}})
	write("d", &state.Envelope{IDs: [][16]byte{{1}}}) // the runtime's own memory only
	write("c", nil)
	got := map[string]string{}
	for partition := range int32(3) {
		if err := r.State(t.Context(), "g", topic, partition, func(key string, value []byte) error { got[key] = string(value); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if want := map[string]string{"a": "new", "b": "b"}; !maps.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
	}
}

func TestATopicThatIsNotThereIsSaidSo(t *testing.T) {
	r, _ := setup(t)
	if err := r.State(t.Context(), "other", topic, 0, nil); !errors.Is(err, reread.ErrNoTopic) {
		t.Errorf("error %v", err)
	}
	if _, err := r.PartitionOf(t.Context(), "nowhere", "k"); !errors.Is(err, reread.ErrNoTopic) {
		t.Errorf("error %v", err)
	}
}
