package fulfillment

import (
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/consumers/group/grouptest"
	"millrace/schemas"
)

func TestAPaidOrderIsShippedOnce(t *testing.T) {
	b := setup(t)
	b.want(b.on("orders/create", order), grouptest.Done, "")
	b.want(b.on("orders/paid", order), grouptest.Done, "", shipped)
	b.want(b.on("orders/paid", order), grouptest.Skipped, skipDone, shipped) // under another webhook id
	b.want(b.on("orders/updated", order), grouptest.Skipped, skipNotForUs, shipped)
	want := `{"shop":"acme.myshopify.com","order_id":"1","name":"#1001","lines":[{"variant_id":"111","sku":"A","quantity":3},{"variant_id":"112","sku":"","quantity":2}],` +
		`"address":{"first_name":"","last_name":"","name":"Zoë","company":"","address1":"Main St 1","address2":"","city":"Bern","zip":"","province":"","province_code":"","country":"","country_code":"CH","phone":""}}`
	if b.done[shipped] != want {
		t.Errorf("asked for %s, want %s", b.done[shipped], want)
	}
	if told := b.told(); !slices.Equal(told, []string{schemas.TypeFulfillmentStarted}) || len(b.tasks()) != 1 {
		t.Errorf("told %v, want that it has started, and one task", told)
	}
	if want := []string{"shipment shp-1 created: 3 × A, 2 × variant 112"}; !slices.Equal(b.Notes, want) {
		t.Errorf("notes %q, want %q", b.Notes, want)
	}
}

func TestAnOrderIsShippedWhenItIsCreatedBySetting(t *testing.T) {
	for _, topic := range []string{"orders/create", "orders/paid"} { // whichever comes first
		b := setup(t, onCreation)
		b.want(b.on(topic, order), grouptest.Done, "", shipped)
	}
}

func TestWhatIsNotToBeShippedIsSkippedByItsReason(t *testing.T) {
	for reason, body := range map[string]string{
		skipTest:       `{"id":1,"test":true,"line_items":[` + lines + `],` + address + `}`,
		skipCancelled:  cancelled(),
		skipNoAddress:  `{"id":1,"line_items":[` + lines + `],"shipping_address":null}`,
		skipNoShipping: `{"id":1,"line_items":[{"id":13,"quantity":1,"requires_shipping":false},{"id":14,"quantity":1,"gift_card":true}],` + address + `}`,
	} {
		b := setup(t)
		b.want(b.on("orders/paid", body), grouptest.Skipped, reason)
	}
	for why, body := range map[string]string{
		"no id":                            `{"line_items":[]}`,
		"no line_items":                    `{"id":1}`,
		"line 11 has no requires_shipping": `{"id":1,"line_items":[{"id":11,"quantity":1}]}`,
		"read body":                        `[]`,
	} {
		b := setup(t)
		got := b.on("orders/paid", body)
		b.want(got, grouptest.Permanent, "")
		if !strings.Contains(got.Err.Error(), why) {
			t.Errorf("%v, want %s", got.Err, why)
		}
	}
}

func TestOnlyWhatIsLeftOfALineIsShipped(t *testing.T) {
	line := func(rest string) string {
		return `{"id":1,"line_items":[{"id":11,"sku":"A","quantity":5,"requires_shipping":true` + rest + `}],` + address
	}
	const inBody = `,"refunds":[{"id":9,"refund_line_items":[{"line_item_id":11,"quantity":2}]}]}`
	for name, tc := range map[string]struct {
		body    string
		refunds []string // that have come before
		want    string
	}{
		"all":                                  {line("") + "}", nil, "5"},
		"current quantity":                     {line(`,"current_quantity":4`) + "}", nil, "4"},
		"some were sent by the shop":           {line(`,"current_quantity":4,"fulfillable_quantity":1`) + "}", nil, "1"},
		"a refund that the body has":           {line(`,"current_quantity":3`) + inBody, []string{refunded(9, 11, 2)}, "3"},
		"a refund that the body does not have": {line(`,"current_quantity":3`) + inBody, []string{refunded(9, 11, 2), refunded(10, 11, 1)}, "2"},
		"a refund of another line":             {line("") + "}", []string{refunded(9, 12, 2)}, "5"},
		"no quantities but the first":          {line("") + inBody, []string{refunded(9, 11, 2), refunded(10, 11, 1)}, "2"},
		"nothing":                              {line("") + "}", []string{refunded(9, 11, 3), refunded(10, 11, 2)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.on("orders/create", order)
			for _, r := range tc.refunds {
				b.want(b.on("refunds/create", r), grouptest.Done, "")
				b.want(b.on("refunds/create", r), grouptest.Skipped, skipDone)
			}
			if tc.want == "" {
				b.want(b.on("orders/paid", tc.body), grouptest.Skipped, skipNoShipping)
				return
			}
			b.want(b.on("orders/paid", tc.body), grouptest.Done, "", shipped)
			if want := `"lines":[{"variant_id":"","sku":"A","quantity":` + tc.want + `}]`; !strings.Contains(b.done[shipped], want) {
				t.Errorf("shipped %s, want %s", b.done[shipped], want)
			}
		})
	}
}

