package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

func TestAnOrderReservesItsGoodsOnce(t *testing.T) {
	b := setup(t)
	b.want(b.on("orders/create", created), grouptest.Done, "", 5)
	b.want(b.on("orders/create", created), grouptest.Skipped, skipDone, 5) // under another webhook id
	if want := []string{"reserve:acme.myshopify.com:1"}; !slices.Equal(b.effects, want) {
		t.Errorf("calls %v, want %v", b.effects, want)
	}
	if want := `{"shop":"acme.myshopify.com","order_id":"1","lines":[{"variant_id":"111","sku":"A","quantity":3},{"variant_id":"112","sku":"","quantity":2}]}`; b.done[b.effects[0]] != want {
		t.Errorf("reserved %s, want %s", b.done[b.effects[0]], want)
	}
}

func TestAnOrdersStorySaysWhatWasReservedAndReleased(t *testing.T) {
	b := setup(t, remember)
	b.on("refunds/create", refunded(9, 11, 1, "return"))
	b.on("orders/create", created)
	b.on("fulfillments/create", shipped2)
	b.on("orders/cancelled", cancelled(""))
	b.on("orders/cancelled", cancelled(""))
	want := []string{
		"remembered until the order comes", "reserved 3 × A, 2 × variant 112", "released 1 × A, refunded",
		"noted what has been shipped", "released 1 × A, 2 × variant 112, cancelled",
	}
	if !slices.Equal(b.Notes, want) {
		t.Errorf("notes %q, want %q", b.Notes, want)
	}
	if got := goods(make([]Line, 8)); !strings.HasSuffix(got, " and 3 more") {
		t.Errorf("eight lines: %s", got)
	}
	if got := goods(nil); got != "everything" {
		t.Errorf("all lines: %s", got)
	}
}

func TestWhatIsDoneIsToldToTheEventStoreByTheNameOfItsEffect(t *testing.T) {
	b := setup(t, remember)
	b.Topics = Emits()
	b.on("refunds/create", refunded(9, 11, 1, "return"))
	b.on("orders/create", created) // brings the reservation and the remembered refund
	b.on("orders/create", created)
	b.on("orders/cancelled", cancelled(shipped2))
	var got []string
	for _, r := range b.Emitted {
		meta, err := schemas.ParseHeaders(r.Headers)
		if err != nil {
			t.Fatal(err)
		}
		fact, err := schemas.DecodeOrderEvent(&meta, r.Value)
		if err != nil {
			t.Fatal(err)
		}
		var lines []schemas.StockLine
		switch d := fact.Data.(type) {
		case *schemas.InventoryReserved:
			lines = d.Lines
		case *schemas.InventoryReleased:
			lines = d.Lines
		}
		got = append(got, fmt.Sprintf("%s %v", fact.ID, lines))
	}
	want := []string{
		"w-1/inventory/InventoryReserved/reserve:acme.myshopify.com:1 [{111 A 3} {112  2}]",
		"w-1/inventory/InventoryReleased/release:acme.myshopify.com:9 [{111 A 1}]",
		"w-1/inventory/InventoryReleased/release:acme.myshopify.com:1:cancelled [{111 A 1} {112  2}]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%q, want\n%q", got, want)
	}
}

func TestACancellationReleasesEverythingOnce(t *testing.T) {
	b := setup(t)
	b.on("orders/create", created)
	b.want(b.on("orders/cancelled", cancelled("")), grouptest.Done, "", 0)
	b.want(b.on("orders/cancelled", cancelled("")), grouptest.Skipped, skipDone, 0)
	b.want(b.on("refunds/create", refunded(9, 11, 3, "return")), grouptest.Skipped, skipNoRelease, 0)
	b.want(b.on("refunds/create", refunded(9, 11, 3, "return")), grouptest.Skipped, skipDone, 0)
	if key := "release:acme.myshopify.com:1:cancelled"; b.done[key] != `{"reason":"cancelled"}` {
		t.Errorf("released %q, want everything, by name of the cancellation", b.done[key])
	}
}

func TestWhatWasShippedIsNotReleasedByACancellation(t *testing.T) {
	for name, tell := range map[string]func(b *bench) string{
		"the order says so":    func(*bench) string { return shipped2 },
		"the shipment says so": func(b *bench) string { b.on("fulfillments/create", shipped2); return "" },
		"both say so":          func(b *bench) string { b.on("fulfillments/update", shipped2); return shipped2 },
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.on("orders/create", created)
			b.want(b.on("orders/cancelled", cancelled(tell(b))), grouptest.Done, "", 2)
			if want := `{"reason":"cancelled","lines":[{"variant_id":"111","sku":"A","quantity":1},{"variant_id":"112","sku":"","quantity":2}]}`; b.done["release:acme.myshopify.com:1:cancelled"] != want {
				t.Errorf("released %s, want %s", b.done["release:acme.myshopify.com:1:cancelled"], want)
			}
			b.want(b.on("refunds/create", refunded(9, 11, 2, "return")), grouptest.Done, "", 0)
		})
	}
}

