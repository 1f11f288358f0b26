package group_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
	"millrace/schemas"
)

func TestEventsOfAKeyAreHandledInOrderAcrossRetriesInMemoryAndInTheTopic(t *testing.T) {
	c := newCluster(t, 3)
	const keys, each = 20, 15
	var records []*kgo.Record
	for n := range each {
		for k := range keys {
			records = append(records, event(fmt.Sprintf("acme.myshopify.com|order/%d", k), n))
		}
	}
	c.produce(records...)
	var done ledger
	c.start(group.Service{Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
		n, _ := strconv.Atoi(string(e.Body))
		if n%4 == 1 && e.Attempt <= 2 { // the second attempt is waited for in memory, the third in the topic
			return errors.New("not now")
		}
		done.add(e.Key, string(e.Body))
		return nil
	})}, quick())
	var want []string
	for n := range each {
		want = append(want, strconv.Itoa(n))
	}
	eventually(t, func() string {
		if n := done.count(); n < keys*each {
			return fmt.Sprintf("%d events are done, want %d", n, keys*each)
		}
		return ""
	})
	for k := range keys {
		if got := done.of(fmt.Sprintf("acme.myshopify.com|order/%d", k)); !slices.Equal(got, want) {
			t.Errorf("order/%d: %v", k, got)
		}
	}
	eventually(t, func() string { return c.drained() })
}

// drained says what is left: nothing waits, and the source is committed to its end.
func (c *cluster) drained() string {
	open := map[string]bool{}
	for _, r := range c.read(schemas.RetryTopic(source, groupID)) {
		if len(r.Value) == 0 {
			delete(open, string(r.Key))
		} else {
			open[string(r.Key)] = true
		}
	}
	if len(open) > 0 {
		return fmt.Sprintf("%d events wait in the retry topic", len(open))
	}
	return ""
}

func TestWhatAnEventWritesIsSeenExactlyOnceAndADeadLetterCarriesWhy(t *testing.T) {
	c := newCluster(t, 2)
	for n := range 10 {
		c.produce(event("acme.myshopify.com|order/1", n))
	}
	stop := c.start(group.Service{State: true, Emits: []string{output}, Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
		if string(e.Body) == "5" {
			return group.Permanent(errors.New("never"))
		}
		if err := u.Emit(group.Record{Topic: output, Key: e.Key, Value: e.Body}); err != nil {
			return err
		}
		return u.State().Set(append(slices.Clone(u.State().Get()), e.Body...))
	})}, quick())
	eventually(t, func() string {
		if n := len(c.read(output)); n != 9 {
			return fmt.Sprintf("%d records are emitted, want 9", n)
		}
		return ""
	})
	stop()
	letters := c.read(schemas.DeadLetterTopic(source, groupID))
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}
	if got := string(letters[0].Value); got != "5" {
		t.Errorf("the dead letter is %s", got)
	}
	states := c.read(schemas.StateTopic(source, groupID))
	if len(states) == 0 || !bytes.HasSuffix(states[len(states)-1].Value, []byte("012346789")) {
		t.Errorf("%d records of state, the last one is not 012346789", len(states))
	}
	// A successor goes on from the state.
	c.produce(event("acme.myshopify.com|order/1", 7))
	var seen ledger
	c.start(group.Service{State: true, Emits: []string{output}, Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
		seen.add(string(u.State().Get()), string(e.Body))
		return nil
	})}, quick())
	eventually(t, func() string {
		if got := seen.of("012346789"); !slices.Equal(got, []string{"7"}) {
			return fmt.Sprintf("the successor saw %v", got)
		}
		return ""
	})
}
