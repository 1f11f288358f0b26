package erp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
)

// Whatever order versions come in, however often, and whatever calls are lost on the way: the ERP ends with the newest, and has no
// version twice.
func TestTheERPEndsWithTheNewestVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBooks()
		svc := newService(t, b, nil)
		lost := errors.New("lost")
		chance := rapid.IntRange(0, 3)
		fail := func(string) error {
			if chance.Draw(t, "lost") == 0 {
				return lost
			}
			return nil
		}
		b.before, b.after = fail, fail

		var versions []*group.Event
		var newest *group.Event
		for i := range rapid.IntRange(1, 8).Draw(t, "versions") {
			second := rapid.IntRange(0, 4).Draw(t, "second")
			after := time.Duration(second)*time.Second + time.Duration(i)*time.Millisecond // never two at once
			e := event("orders/updated", order(second, fmt.Sprintf("%d.00", rapid.IntRange(1, 3).Draw(t, "total"))), after)
			versions = append(versions, e)
			if newest == nil || overtakes(newest, e) {
				newest = e
			}
		}
		deliveries := rapid.Permutation(slices.Concat(versions, versions)).Draw(t, "deliveries")
		unit := &grouptest.Unit{Topics: Emits()}
		for i := 0; i < len(deliveries); {
			if i+1 < len(deliveries) && svc.Supersedes(unit.StateValue, deliveries[i], deliveries[i+1]) && rapid.Bool().Draw(t, "overtaken") {
				i++
				continue
			}
			switch out := unit.Handle(t.Context(), svc.Handler, deliveries[i]); out.Kind {
			case grouptest.Done, grouptest.Skipped:
				i++
			case grouptest.Retry:
			default:
				t.Fatalf("verdict %s: %v", out.Kind, out.Err)
			}
		}
		total := strings.SplitAfter(string(newest.Body), `"total_price":`)[1][:6]
		if d := b.now["order/1"]; !strings.Contains(string(d.Content), `"total":`+total) {
			t.Fatalf("the ERP has %s %s, want the total %s", d.Version, d.Content, total)
		}
		for _, f := range b.faults {
			t.Error(f)
		}
	})
}