func TestAShipmentThatDidNotHappenIsForgottenInAnyOrder(t *testing.T) {
	for _, topics := range [][]string{{shipped2, unship2}, {unship2, shipped2}, {shipped2, unship2, shipped2, unship2}} {
		b := setup(t)
		b.on("orders/create", created)
		for _, body := range topics {
			b.on("fulfillments/update", body)
		}
		b.want(b.on("orders/cancelled", cancelled(shipped2)), grouptest.Done, "", 0) // an order from before it was known
	}
}

func TestARefundReleasesWhatGoesBackIntoStock(t *testing.T) {
	for _, tc := range []struct {
		how    string
		kind   grouptest.Kind
		reason string
		held   int64
	}{
		{"return", grouptest.Done, "", 3},
		{"cancel", grouptest.Done, "", 3},
		{"legacy_restock", grouptest.Done, "", 3},
		{"no_restock", grouptest.Skipped, skipNoRelease, 5},
		{"", grouptest.Skipped, skipNoRelease, 5},
		{"something_new", grouptest.Skipped, skipNoRelease, 5},
	} {
		b := setup(t)
		b.on("orders/create", created)
		b.want(b.on("refunds/create", refunded(9, 11, 2, tc.how)), tc.kind, tc.reason, tc.held)
		if tc.kind == grouptest.Done && !slices.Contains(b.effects, "release:acme.myshopify.com:9") {
			t.Errorf("calls %v: none by the name of the refund", b.effects)
		}
	}
	b := setup(t)
	b.on("orders/create", created)
	old := `{"id":9,"order_id":1,"restock":true,"refund_line_items":[{"line_item_id":11,"quantity":1}]}` // from before restock_type
	b.want(b.on("refunds/create", old), grouptest.Done, "", 4)
	b.want(b.on("refunds/create", refunded(10, 13, 1, "return")), grouptest.Skipped, skipNoRelease, 4) // a custom line
	b.want(b.on("refunds/create", refunded(11, 11, 50, "return")), grouptest.Done, "", 2)              // more than there is
	b.want(b.on("refunds/create", refunded(11, 11, 50, "return")), grouptest.Skipped, skipDone, 2)
}

func TestWhatComesBeforeItsOrderWaits(t *testing.T) {
	for topic, body := range map[string]string{
		"orders/cancelled": cancelled(""), "refunds/create": refunded(9, 11, 1, "cancel"), "fulfillments/create": shipped2, "fulfillments/update": unship2,
	} {
		b := setup(t, wait)
		got := b.on(topic, body)
		b.want(got, grouptest.NotReady, "", 0)
		if got.After != time.Second || len(b.effects) != 0 || b.StateValue != nil {
			t.Errorf("%s before its order: again after %s, %d calls, state %q; want 1s and nothing done", topic, got.After, len(b.effects), b.StateValue)
		}
		e := event(topic, body)
		e.Received = time.Now().Add(-time.Hour)
		if got := b.Handle(t.Context(), b.h, e); got.After != time.Minute {
			t.Errorf("%s an hour before its order: again after %s, want 1m", topic, got.After)
		}
	}
}

func TestWhatComesBeforeItsOrderIsRememberedBySetting(t *testing.T) {
	b := setup(t, remember)
	b.want(b.on("refunds/create", refunded(8, 13, 1, "return")), grouptest.Done, "", 0) // of a custom line: nothing to release
	b.want(b.on("refunds/create", refunded(9, 11, 1, "cancel")), grouptest.Done, "", 0)
	b.want(b.on("fulfillments/create", shipped2), grouptest.Done, "", 0)
	b.want(b.on("orders/cancelled", cancelled("")), grouptest.Done, "", 0)
	b.want(b.on("refunds/create", refunded(9, 11, 1, "cancel")), grouptest.Skipped, skipDone, 0)
	b.want(b.on("orders/cancelled", cancelled("")), grouptest.Skipped, skipDone, 0)
	failed := map[string]bool{}
	b.after = func(key string) error { // the releases fail once each
		if strings.HasPrefix(key, "release:") && !failed[key] {
			failed[key] = true
			return errAway
		}
		return nil
	}
	for range 2 {
		if got := b.on("orders/create", created); got.Kind != grouptest.Retry || strings.Contains(string(b.StateValue), `"known"`) {
			t.Errorf("a failure in the middle: %+v, state %s, want a retry", got, b.StateValue)
		}
	}
	b.want(b.on("orders/create", created), grouptest.Done, "", 2) // the two that were shipped
	if strings.Contains(string(b.StateValue), `"early"`) {
		t.Errorf("state %s still remembers what was done", b.StateValue)
	}
	want := []string{"reserve:acme.myshopify.com:1", "release:acme.myshopify.com:9", "release:acme.myshopify.com:1:cancelled"}
	if !slices.Equal(b.effects, want) {
		t.Errorf("calls %v, want %v", b.effects, want)
	}
}

