package erp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/outgoing"
)

func TestEveryVersionReplacesTheOneBefore(t *testing.T) {
	b := setup(t)
	b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Done, "", key("01"))
	b.want(b.on("orders/updated", order(5, "12.50"), 4*time.Second), grouptest.Done, "", key("01"), key("05"))
	if d := b.now["order/1"]; d.Shop != shopName || d.Version != "2026-11-23T10:00:05Z" || !strings.Contains(string(d.Content), `"total":"12.50"`) {
		t.Errorf("the ERP has %+v", d)
	}
	if want := []string{"sent to the ERP, as doc-1", "sent to the ERP, as doc-1"}; !slices.Equal(b.Notes, want) {
		t.Errorf("notes %q", b.Notes)
	}
	c := setup(t)
	c.want(c.on("customers/update", `{"id":7,"email":"jo@example.com","updated_at":"2026-11-23T10:00:01Z"}`, 0), grouptest.Done, "",
		"erp:acme.myshopify.com:customer/7:2026-11-23T10:00:01Z")
	c.told() // the store has what happened to orders
	if got := string(c.now["customer/7"].Content); got != `{"customer_id":"7","email":"jo@example.com","tax_exempt":false}` {
		t.Errorf("the ERP has %s", got)
	}
}

func TestOlderAndUnchangedVersionsAreNotSent(t *testing.T) {
	b := setup(t)
	b.on("orders/updated", order(5, "12.50"), 4*time.Second)
	b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Skipped, skipStale, key("05"))
	b.want(b.on("orders/updated", order(5, "12.50"), 4*time.Second), grouptest.Skipped, skipUnchanged, key("05")) // by another webhook id
	b.want(b.on("orders/paid", order(9, "12.50"), 8*time.Second), grouptest.Skipped, skipUnchanged, key("05"))
	b.want(b.on("orders/updated", order(7, "99.00"), 6*time.Second), grouptest.Skipped, skipStale, key("05")) // older than what changed nothing
	b.want(b.on("orders/updated", order(10, "13.00"), 9*time.Second), grouptest.Done, "", key("05"), key("10"))
}

func TestTwoDocumentsOfOneSecondHaveTwoVersions(t *testing.T) {
	b := setup(t)
	b.on("orders/create", order(1, "10.00"), 100*time.Millisecond)
	b.want(b.on("orders/paid", order(1, "11.00"), 300*time.Millisecond), grouptest.Done, "", key("01"), key("01.001"))
	b.want(b.on("orders/updated", order(1, "10.50"), 200*time.Millisecond), grouptest.Skipped, skipStale, key("01"), key("01.001"))
	b.want(b.on("orders/updated", order(1, "12.00"), 400*time.Millisecond), grouptest.Done, "", key("01"), key("01.001"), key("01.002"))
	b.want(b.on("orders/updated", order(2, "13.00"), 2*time.Second), grouptest.Done, "", key("01"), key("01.001"), key("01.002"), key("02"))
}

