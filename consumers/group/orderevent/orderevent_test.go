package orderevent_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"millrace/consumers/group"
	"millrace/consumers/group/grouptest"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func webhook() *group.Event {
	e := &group.Event{Key: "acme.myshopify.com|order/7"}
	e.ID, e.Shop, e.Topic, e.Subject = "w1", "acme.myshopify.com", "orders/create", "order/7"
	return e
}

func TestWhatIsEmittedIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := &schemas.InventoryReserved{Effect: schemas.Effect{Effect: "reserve:acme.myshopify.com:7"}, Lines: []schemas.StockLine{{VariantID: "1", Quantity: 2}}}
		u := grouptest.Unit{Topics: []string{schemas.OrderEventsTopic}}
		if err := orderevent.Emit(&u, webhook(), "inventory", "the order came", data, &schemas.ServiceSettled{Service: "inventory"}); err != nil {
			t.Fatal(err)
		}
		if len(u.Emitted) != 2 {
			t.Fatalf("%d records, want 2", len(u.Emitted))
		}
		r := u.Emitted[0]
		if r.Topic != schemas.OrderEventsTopic || r.Key != webhook().Key {
			t.Errorf("to %s under %q", r.Topic, r.Key)
		}
		read := &group.Event{Body: r.Value, Key: r.Key}
		var err error
		if read.Event, err = schemas.ParseHeaders(r.Headers); err != nil {
			t.Fatal(err)
		}
		got, err := orderevent.Decode(read)
		now := time.Now().UTC()
		want := schemas.OrderEvent{
			ID: "w1/inventory/InventoryReserved/reserve:acme.myshopify.com:7", Shop: "acme.myshopify.com", OrderID: "7", At: now, Known: now,
			By: "inventory", Cause: "w1", Reason: "the order came", Data: data,
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestWhatCannotBeToldIsPermanent(t *testing.T) {
	shop := webhook()
	shop.Subject = "shop"
	for name, tt := range map[string]struct {
		e      *group.Event
		topics []string
		want   error
	}{
		"not about an order": {shop, nil, schemas.ErrNoOrder},
		"not among Emits":    {webhook(), []string{"other"}, nil},
	} {
		u := grouptest.Unit{Topics: tt.topics}
		err := orderevent.Emit(&u, tt.e, "inventory", "", &schemas.OrderDeleted{})
		if v := grouptest.Verdict(err); v.Kind != grouptest.Permanent || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := orderevent.Decode(webhook()); grouptest.Verdict(err).Kind != grouptest.Permanent || !errors.Is(err, schemas.ErrNotOrderEvent) {
		t.Errorf("a webhook was read as a domain event: %v", err)
	}
}