func TestAnOrderTheStockSystemDoesNotKnowIsWaitedFor(t *testing.T) {
	b := setup(t)
	b.on("orders/create", created)
	b.known = false
	before := string(b.StateValue)
	b.want(b.on("orders/cancelled", cancelled("")), grouptest.NotReady, "", 5)
	if string(b.StateValue) != before {
		t.Errorf("state %s, want it as before: %s", b.StateValue, before)
	}
}

func TestWhatNeedsNoGoodsIsSkippedWithItsReason(t *testing.T) {
	for _, tc := range []struct{ body, reason string }{
		{`{"id":1,"test":true,"line_items":[{"id":11,"variant_id":111,"quantity":1}]}`, skipTest},
		{`{"id":1,"line_items":[]}`, skipNoStock},
		{`{"id":1,"line_items":[{"id":11,"quantity":1},{"id":12,"variant_id":5,"quantity":0},{"id":13,"variant_id":5,"quantity":1,"gift_card":true}]}`, skipNoStock},
		{cancelled(""), skipCancelled},
	} {
		for _, early := range []func(*Config){wait, remember} {
			b := setup(t, early)
			b.on("refunds/create", refunded(9, 11, 1, "return"))
			b.want(b.on("orders/create", tc.body), grouptest.Skipped, tc.reason, 0)
			// Its later events need not wait.
			b.want(b.on("orders/cancelled", cancelled("")), grouptest.Skipped, skipNothing, 0)
			b.want(b.on("refunds/create", refunded(9, 11, 1, "return")), grouptest.Skipped, skipNothing, 0)
			if len(b.effects) != 0 {
				t.Errorf("%s: calls %v", tc.reason, b.effects)
			}
		}
	}
	// What can be told without the order does not wait for it.
	b := setup(t)
	b.want(b.on("orders/cancelled", `{"id":1,"test":true}`), grouptest.Skipped, skipTest, 0)
	b.want(b.on("orders/cancelled", `{"id":1,"line_items":[]}`), grouptest.Skipped, skipNoStock, 0)
	b.want(b.on("refunds/create", `{"id":9,"order_id":1,"refund_line_items":[]}`), grouptest.Skipped, skipNoRelease, 0)
}

func TestOtherTopicsAreSkippedUnread(t *testing.T) {
	b := setup(t)
	b.StateValue = []byte("not even the state is read")
	for topic, reason := range map[string]string{
		"orders/updated": skipNotForUs, "orders/paid": skipNotForUs, "orders/delete": skipNotForUs, "order_transactions/create": skipNotForUs,
		"brand_new/topic": skipNotForUs, "orders/edited": skipEdited,
	} {
		b.want(b.on(topic, "no JSON"), grouptest.Skipped, reason, 0)
	}
}

func TestWhatCannotBeReadIsADeadLetter(t *testing.T) {
	for topic, bodies := range map[string][]string{
		"orders/create":       {"", "[]", `{"line_items":[]}`, `{"id":1}`, `{"id":1,"line_items":[{"id":"x"}]}`},
		"orders/cancelled":    {"{", `{}`},
		"refunds/create":      {"{", `{"order_id":1}`, `{"id":1}`},
		"fulfillments/create": {"{", `{"order_id":1}`, `{"id":1}`},
	} {
		for _, body := range bodies {
			b := setup(t)
			b.want(b.on(topic, body), grouptest.Permanent, "", 0)
		}
	}
	for _, state := range []string{"{", `{"v":2}`} {
		b := setup(t)
		b.StateValue = []byte(state)
		b.want(b.on("orders/create", created), grouptest.Permanent, "", 0)
	}
}

func TestAVerdictOfTheStockSystemIsHandedOn(t *testing.T) {
	for _, tc := range []struct {
		err  error
		kind grouptest.Kind
	}{
		{errAway, grouptest.Retry},
		{outgoing.Answered(group.Permanent(errAway)), grouptest.Permanent},
		{group.Unavailable(time.Minute, errAway), grouptest.Unavailable},
	} {
		b := setup(t)
		b.before = func(string) error { return tc.err }
		b.want(b.on("orders/create", created), tc.kind, "", 0)
		if b.StateValue != nil {
			t.Errorf("%v: state %s, want none", tc.err, b.StateValue)
		}
		b.before = nil
		b.want(b.on("orders/create", created), grouptest.Done, "", 5)
	}
}

