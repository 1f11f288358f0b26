package schedule

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAnEventThatIsNotReadyComesBackAsSoonAsALaterOneOfItsKeyIsDone(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := New(Options{MaxUnfinished: 10})
	p, err := s.Assign("t", 0, Committed{}, NewIndex(), now)
	if err != nil {
		t.Fatal(err)
	}
	var records []*kgo.Record
	for n := range int64(3) {
		records = append(records, &kgo.Record{Key: []byte("order"), Offset: n, Timestamp: now})
	}
	s.Offer(p, records, now)
	next := func(want int64) *Item {
		t.Helper()
		it := s.Next(now)
		if it == nil || it.Offset != want {
			t.Fatalf("next is %+v, want offset %d", it, want)
		}
		return it
	}
	s.Aside(next(0), false, now.Add(time.Hour), now)
	s.Done(next(1), nil, 0, now)
	s.Done(next(0), nil, 0, now)
	s.Done(next(2), nil, 0, now)
	if it := s.Next(now); it != nil {
		t.Fatalf("%+v runs when all is done", it)
	}
	if c := s.Collect(false); len(c) != 1 || c[0].Position.Offset != 3 {
		t.Fatalf("commit: %+v", c)
	}
}

// A commit is written while the scheduler goes on: what it says must not change under the writer.
func TestACommitUnderWayIsNotChangedByALaterEvent(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := New(Options{MaxUnfinished: 10})
	p, err := s.Assign("t", 0, Committed{}, NewIndex(), now)
	if err != nil {
		t.Fatal(err)
	}
	s.Offer(p, []*kgo.Record{{Key: []byte("order"), Offset: 0, Timestamp: now}, {Key: []byte("order"), Offset: 1, Timestamp: now}}, now)
	due := now.Add(time.Hour)
	s.Aside(s.Next(now), true, due, now)
	commits := s.Collect(false)
	if len(commits) != 1 || len(commits[0].Completions) != 1 {
		t.Fatalf("commits: %+v", commits)
	}
	s.Done(s.Next(now), nil, 0, now) // what stands aside is due at once
	if got := commits[0].Completions[0].Due(); !got.Equal(due) {
		t.Errorf("the commit says that it is due at %s, want %s as when it was taken", got, due)
	}
	commits[0].Completions[0].Log = 7
	s.Committed(commits, now)
	if !p.WantsLoad() {
		t.Error("it is not due after the commit")
	}
}
