package payment

import (
	"fmt"
	"net/http"

	"github.com/shopspring/decimal"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/partner"
)

// state is what was charged and refunded. Its methods are called one after another.
type state struct {
	accounts map[partner.Order]*account
	ids      int64
}

// account is the money of one order.
type account struct {
	id, currency      string // of the first charge
	charged, refunded decimal.Decimal
	places            int32 // decimals of what is shown
}

func (a *account) text(d decimal.Decimal) string { return d.StringFixed(a.places) }

func (s *state) charge(of partner.Order, c charge) partner.Answer {
	amount, err := parse(c.Amount)
	if err != nil {
		return partner.Invalid(err)
	}
	s.ids++
	e := effects.Entry{Kind: effects.Charged, Charge: fmt.Sprintf("ch-%d", s.ids), Amount: c.Amount, Currency: c.Currency}
	a, known := s.accounts[of]
	switch {
	case known && a.currency != c.Currency:
		return partner.Invalid(fmt.Errorf("currency must be that of the order's first charge, %s, is %q", a.currency, c.Currency))
	case known:
		e.Anomalies = []string{effects.DoubleCharge}
	default:
		a = &account{id: e.Charge, currency: c.Currency}
		s.accounts[of] = a
	}
	a.charged, a.places = a.charged.Add(amount), max(a.places, -amount.Exponent())
	return partner.Did(http.StatusCreated, map[string]string{"charge_id": e.Charge, "status": "succeeded"}, e)
}

func (s *state) refund(of partner.Order, r refund) partner.Answer {
	a, known := s.accounts[of]
	switch {
	case !known && r.Close:
		return partner.Nothing(http.StatusOK, map[string]string{"refunded": "0"})
	case !known:
		return partner.Early(reasonUnknown)
	}
	left := a.charged.Sub(a.refunded)
	wanted := left
	if r.Amount != "" {
		var err error
		if wanted, err = parse(r.Amount); err != nil {
			return partner.Invalid(err)
		}
	}
	given := decimal.Min(wanted, left)
	answer := map[string]string{"refunded": a.text(given)}
	if wanted.IsZero() {
		return partner.Nothing(http.StatusOK, answer)
	}
	e := effects.Entry{Kind: effects.Refunded, Charge: a.id, Amount: a.text(given), Currency: a.currency, Reason: r.Reason}
	if wanted.GreaterThan(left) {
		e.Anomalies = []string{effects.OverRefund}
	}
	a.refunded = a.refunded.Add(given)
	return partner.Did(http.StatusOK, answer, e)
}

func (s *state) read(of partner.Order) partner.Answer {
	a, known := s.accounts[of]
	if !known {
		return partner.Early(reasonUnknown)
	}
	status := "succeeded"
	switch {
	case a.refunded.IsZero():
	case a.refunded.LessThan(a.charged):
		status = "partially_refunded"
	default:
		status = "refunded"
	}
	return partner.Tell(http.StatusOK, map[string]string{
		"status": status, "charged": a.text(a.charged), "refunded": a.text(a.refunded), "currency": a.currency,
	})
}
