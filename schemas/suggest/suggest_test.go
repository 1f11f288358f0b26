package suggest_test

import (
	"testing"

	"millrace/schemas/suggest"
)

func TestTheNearestNameIsOneThatASlipOfTheHandMakes(t *testing.T) {
	names := []string{"orders/create", "orders/paid", "refunds/create"}
	for wrong, want := range map[string]string{
		"orders/created": "orders/create",
		"order/paid":     "orders/paid",
		"refund/create":  "refunds/create",
		"orders/create":  "orders/create",
		"themes/publish": "",
		"":               "",
	} {
		if got := suggest.Nearest(wrong, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", wrong, got, want)
		}
	}
	if got := suggest.Nearest("ab", []string{"ac", "aa"}); got != "aa" {
		t.Errorf("of two that are as near %q was chosen, want the first by name", got)
	}
}
