package carrier

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"millrace/cmd/storesim/backends/partner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestShipmentsMoveByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &state{cfg: Config{ShipAfter: time.Hour, DeliverAfter: 2 * time.Hour}, orders: map[partner.Order][]*shipment{}}
		of := partner.Order{Shop: "s", ID: "1"}
		s.ship(of, order{Address: &address{Address1: "Main St 1", City: "Ghent", Country: "Belgium"}})
		for _, step := range []struct {
			after  time.Duration
			want   string
			cancel int // status of a cancellation then
		}{{0, accepted, 0}, {59 * time.Minute, accepted, 0}, {time.Minute, shipped, 409}, {119 * time.Minute, shipped, 409}, {time.Minute, delivered, 409}} {
			time.Sleep(step.after)
			var got struct{ Status string }
			if err := json.Unmarshal(s.read(of).Body(), &got); err != nil || got.Status != step.want {
				t.Errorf("%s (%v), want %s", got.Status, err, step.want)
			}
			if step.cancel != 0 {
				if a := s.cancel(of, cancellation{Close: true}); a.Status != step.cancel || a.Entry() != nil {
					t.Errorf("%s: cancellation %d %s", step.want, a.Status, a.Body())
				}
			}
		}
	})
}
