package sim

import (
	"github.com/shopspring/decimal"
)

// currency has as many decimals as ISO 4217 gives it: Shopify writes yen without a point.
type currency struct {
	code     string
	decimals int32
	perUSD   float64 // roughly; sets price levels, nothing depends on it being right
}

func currencies() []*currency {
	return []*currency{
		{"USD", 2, 1},
		{"EUR", 2, 0.92},
		{"GBP", 2, 0.79},
		{"CAD", 2, 1.37},
		{"JPY", 0, 150},
		{"KRW", 0, 1380},
		{"KWD", 3, 0.31},
	}
}

// money is an amount in the smallest unit of the shop's currency. Sums are exact; text is made at the edge.
type money int64

// text writes m as Shopify does: a decimal string with the currency's number of decimals.
func (c *currency) text(m money) string {
	return decimal.New(int64(m), -c.decimals).StringFixed(c.decimals)
}

// fromCents turns a US price into c's smallest unit, rounded to a price people charge.
func (c *currency) fromCents(cents int) money {
	units := decimal.NewFromFloat(float64(cents) / 100 * c.perUSD)
	places := int32(1)
	if c.decimals == 0 {
		places = -1
	}
	return money(units.Round(places).Shift(c.decimals).IntPart())
}

// share returns m × per10k / 10 000, rounded half away from zero.
func (m money) share(per10k int64) money {
	return money(decimal.New(int64(m), 0).Mul(decimal.New(per10k, -4)).Round(0).IntPart())
}

type amount struct {
	Amount       string `json:"amount"`
	CurrencyCode string `json:"currency_code"`
}

type moneySet struct {
	ShopMoney        amount `json:"shop_money"`
	PresentmentMoney amount `json:"presentment_money"`
}

// pricing is how one order shows money: in the shop's currency, in the one the buyer saw, and whether the shop's
// subscription leaves the *_set fields out.
type pricing struct {
	currency, presentment *currency
	rate                  decimal.Decimal // presentment units per shop unit
	compact               bool
}

func (p *pricing) text(m money) string { return p.currency.text(m) }

// set returns nil, and so no field, where the subscription leaves money sets out.
func (p *pricing) set(m money) *moneySet {
	if p.compact {
		return nil
	}
	s := amount{Amount: p.currency.text(m), CurrencyCode: p.currency.code}
	if p.presentment == p.currency {
		return &moneySet{ShopMoney: s, PresentmentMoney: s}
	}
	v := decimal.New(int64(m), -p.currency.decimals).Mul(p.rate)
	return &moneySet{ShopMoney: s, PresentmentMoney: amount{Amount: v.StringFixed(p.presentment.decimals), CurrencyCode: p.presentment.code}}
}