func TestWhatIsNotAWholeDocumentIsNotSent(t *testing.T) {
	for _, tc := range []struct {
		topic, body string
		kind        grouptest.Kind
		reason      string
	}{
		{"orders/edited", `{"order_edit":{"order_id":1}}`, grouptest.Skipped, skipEdited},
		{"orders/delete", `{"id":1}`, grouptest.Skipped, skipDeleted},
		{"customers/delete", `{"id":1}`, grouptest.Skipped, skipDeleted},
		{"fulfillments/create", `{}`, grouptest.Skipped, skipNotForUs},
		{"customer.tags_added", `{}`, grouptest.Skipped, skipNotForUs},
		{"orders/create", `{"id":1}`, grouptest.Permanent, ""},
		{"orders/create", `{"id":1,"updated_at":"2026-11-23T10:00:00Z"}`, grouptest.Permanent, ""}, // cut to its head
		{"orders/create", `{"updated_at":"2026-11-23T10:00:00Z","line_items":[]}`, grouptest.Permanent, ""},
		{"orders/create", `{"id":1,"updated_at":"yesterday","line_items":[]}`, grouptest.Permanent, ""},
		{"orders/create", strings.Replace(order(1, "1.00"), `{"id":1`, `{"test":true,"id":1`, 1), grouptest.Skipped, skipTest},
		{"customers/create", `{"id":7}`, grouptest.Permanent, ""},
		{"customers/create", `{"updated_at":"2026-11-23T10:00:00Z"}`, grouptest.Permanent, ""},
	} {
		b := setup(t)
		b.want(b.on(tc.topic, tc.body, 0), tc.kind, tc.reason)
	}
	b := setup(t)
	b.StateValue = []byte(`{"v":2}`) // of a newer program
	b.want(b.on("orders/create", order(1, "1.00"), 0), grouptest.Permanent, "")
}

func TestATryOfWhichNothingWasHeardIsRepeatedUnderItsKey(t *testing.T) {
	b := setup(t)
	lost := errors.New("connection reset")
	b.after = func(string) error { return lost }
	b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Retry, "", key("01"))
	b.after = nil
	b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Done, "", key("01"))

	// The mapping is another at the next try.
	b.after = func(string) error { return lost }
	b.want(b.on("orders/updated", order(2, "11.00"), time.Second), grouptest.Retry, "", key("01"), key("02"))
	b.after = nil
	b.svc = newService(t, b.books, nil, func(c *Config) { c.Mapping = []string{"reference=name"} })
	b.want(b.on("orders/updated", order(2, "11.00"), time.Second), grouptest.Done, "", key("01"), key("02"), key("02.001"))
	if got := string(b.now["order/1"].Content); !strings.Contains(got, `"reference":"#1001"`) {
		t.Errorf("the ERP has %s", got)
	}
}

func TestAnERPThatKnowsBetterIsLeftAlone(t *testing.T) {
	b := setup(t)
	b.on("orders/create", order(1, "10.00"), 0)
	b.now["order/1"] = Document{Version: "2026-11-23T10:00:30Z"} // written by somebody else
	b.want(b.on("orders/updated", order(5, "11.00"), 4*time.Second), grouptest.Skipped, skipKnown, key("01"))
	b.want(b.on("orders/updated", order(40, "10.00"), 40*time.Second), grouptest.Done, "", key("01"), key("40")) // what it had from us is gone
}

func TestWhileTheERPIsAwayItIsToldOnceThatADocumentIsProvisional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) {
			c.Fallback, c.Call.Breaker.FailuresInRow, c.Call.Breaker.HalfOpenCalls = FallbackProvisional, 2, 1
		})
		b.before = func(string) error { return errors.New("away") }
		b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Retry, "")
		b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Unavailable, "") // it opens the breaker
		if b.svc.Gate.Permits() != -1 {
			t.Error("the gate is closed, so that nothing could be told")
		}
		for i := range 3 {
			got := b.on("orders/create", order(1, "10.00"), 0)
			b.want(got, grouptest.Unavailable, "")
			if got.Kept != (i == 0) {
				t.Errorf("try %d: kept %v", i, got.Kept)
			}
		}
		if want := []string{"provisional: the ERP is away and has yet to get this version"}; !slices.Equal(b.Notes, want) {
			t.Errorf("notes %q, want %q", b.Notes, want)
		}
		b.before = nil
		time.Sleep(time.Minute)
		synctest.Wait()
		b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Done, "", key("01"))
		if strings.Contains(string(b.StateValue), "provisional") {
			t.Errorf("state %s after all is well", b.StateValue)
		}
		b.told("w-1/erp/ServiceProvisional/erp", "w-1/erp/ERPSynced/"+key("01"))
	})
}

func TestWhileTheERPIsAwayItIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *Config) { c.Call.Breaker.FailuresInRow = 1 })
		b.before = func(string) error { return errors.New("away") }
		b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Unavailable, "")
		got := b.on("orders/create", order(1, "10.00"), 0)
		if b.want(got, grouptest.Unavailable, ""); got.Kept || len(b.Notes) != 0 || b.svc.Gate.Permits() != 0 {
			t.Errorf("kept %v, notes %q, permits %d; want nothing but a closed gate", got.Kept, b.Notes, b.svc.Gate.Permits())
		}
	})
}

func TestWhileTheERPIsAwayTheAlternativeIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, other := setup(t), newBooks()
		b.svc = newService(t, b.books, other, func(c *Config) {
			c.Fallback, c.Alternative.URL, c.Call.Breaker.FailuresInRow, c.Call.Breaker.HalfOpenCalls = FallbackAlternative, "http://other", 1, 1
		})
		b.before = func(string) error { return errors.New("away") }
		b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Unavailable, "")
		b.want(b.on("orders/create", order(1, "10.00"), 0), grouptest.Done, "")
		if !slices.Equal(other.keys, []string{key("01")}) || b.svc.Gate.Permits() != -1 {
			t.Errorf("the alternative has %q, permits %d", other.keys, b.svc.Gate.Permits())
		}
		b.before = nil
		time.Sleep(time.Minute)
		synctest.Wait()
		b.want(b.on("orders/updated", order(2, "11.00"), time.Second), grouptest.Done, "", key("02"))
		if len(other.keys) != 1 {
			t.Errorf("the alternative has %q", other.keys)
		}
	})
}

func TestOneThatIsOvertakenIsKnownByItsBody(t *testing.T) {
	early, late := event("orders/create", order(1, "1.00"), 0), event("orders/updated", order(2, "2.00"), time.Second)
	second := event("orders/paid", order(1, "2.00"), 500*time.Millisecond) // of the same second
	cut := event("orders/updated", `{"id":1,"updated_at":"2026-11-23T10:00:09Z"}`, 9*time.Second)
	other := event("fulfillments/create", `{"id":1,"updated_at":"2026-11-23T10:00:09Z","line_items":[]}`, 9*time.Second)
	customer := event("customers/update", `{"id":1,"updated_at":"2026-11-23T10:00:09Z"}`, 9*time.Second)
	again := event("customers/update", `{"id":1,"updated_at":"2026-11-23T10:00:10Z"}`, 10*time.Second)
	for _, tc := range []struct {
		earlier, later *group.Event
		want           bool
	}{
		{early, late, true},
		{late, early, false},
		{early, early, false},
		{early, second, true},
		{second, early, false},
		{early, cut, false},
		{cut, late, false},
		{early, other, false},
		{other, late, false},
		{early, customer, false},
		{customer, again, true},
	} {
		if got := overtakes(tc.earlier, tc.later); got != tc.want {
			t.Errorf("%s %s by %s %s: %v", tc.earlier.Topic, tc.earlier.Body, tc.later.Topic, tc.later.Body, got)
		}
	}
}

func TestAFullLimitMakesTheEventWait(t *testing.T) {
	b := setup(t, func(c *Config) { c.Call.GroupRate = 1 })
	got := b.on("orders/create", order(1, "10.00"), 0)
	if b.want(got, grouptest.Unavailable, ""); !errors.Is(got.Err, outgoing.ErrRefused) || got.Kept {
		t.Errorf("without a share of the rate: %v", got.Err)
	}
	if shared, ok := b.svc.Gate.(group.Shared); ok {
		shared.Share(6, 6)
	} else {
		t.Fatal("the gate takes no share")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out := b.Handle(ctx, b.svc.Handler, event("orders/create", order(1, "10.00"), 0)); !errors.Is(out.Err, context.Canceled) {
		t.Errorf("a stop while it waits: %v", out.Err)
	}
}
