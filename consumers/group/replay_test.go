package group_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
	"millrace/schemas"
)

// again is the record by which a replay puts an event of partition 0 back.
func again(key string, n int, offset int64, id string) *kgo.Record {
	r := event(key, n)
	r.Topic, r.Key = schemas.RetryTopic(source, groupID), schemas.RetryKey([]byte(key), offset)
	for name, value := range map[string]string{schemas.HeaderAttempts: "0", schemas.HeaderRetryBy: schemas.RetryByReplay, schemas.HeaderReplay: id} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	return r
}

// what the handler sees of an event.
func seen(e *group.Event) string {
	text := string(e.Body)
	if e.Replay != "" {
		text += " " + e.Replay
	}
	return text
}

func TestAReplayedEventIsSeenAgainAsOneUntilItIsSettled(t *testing.T) {
	c := newCluster(t, 1)
	c.produce(event("a", 0), event("a", 1))
	var l ledger
	fail := true
	c.start(group.Service{Dedupe: group.Dedupe{WebhookIDs: 2}, Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
		l.add(e.Key, seen(e))
		if e.Replay == "r1" && fail && e.Attempt == 1 { // waits in the topic, and comes back from there
			fail = false
			return group.Unavailable(100*time.Millisecond, errors.New("away"))
		}
		if e.Replay == "r1" && e.Offset == 1 {
			return group.Permanent(errors.New("no"))
		}
		return nil
	})}, quick())
	eventually(t, func() string { return cmp.Diff([]string{"0", "1"}, l.of("a")) })
	// The lower offset goes first, although it is written last.
	c.produce(again("a", 1, 1, "r1"), again("a", 0, 0, "r1"))
	eventually(t, func() string { return cmp.Diff([]string{"0", "1", "0 r1", "0 r1", "1 r1"}, l.of("a")) })
	var letters []*kgo.Record
	eventually(t, func() string {
		if letters = c.read(schemas.DeadLetterTopic(source, groupID)); len(letters) != 1 {
			return "no dead letter"
		}
		return ""
	})
	marked := ""
	for _, h := range letters[0].Headers {
		if h.Key == schemas.HeaderReplay {
			marked = string(h.Value)
		}
	}
	if marked != "r1" {
		t.Errorf("the dead letter has the mark %q, want r1: redriven without it, it would be taken for a repeat", marked)
	}
	// The window of repeats is what it was: two ids of the first time.
	c.produce(event("a", 0), event("a", 1), event("a", 2))
	eventually(t, func() string { return cmp.Diff([]string{"0", "1", "0 r1", "0 r1", "1 r1", "2"}, l.of("a")) })
}

// A person's record that stands alone in the retry topic, with a record of the service right behind it, must not be passed over.
func TestARecordOfAPersonBeforeOneOfTheServiceIsNotMissed(t *testing.T) {
	c := newCluster(t, 1)
	var l ledger
	enter, leave := make(chan struct{}), make(chan struct{})
	c.start(group.Service{Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
		if e.Key == "b" && e.Attempt == 1 {
			close(enter)
			<-leave
			return errors.New("again, from the topic")
		}
		l.add(e.Key, seen(e))
		return nil
	})}, func() group.Config { cfg := quick(); cfg.Retry.InlineMax = 0; return cfg }())
	c.produce(event("a", 0), event("b", 0))
	<-enter
	person, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("person"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer person.Close()
	if err := person.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := person.ProduceSync(t.Context(), again("a", 0, 0, "r1")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	close(leave)
	eventually(t, func() string { // the service has written behind the open transaction, and its own is through
		ends, err := kadm.NewClient(c.cl).ListEndOffsets(t.Context(), schemas.RetryTopic(source, groupID))
		if end, _ := ends.Lookup(schemas.RetryTopic(source, groupID), 0); err != nil || end.Offset < 3 {
			return "nothing of the service in the retry topic"
		}
		return ""
	})
	if err := person.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { return cmp.Diff([]string{"0", "0 r1"}, l.of("a")) })
}
