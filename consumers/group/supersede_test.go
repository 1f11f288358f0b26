package group_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group"
)

func TestWhatIsOvertakenWhileItWaitsIsSkipped(t *testing.T) {
	c := newCluster(t, 1)
	gate := newDoor()
	reg := prometheus.NewRegistry()
	c.registerer = reg
	var done ledger
	c.start(group.Service{
		Gate:       gate,
		Dedupe:     group.Dedupe{WebhookIDs: 8},
		Supersedes: func(_ []byte, earlier, later *group.Event) bool { return later.Body[0] > earlier.Body[0] },
		Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
			done.add(e.Key, string(e.Body))
			return nil
		}),
	}, quick())
	queued := func(n float64) {
		t.Helper()
		eventually(t, func() string {
			if got := gauge(t, reg, "millrace_group_queue_records"); got != n {
				return fmt.Sprintf("%v events are queued, want %v", got, n)
			}
			return ""
		})
	}
	const other = "acme.myshopify.com|order/2"
	c.produce(event(order1, 1), event(order1, 5), event(other, 4), event(order1, 3), event(order1, 7), event(order1, 2), event(other, 8))
	queued(7)
	gate.set(-1)
	if got := until(t, &done, order1, 2); !slices.Equal(got, []string{"7", "2"}) {
		t.Errorf("handled: %v, want the newest and what came after it", got)
	}
	if got := until(t, &done, other, 1); !slices.Equal(got, []string{"8"}) {
		t.Errorf("handled of another key: %v", got)
	}
	queued(0)
	gate.set(0)
	c.produce(event(order1, 6), event(order1, 7)) // the second is a repeat: it will be skipped, and supersedes nothing
	queued(2)
	gate.set(-1)
	if got := until(t, &done, order1, 3); got[2] != "6" {
		t.Errorf("handled: %v, want 6 at the end", got)
	}
}

func TestWhatAnUnavailableKeepsIsThereOnceAndTheEventComesBack(t *testing.T) {
	c := newCluster(t, 1)
	var done ledger
	svc := group.Service{
		Emits: []string{output}, Dedupe: group.Dedupe{WebhookIDs: 8},
		Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, u group.UnitOfWork) error {
			away := group.Unavailable(10*time.Millisecond, errors.New("away"))
			told := u.State().Get() != nil
			done.add(e.Key, fmt.Sprintf("%s, told %v, attempt %d", e.Body, told, e.Attempt))
			switch tries := len(done.of(e.Key)); {
			case !told:
				if err := u.Emit(group.Record{Topic: output, Key: e.Key, Value: []byte("provisional")}); err != nil {
					return err
				}
				if err := u.State().Set([]byte("told")); err != nil {
					return err
				}
				return fmt.Errorf("wrapped: %w", group.Keep(away))
			case tries < 4: // without the mark nothing is kept
				_ = u.Emit(group.Record{Topic: output, Key: e.Key, Value: []byte("never")})
				_ = u.State().Set(nil)
				return away
			default:
				return nil
			}
		}),
	}
	c.produce(event(order1, 1), event(order1, 2))
	stop := c.start(svc, quick())
	want := []string{"1, told false, attempt 1", "1, told true, attempt 1", "1, told true, attempt 1", "1, told true, attempt 1", "2, told true, attempt 1"}
	if got := until(t, &done, order1, 5); !slices.Equal(got, want) {
		t.Errorf("tries %q, want %q", got, want)
	}
	stop()
	if got := c.read(output); len(got) != 1 || string(got[0].Value) != "provisional" {
		t.Errorf("%d records emitted, want the one that was kept", len(got))
	}
}