func TestAShipmentGoesOutAsItWasMade(t *testing.T) {
	b := setup(t)
	b.on("orders/paid", order)
	b.Notes = nil
	b.want(b.on("refunds/create", refunded(9, 11, 1)), grouptest.Skipped, skipMade, shipped)
	b.want(b.on("orders/edited", `{"order_edit":{}}`), grouptest.Skipped, skipEdited, shipped)
	if want := []string{"refunded after the shipment was made: it goes out as it is", "edited after the shipment was made: it goes out as it is"}; !slices.Equal(b.Notes, want) {
		t.Errorf("notes %q, want %q", b.Notes, want)
	}
	b.want(b.on("refunds/create", `{"id":10,"order_id":1,"refund_line_items":[]}`), grouptest.Skipped, skipNoGoods, shipped)
}

func TestARefundBeforeItsOrderWaitsOrIsRemembered(t *testing.T) {
	b := setup(t)
	got := b.on("refunds/create", refunded(9, 11, 3))
	b.want(got, grouptest.NotReady, "")
	if got.After != time.Second {
		t.Errorf("again after %s, want 1s", got.After)
	}
	b = setup(t, remember)
	b.want(b.on("refunds/create", refunded(9, 11, 3)), grouptest.Done, "")
	b.want(b.on("orders/paid", order), grouptest.Done, "", shipped)
	if strings.Contains(b.done[shipped], `"sku":"A"`) {
		t.Errorf("shipped %s, although A was refunded", b.done[shipped])
	}
}

func TestACancellationCancelsAndCloses(t *testing.T) {
	b := setup(t)
	b.on("orders/paid", order)
	b.told()
	b.want(b.on("orders/cancelled", cancelled()), grouptest.Done, "", shipped, undone)
	if told := b.told(); !slices.Equal(told, []string{schemas.TypeShipmentCancelled}) || b.status.Status != schemas.ShipmentStatusCancelled {
		t.Errorf("told %v, the shipment is %s", told, b.status.Status)
	}
	b.want(b.on("orders/cancelled", cancelled()), grouptest.Skipped, skipDone, shipped, undone)
	b.want(b.on("orders/delete", `{"id":1}`), grouptest.Skipped, skipDone, shipped, undone)
	b.want(b.on("refunds/create", refunded(9, 11, 1)), grouptest.Skipped, skipCancelled, shipped, undone)
	if b.Notes[len(b.Notes)-1] != "shipment shp-1 cancelled" {
		t.Errorf("notes %q", b.Notes)
	}
}

func TestAnOrderCancelledBeforeItCameIsNeverShipped(t *testing.T) {
	for _, topic := range []string{"orders/cancelled", "orders/delete"} {
		b := setup(t, onCreation)
		b.want(b.on(topic, cancelled()), grouptest.Done, "", undone)
		b.want(b.on("orders/create", order), grouptest.Skipped, skipCancelled, undone)
		b.want(b.on("orders/paid", order), grouptest.Skipped, skipCancelled, undone)
		if told := b.told(); !slices.Equal(told, []string{schemas.TypeShipmentCancelled}) {
			t.Errorf("told %v", told)
		}
	}
	b := setup(t)
	digital := `{"id":1,"cancelled_at":"2026-11-23T04:00:00Z","line_items":[{"id":13,"quantity":1,"requires_shipping":false}]}`
	b.want(b.on("orders/cancelled", digital), grouptest.Skipped, skipNoShipping)
}

// A creation whose answer got lost, and which was given up: the carrier has a shipment that the service knows nothing of.
func TestACancellationReachesAShipmentThatTheServiceDoesNotKnow(t *testing.T) {
	b := setup(t)
	b.after = func(string) error { return errAway }
	b.want(b.on("orders/paid", order), grouptest.Retry, "", shipped)
	b.after = nil
	b.want(b.on("orders/cancelled", cancelled()), grouptest.Done, "", shipped, undone)
	if b.status.Status != schemas.ShipmentStatusCancelled {
		t.Errorf("the shipment is %s", b.status.Status)
	}
}

func TestWhatHasLeftIsNotCancelled(t *testing.T) {
	b := setup(t)
	b.on("orders/paid", order)
	b.move(schemas.ShipmentStatusShipped)
	b.told()
	b.want(b.on("orders/cancelled", cancelled()), grouptest.Skipped, skipShipped, shipped)
	b.want(b.on("orders/cancelled", cancelled()), grouptest.Skipped, skipDone, shipped)
	if told := b.told(); len(told) != 0 || b.Notes[len(b.Notes)-1] != "cancelled by the shop after the shipment had left" {
		t.Errorf("told %v, notes %q", told, b.Notes)
	}
}

func TestAnOrderThatIsClosedAtTheCarrierIsNotShipped(t *testing.T) {
	b := setup(t)
	b.closed = true // by a saga
	b.want(b.on("orders/paid", order), grouptest.Skipped, skipClosed)
	b.want(b.on("orders/paid", order), grouptest.Skipped, skipDone)
}

func TestAStateFromTheFutureIsLeftAlone(t *testing.T) {
	b := setup(t)
	b.StateValue = []byte(`{"v":2}`)
	b.want(b.on("orders/paid", order), grouptest.Permanent, "")
}
