package notifications

import (
	"strings"

	"millrace/schemas"
)

// money formats an amount as a customer reads it: 1,234.50 EUR. It has the decimal places of the currency, or more where the
// amount needs them, so that nothing is rounded. "" for no amount.
func money(m schemas.Money, currency string) string {
	if m.IsNull() {
		return ""
	}
	amount := m.Decimal()
	places := minorDigits(currency)
	for !amount.Equal(amount.Truncate(places)) {
		places++
	}
	return strings.TrimSpace(grouped(amount.StringFixed(places)) + " " + currency)
}

// grouped puts a comma between each three digits before the point.
func grouped(digits string) string {
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// minorDigits is how many decimal places ISO 4217 gives a currency.
func minorDigits(currency string) int32 {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	default:
		return 2
	}
}
