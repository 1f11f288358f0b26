package group_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/group"
	"millrace/schemas"
)

// telling is quick with activity.
func telling() group.Config {
	cfg := quick()
	cfg.Activity = true
	cfg.Member.InstanceID = "instance-0"
	return cfg
}

// activity returns what is in the topic, by key, once there are n records.
func (c *cluster) activity(n int) map[string][]schemas.Activity {
	c.t.Helper()
	var out map[string][]schemas.Activity
	eventually(c.t, func() string {
		out = make(map[string][]schemas.Activity)
		records := c.read(schemas.ActivityTopic)
		for _, r := range records {
			a, err := schemas.ParseActivity(r.Value)
			if err != nil {
				c.t.Fatalf("%s: %v", r.Value, err)
			}
			out[string(r.Key)] = append(out[string(r.Key)], a)
		}
		if len(records) < n {
			return fmt.Sprintf("%d records of activity, want %d: %v", len(records), n, slices.Collect(maps.Keys(out)))
		}
		return ""
	})
	return out
}

func TestActivityTellsWhatBecameOfEachTry(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	if err := c.CreateTopic(schemas.ActivityTopic, 3, nil); err != nil {
		t.Fatal(err)
	}
	handler := func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
		u.Note("looked at it")
		switch e.Key {
		case "s|emit":
			u.Note("told others")
			return u.Emit(group.Record{Topic: output, Key: e.Key})
		case "s|skip":
			return group.Skip("not_for_us")
		case "s|fail":
			if e.Attempt == 1 {
				return errors.New("mail to jane@example.com refused")
			}
		case "s|dead":
			return group.Permanent(errors.New("no such thing"))
		case "s|early":
			if time.Since(e.Received) < time.Second {
				return group.NotReady(5*time.Millisecond, "order 1 is not there")
			}
		case "s|late":
			if e.Attempt == 1 {
				return errors.New("later")
			}
		}
		return nil
	}
	cfg := telling()
	cfg.Retry.Schedule = []time.Duration{0, 20 * time.Millisecond}
	cfg.Retry.InlineMax = 25 * time.Millisecond
	c.start(group.Service{Name: "inventory", Handler: group.HandlerFunc(handler), Emits: []string{output}, Dedupe: group.Dedupe{}}, cfg)
	keys := []string{"s|done", "s|emit", "s|skip", "s|fail", "s|dead", "s|early"}
	for _, k := range keys {
		c.produce(event(k, 1))
	}
	unreadable := event("acme.myshopify.com|order/9", 1)
	unreadable.Headers = nil
	c.produce(unreadable)
	got := c.activity(9)

	base := schemas.Activity{
		Service: "inventory", Instance: "instance-0", SourceTopic: source,
		Shop: "acme.myshopify.com", ShopifyTopic: "orders/updated", Subject: "order/1", Attempt: 1, Note: "looked at it",
	}
	with := func(change func(*schemas.Activity)) schemas.Activity {
		a := base
		change(&a)
		return a
	}
	want := map[string][]schemas.Activity{
		"s|done": {with(func(a *schemas.Activity) { a.Outcome = "done" })},
		"s|emit": {with(func(a *schemas.Activity) { a.Outcome, a.Note = "done", "looked at it; told others" })},
		"s|skip": {with(func(a *schemas.Activity) { a.Outcome, a.Class = "skipped", "not_for_us" })},
		"s|fail": {
			with(func(a *schemas.Activity) {
				a.Outcome, a.Class, a.Error = "retry", "error", "mail to (address) refused"
			}),
			with(func(a *schemas.Activity) { a.Outcome, a.Attempt = "done", 2 }),
		},
		"s|dead": {with(func(a *schemas.Activity) {
			a.Outcome, a.Class, a.Error = "dead_lettered", "permanent", "no such thing"
		})},
		// However often it is asked for what it needs.
		"s|early": {
			with(func(a *schemas.Activity) {
				a.Outcome, a.Class, a.Error = "waiting", "not_ready", "order 1 is not there"
			}),
			with(func(a *schemas.Activity) { a.Outcome = "done" }),
		},
		"acme.myshopify.com|order/9": {{
			Service: "inventory", Instance: "instance-0", SourceTopic: source, Shop: "acme.myshopify.com", Subject: "order/9",
			Outcome: "dead_lettered", Class: "unreadable", Attempt: 1, Error: `not an event: ce_source is "", want /shopify/<shop domain>`,
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(schemas.Activity{}, "SourcePartition", "SourceOffset", "WebhookID", "Received", "Started", "Ended", "Due")); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
	for key, list := range got {
		for _, a := range list {
			if a.Started.IsZero() || a.Ended.Before(a.Started) || time.Since(a.Ended) > time.Hour {
				t.Errorf("%s %s: from %s to %s", key, a.Outcome, a.Started, a.Ended)
			}
			if again := a.Outcome == schemas.OutcomeRetry || a.Outcome == schemas.OutcomeWaiting; again != a.Due.After(a.Started) {
				t.Errorf("%s %s: due %s", key, a.Outcome, a.Due)
			}
			if a.Subject == "order/1" && (a.WebhookID != key+"-1" || a.Received.IsZero()) {
				t.Errorf("%s: webhook %q, received %s", key, a.WebhookID, a.Received)
			}
		}
	}
}

// The topic is no part of the service's promise: away, slow or refused, it must not be felt.
func TestAServiceGoesOnWhereActivityCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		topic bool
		fault *kfake.Fault
	}{
		"the topic is missing": {},
		"the topic is refused": {topic: true, fault: &kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: schemas.ActivityTopic, Err: kerr.TopicAuthorizationFailed, Count: -1}},
		"its brokers are away": {topic: true, fault: &kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: schemas.ActivityTopic, Err: kerr.NotLeaderForPartition, Count: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 2)
			registry := prometheus.NewRegistry()
			c.registerer = registry
			if tc.topic {
				if err := c.CreateTopic(schemas.ActivityTopic, 2, nil); err != nil {
					t.Fatal(err)
				}
				c.Fault(*tc.fault)
			}
			handler := func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
				if e.Attempt == 2 {
					return u.Emit(group.Record{Topic: output, Key: e.Key})
				}
				return errors.New("again")
			}
			stop := c.start(group.Service{Handler: group.HandlerFunc(handler), Emits: []string{output}}, telling())
			const events = 200
			for i := range events {
				c.cl.Produce(t.Context(), event(fmt.Sprintf("acme.myshopify.com|order/%d", i), 1), nil)
			}
			eventually(t, func() string {
				if n := len(c.read(output)); n < events {
					return fmt.Sprintf("%d of %d events are through", n, events)
				}
				return ""
			})
			stop() // within the test's time, whatever waits in the buffer
			want := 0.0
			if tc.topic {
				want = 2 * events
			}
			eventually(t, func() string { // the client calls promises in its own time
				if got := counter(t, registry, "millrace_group_activity_dropped_total"); got != want {
					return fmt.Sprintf("%v records are counted as dropped, want %v", got, want)
				}
				return ""
			})
		})
	}
}

