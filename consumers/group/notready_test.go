package group_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"millrace/consumers/group"
)

func TestAnEventBeforeTheOneItNeedsLetsItPassAndComesBackAtOnce(t *testing.T) {
	c := newCluster(t, 1)
	const key = "acme.myshopify.com|order/1"
	for n := range 4 {
		c.produce(event(key, n))
	}
	var done ledger
	cfg := quick()
	cfg.Retry.InlineMax = 0 // it waits in the topic
	c.start(group.Service{Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
		if string(e.Body) == "0" && !slices.Contains(done.of(key), "2") {
			return group.NotReady(time.Hour, "event 2 has not come yet")
		}
		if e.Attempt != 1 {
			t.Errorf("event %s has burned %d attempts", e.Body, e.Attempt-1)
		}
		done.add(key, string(e.Body))
		return nil
	})}, cfg)
	eventually(t, func() string {
		got := done.of(key)
		if len(got) < 4 {
			return fmt.Sprintf("done: %v", got)
		}
		return ""
	})
	got := done.of(key)
	if i, j, k := slices.Index(got, "1"), slices.Index(got, "2"), slices.Index(got, "0"); i > j || j > k {
		t.Errorf("order: %v", got)
	}
	eventually(t, c.drained)
}
