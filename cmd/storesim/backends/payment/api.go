package payment

import (
	"net/http"

	"millrace/cmd/storesim/backends/faults"
	"millrace/cmd/storesim/backends/partner"
)

// New builds the HTTP handler. The backend in d is set here.
func New(d partner.Deps) *partner.API {
	d.Backend = faults.Payment
	api, s := partner.New(d), &state{accounts: map[partner.Order]*account{}}
	declined := partner.Refuse(http.StatusPaymentRequired, reasonDeclined)
	partner.Handle(api, "POST /v1/charges", func(_ *http.Request, body charge) (partner.Call, error) {
		of := partner.Order{Shop: body.Shop, ID: body.OrderID}
		return partner.Call{
			Operation: faults.Charge, Shop: of.Shop, Order: of.ID, Content: []string{body.Amount, body.Currency}, Opens: true, Refusal: &declined,
			Do: func() partner.Answer { return s.charge(of, body) },
		}, body.check()
	})
	partner.Handle(api, "POST /v1/charges/{shop}/{order}/refund", func(r *http.Request, body refund) (partner.Call, error) {
		of := partner.Order{Shop: r.PathValue("shop"), ID: r.PathValue("order")}
		return partner.Call{
			Operation: faults.Refund, Shop: of.Shop, Order: of.ID, Content: []string{body.Reason, body.Amount}, Closes: body.Close,
			Do: func() partner.Answer { return s.refund(of, body) },
		}, body.check()
	})
	api.HandleRead("GET /v1/charges/{shop}/{order}", s.read)
	return api
}
