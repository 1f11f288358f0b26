package saga

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"millrace/deploy/bench/chaos/saga/check"
	"millrace/deploy/bench/chaos/saga/gate"
	"millrace/partitioning"
	"millrace/schemas"
)

func TestShortChangesDefaultsAndNotWhatIsGiven(t *testing.T) {
	o, err := parse([]string{"-target", "saga", "-short", "-kills=50"}, io.Discard)
	if err != nil || o.Kills != 50 || o.Every != time.Second || o.Longest != 100*time.Second {
		t.Errorf("parse() = %+v, %v", o, err)
	}
	if _, err := parse([]string{"-shops", "1", "-refused", "0.7"}, io.Discard); err == nil {
		t.Error("nonsense is taken")
	}
}

func TestOrdersAreWhatTheirFateSays(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	const n = 3_000
	a := author{o: &o, dice: rand.New(rand.NewPCG(1, 1))}
	count, cancelled, late := map[check.Fate]int{}, 0, 0
	for range n {
		known, told := a.order(time.Now())
		count[known.Fate]++
		if known.Cancelled {
			cancelled++
		}
		if told[0].topic != "orders/create" {
			t.Fatalf("it begins with %s", told[0].topic)
		}
		last := slices.MaxFunc(told, func(x, y delivery) int { return x.at.Compare(y.at) })
		if last.topic == "orders/create" && len(known.Versions) > 1 {
			late++
		}
		for _, d := range told {
			see(t, &known, &d)
		}
	}
	near := func(what string, got int, want float64) {
		if share := float64(got) / n; share < want-0.02 || share > want+0.02 {
			t.Errorf("%s: share %g, want %g", what, share, want)
		}
	}
	near("declined", count[check.Declined], 0.05)
	near("sold out", count[check.SoldOut], 0.05)
	near("undeliverable", count[check.Undeliverable], 0.05)
	near("cancelled", cancelled, o.Cancelled)
	if late == 0 {
		t.Error("no edit comes before its order")
	}
}

// see compares a body with what is known of its order.
func see(t *testing.T, known *check.Order, d *delivery) {
	t.Helper()
	route, err := partitioning.For(d.order.Shop, d.topic, d.body)
	if err != nil || route.Key != known.Shop+"|order/"+known.ID || route.Topic != schemas.DomainOrders.KafkaTopic() {
		t.Fatalf("%s goes to %+v, %v", d.topic, route, err)
	}
	var body struct {
		Total     string `json:"total_price"`
		Cancelled string `json:"cancelled_at"`
		Lines     []struct {
			SKU      string `json:"sku"`
			Quantity int64  `json:"quantity"`
		} `json:"line_items"`
		Address map[string]string `json:"shipping_address"`
	}
	if err := json.Unmarshal(d.body, &body); err != nil {
		t.Fatal(err)
	}
	v := check.Version{Total: body.Total, Units: body.Lines[0].Quantity}
	if !slices.Contains(known.Versions, v) || (body.Lines[0].SKU == soldOutSKU) != (known.Fate == check.SoldOut) ||
		(body.Address["city"] == "") != (known.Fate == check.Undeliverable) || (body.Cancelled != "") != (d.topic == "orders/cancelled") {
		t.Fatalf("%s of a %s order: %s", d.topic, known.Fate, d.body)
	}
}

func TestStepsAreKnownByWhatTheyDo(t *testing.T) {
	for want, step := range map[gate.Op]schemas.SagaStep{
		gate.Ship: {Step: "fulfil"}, gate.Cancel: {Step: "fulfil", Compensation: true}, gate.Confirm: {Step: "confirm"},
	} {
		if op, ok := opOf(&step); !ok || op != want {
			t.Errorf("%+v is %s", step, op)
		}
	}
	if op, ok := opOf(&schemas.SagaStep{Step: "confirm", Compensation: true}); ok {
		t.Errorf("a confirmation is undone by %s", op)
	}
}