func counter(tb testing.TB, registry *prometheus.Registry, name string) (sum float64) {
	tb.Helper()
	families, err := registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestActivityOfAnEventThatNoBrokerTakesIsItsDeadLetter(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	if err := c.CreateTopic(schemas.ActivityTopic, 1, nil); err != nil {
		t.Fatal(err)
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: output, Err: kerr.MessageTooLarge, Count: -1})
	handler := func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
		return u.Emit(group.Record{Topic: output, Key: e.Key, Value: []byte("x")})
	}
	c.start(group.Service{Handler: group.HandlerFunc(handler), Emits: []string{output}}, telling())
	c.produce(event(order1, 1))
	got := c.activity(1)[order1]
	if len(got) != 1 || got[0].Outcome != schemas.OutcomeDeadLettered || got[0].Class != schemas.ClassTooLarge || !strings.Contains(got[0].Error, output) {
		t.Errorf("activity %+v, want one dead letter of class %s", got, schemas.ClassTooLarge)
	}
}

func TestActivityIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	if group.DefaultConfig("g").Activity {
		t.Error("it is on by default: a service of one's own may have no such topic")
	}
	c := newCluster(t, 1)
	if err := c.CreateTopic(schemas.ActivityTopic, 1, nil); err != nil {
		t.Fatal(err)
	}
	var done ledger
	stop := c.start(group.Service{Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
		u.Note("nobody reads this")
		done.add(e.Key, "done")
		return nil
	})}, quick())
	c.produce(event(order1, 1))
	until(t, &done, order1, 1)
	stop()
	if got := c.read(schemas.ActivityTopic); len(got) != 0 {
		t.Errorf("%d records of activity, want none", len(got))
	}
}
