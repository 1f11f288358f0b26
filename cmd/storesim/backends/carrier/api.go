package carrier

import (
	"net/http"
	"time"

	"millrace/cmd/storesim/backends/faults"
	"millrace/cmd/storesim/backends/partner"
)

// Config is how shipments move. Zero: they stay as they are.
type Config struct {
	ShipAfter    time.Duration // after it was accepted
	DeliverAfter time.Duration // after it left
}

// New builds the HTTP handler. The backend in d is set here.
func New(d partner.Deps, cfg Config) *partner.API {
	d.Backend = faults.Carrier
	api, s := partner.New(d), &state{cfg: cfg, orders: map[partner.Order][]*shipment{}}
	undeliverable := partner.Refuse(http.StatusUnprocessableEntity, reasonUndeliverable)
	partner.Handle(api, "POST /v1/shipments", func(_ *http.Request, body order) (partner.Call, error) {
		of := partner.Order{Shop: body.Shop, ID: body.OrderID}
		return partner.Call{
			Operation: faults.Ship, Shop: of.Shop, Order: of.ID, Content: []any{body.Name, body.Lines, body.Address}, Opens: true, Refusal: &undeliverable,
			Do: func() partner.Answer { return s.ship(of, body) },
		}, body.check()
	})
	partner.Handle(api, "POST /v1/shipments/{shop}/{order}/cancel", func(r *http.Request, body cancellation) (partner.Call, error) {
		of := partner.Order{Shop: r.PathValue("shop"), ID: r.PathValue("order")}
		return partner.Call{
			Operation: faults.Cancel, Shop: of.Shop, Order: of.ID, Content: body.Reason, Closes: body.Close,
			Do: func() partner.Answer { return s.cancel(of, body) },
		}, partner.CheckReason(body.Reason)
	})
	api.HandleRead("GET /v1/shipments/{shop}/{order}", s.read)
	return api
}
