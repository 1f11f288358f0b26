package notifications

import (
	"testing"

	"millrace/schemas"
)

func TestMoneyHasTheDecimalPlacesOfItsCurrencyAndIsNeverRounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ amount, currency, want string }{
		{"1234567.5", "EUR", "1,234,567.50 EUR"},
		{"0", "USD", "0.00 USD"},
		{"999.99", "USD", "999.99 USD"},
		{"1000", "USD", "1,000.00 USD"},
		{"-12345.00", "GBP", "-12,345.00 GBP"},
		{"23600.00", "JPY", "23,600 JPY"},
		{"23600.5", "JPY", "23,600.5 JPY"},
		{"1.2345", "EUR", "1.2345 EUR"},
		{"7.1", "KWD", "7.100 KWD"},
		{"9007199254740993.01", "EUR", "9,007,199,254,740,993.01 EUR"}, // beyond a float
		{"5", "", "5.00"},
	} {
		m, err := schemas.ParseMoney(c.amount)
		if err != nil {
			t.Fatal(err)
		}
		if got := money(m, c.currency); got != c.want {
			t.Errorf("money(%s, %s) = %q, want %q", c.amount, c.currency, got, c.want)
		}
	}
	if got := money(schemas.Money{}, "EUR"); got != "" {
		t.Errorf("money(null) = %q, want nothing", got)
	}
}