func TestTheGateClosesWhenTheStockSystemIsAway(t *testing.T) {
	w := newWarehouse()
	w.before = func(string) error { return errAway }
	b := &bench{warehouse: w, t: t, h: newHandler(t, w, func(c *Config) { c.Call.Breaker.MinimumCalls = 3 })}
	for range 2 {
		b.want(b.on("orders/create", created), grouptest.Retry, "", 0)
	}
	for range 2 { // what closes the gate burns no attempt either
		b.want(b.on("orders/create", created), grouptest.Unavailable, "", 0)
	}
	if h, ok := b.h.(*handler); !ok || h.call.Permits() != 0 {
		t.Error("the gate is open")
	}
	b.want(b.on("orders/updated", ""), grouptest.Skipped, skipNotForUs, 0)
}

// samples returns the sample bodies of a topic. The collection is not part of the repository.
func samples(t *testing.T, topic string) map[string]string {
	t.Helper()
	dir := os.Getenv("MILLRACE_PAYLOADS")
	if dir == "" {
		dir = "../../../shared/payloads"
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatalf("MILLRACE_TEST_SERVICES=required: %v", err)
		}
		t.Skipf("needs sample bodies (MILLRACE_PAYLOADS): %v", err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, strings.ReplaceAll(topic, "/", "__"), "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples of %s in %s: %v", topic, dir, err)
	}
	bodies := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bodies[path] = string(text)
	}
	return bodies
}

func TestEverySampleBodyIsUnderstood(t *testing.T) {
	// Shopify's samples are of a cancelled test order, whose refund puts nothing back: they are tried as they are, and made real.
	for path, body := range samples(t, "orders/create") {
		b := setup(t)
		b.want(b.on("orders/create", body), grouptest.Skipped, skipTest, 0)
		b = setup(t)
		body = strings.Replace(body, `"test": true`, `"test": false`, 1)
		b.want(b.on("orders/create", body), grouptest.Skipped, skipCancelled, 0)
		body = strings.Replace(body, `"cancelled_at"`, `"cancelled_then"`, 1)
		b = setup(t)
		if strings.Contains(body, `"variant_id": 808950810`) {
			b.want(b.on("orders/create", body), grouptest.Done, "", 2)
		} else {
			b.want(b.on("orders/create", body), grouptest.Skipped, skipNoStock, 0) // all its lines are custom ones
		}
		if t.Failed() {
			t.Fatal(path)
		}
	}
	const order = `{"id":820982911946154500,"line_items":[{"id":866550311766439000,"variant_id":808950810,"quantity":1},{"id":487817672276298560,"variant_id":7,"quantity":1}]}`
	for path, body := range samples(t, "orders/cancelled") {
		b := setup(t)
		b.want(b.on("orders/cancelled", body), grouptest.Skipped, skipTest, 0)
		b.on("orders/create", order)
		body = strings.Replace(body, `"test": true`, `"test": false`, 1)
		if strings.Contains(body, `"variant_id": 808950810`) {
			b.want(b.on("orders/cancelled", body), grouptest.Done, "", 0)
		} else {
			b.want(b.on("orders/cancelled", body), grouptest.Skipped, skipNoStock, 2)
		}
		if t.Failed() {
			t.Fatal(path)
		}
	}
	for path, body := range samples(t, "refunds/create") {
		b := setup(t)
		b.on("orders/create", order)
		b.want(b.on("refunds/create", body), grouptest.Skipped, skipNoRelease, 2)
		b.want(b.on("refunds/create", strings.ReplaceAll(body, "no_restock", "cancel")), grouptest.Done, "", 1)
		if t.Failed() {
			t.Fatal(path)
		}
	}
	for _, topic := range []string{"fulfillments/create", "fulfillments/update"} {
		for path, body := range samples(t, topic) {
			b := setup(t, wait)
			body = strings.Replace(body, `"order_id": 820982911946154500`, `"order_id": 1`, 1)
			b.want(b.on(topic, body), grouptest.NotReady, "", 0)
			b.on("orders/create", created)
			b.want(b.on(topic, body), grouptest.Done, "", 5)
			if t.Failed() {
				t.Fatal(path)
			}
		}
	}
	for path, body := range samples(t, "orders/edited") {
		b := setup(t)
		if b.want(b.on("orders/edited", body), grouptest.Skipped, skipEdited, 0); t.Failed() {
			t.Fatal(path)
		}
	}
}

func BenchmarkHandle(b *testing.B) {
	for _, topic := range []string{"orders/updated", "orders/create"} {
		b.Run(topic, func(b *testing.B) {
			w := newWarehouse()
			h := newHandler(b, w)
			e := event(topic, created)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e.Body = fmt.Appendf(e.Body[:0], `{"id":%d%s`, i+1, created[len(`{"id":1`):])
				if out := h.Handle(b.Context(), e, &grouptest.Unit{}); topic == "orders/create" && out != nil {
					b.Fatal(out)
				}
			}
		})
	}
}
