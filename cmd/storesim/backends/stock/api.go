package stock

import (
	"net/http"

	"millrace/cmd/storesim/backends/faults"
	"millrace/cmd/storesim/backends/partner"
)

// New builds the HTTP handler. The backend in d is set here.
func New(d partner.Deps, s *State) *partner.API {
	d.Backend = faults.Stock
	api := partner.New(d)
	partner.Handle(api, "POST /v1/reservations", func(_ *http.Request, body reservation) (partner.Call, error) {
		return partner.Call{
			Operation: faults.Reserve, Shop: body.Shop, Order: body.OrderID, Content: body.Lines, Opens: true,
			Do: func() partner.Answer {
				return s.reserve(body, func(sku string) bool { return d.Faults.Insufficient(body.Shop, sku) })
			},
		}, body.check()
	})
	partner.Handle(api, "POST /v1/reservations/{shop}/{order}/release", func(r *http.Request, body release) (partner.Call, error) {
		shop, order := r.PathValue("shop"), r.PathValue("order")
		return partner.Call{
			Operation: faults.Release, Shop: shop, Order: order, Content: []any{body.Reason, body.Lines}, Closes: body.Close,
			Do: func() partner.Answer { return s.release(partner.Order{Shop: shop, ID: order}, body) },
		}, body.check()
	})
	return api
}
