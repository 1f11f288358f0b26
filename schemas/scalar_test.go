package schemas_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"millrace/schemas"
)

func TestIDIsExactFromEveryForm(t *testing.T) {
	tests := map[string]schemas.ID{
		`820982911946154508`:                                    820982911946154508,
		`"820982911946154508"`:                                  820982911946154508,
		`"gid://shopify/Order/820982911946154508"`:              820982911946154508,
		`"gid://shopify/InventoryLevel/24?inventory_item_id=7"`: 24,
		`"gid://shopify/Order/12?next=/a/b"`:                    12,
		`9223372036854775807`:                                   9223372036854775807,
		`null`:                                                  0,
		`""`:                                                    0,
		`0`:                                                     0,
	}
	for text, want := range tests {
		id := schemas.ID(7)
		if err := json.Unmarshal([]byte(text), &id); err != nil || id != want {
			t.Errorf("%s gives %d and error %v, want %d", text, id, err, want)
		}
	}
	out, err := json.Marshal(struct{ A, B schemas.ID }{A: 820982911946154508})
	if want := `{"A":820982911946154508,"B":0}`; err != nil || string(out) != want {
		t.Errorf("written as %s (%v), want %s", out, err, want)
	}
	if s := schemas.ID(820982911946154508).String(); s != "820982911946154508" {
		t.Errorf("String() = %s", s)
	}
}

func TestWhatIsNoIDIsAnError(t *testing.T) {
	for _, text := range []string{
		`1.5`, `1e3`, `-1`, `9223372036854775808`, `"abc"`, `"-1"`, `"+1"`, `"gid://shopify/CustomerPaymentMethod/0ecc"`, `"gid://shopify/Order/"`, `"gid://"`,
		`true`, `[1]`, `{"id":1}`, `" 1"`,
	} {
		var id schemas.ID
		if err := json.Unmarshal([]byte(text), &id); !errors.Is(err, schemas.ErrBadValue) {
			t.Errorf("%s gives %d and error %v, want ErrBadValue", text, id, err)
		}
	}
}

func TestMoneyKeepsTheDigitsItCameWith(t *testing.T) {
	tests := map[string]string{ // sent: written
		`"89.90"`:                          `"89.90"`,
		`"0.00"`:                           `"0.00"`,
		`"23600"`:                          `"23600"`,
		`"-5.25"`:                          `"-5.25"`,
		`89.99`:                            `"89.99"`,
		`0`:                                `"0"`,
		`0.1`:                              `"0.1"`,
		`1e2`:                              `"100"`,
		`"12345678901234567890.123456789"`: `"12345678901234567890.123456789"`,
		`null`:                             `null`,
		`""`:                               `null`,
	}
	for sent, want := range tests {
		m := schemas.NewMoney(decimal.NewFromInt(1))
		if err := json.Unmarshal([]byte(sent), &m); err != nil {
			t.Errorf("%s: %v", sent, err)
			continue
		}
		if got, err := json.Marshal(m); err != nil || string(got) != want {
			t.Errorf("%s is written as %s (%v), want %s", sent, got, err, want)
		}
		if m.IsNull() != (want == `null`) {
			t.Errorf("%s: IsNull() = %v", sent, m.IsNull())
		}
	}
}

func TestMoneyAddsUpExactly(t *testing.T) {
	a, errA := schemas.ParseMoney("0.10")
	b, errB := schemas.ParseMoney("0.2")
	want, errWant := schemas.ParseMoney("0.30")
	if err := errors.Join(errA, errB, errWant); err != nil {
		t.Fatal(err)
	}
	if sum := schemas.NewMoney(a.Decimal().Add(b.Decimal())); !sum.Equal(want) {
		t.Errorf("0.10 + 0.2 = %s", sum)
	}
	if (schemas.Money{}).Equal(schemas.NewMoney(decimal.Zero)) {
		t.Error("null equals zero")
	}
	if got := (schemas.Money{}).String(); got != "" {
		t.Errorf("null prints %q", got)
	}
}

func TestWhatIsNoAmountIsAnError(t *testing.T) {
	for _, text := range []string{
		`"abc"`, `"1,50"`, `"$5"`, `true`, `{}`, `[]`, `"1e999999999"`, `1e999999999`, `1e-999999999`, `"NaN"`, `"0x10"`, `" 1"`,
		`"123456789012345678901234567890123456789"`,
	} {
		var m schemas.Money
		if err := json.Unmarshal([]byte(text), &m); !errors.Is(err, schemas.ErrBadValue) {
			t.Errorf("%s gives %s and error %v, want ErrBadValue", text, m, err)
		}
	}
}

func TestTimeKeepsItsOffset(t *testing.T) {
	tests := map[string]string{ // sent: written
		`"2021-12-31T19:00:00-05:00"`: `"2021-12-31T19:00:00-05:00"`,
		`"2024-09-17T08:15:13.280Z"`:  `"2024-09-17T08:15:13.28Z"`,
		`"2022-05-18 08:30:00 -0400"`: `"2022-05-18T08:30:00-04:00"`,
		`"2021-12-30"`:                `"2021-12-30T00:00:00Z"`,
		`null`:                        `null`,
		`""`:                          `null`,
	}
	for sent, want := range tests {
		var v schemas.Time
		if err := json.Unmarshal([]byte(sent), &v); err != nil {
			t.Errorf("%s: %v", sent, err)
			continue
		}
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("%s is written as %s (%v), want %s", sent, got, err, want)
		}
	}
	for _, text := range []string{`"yesterday"`, `true`, `1640995200`, `"2021-12-31T19:00:00"`} {
		var v schemas.Time
		if err := json.Unmarshal([]byte(text), &v); !errors.Is(err, schemas.ErrBadValue) {
			t.Errorf("%s gives %s and error %v, want ErrBadValue", text, v, err)
		}
	}
}

func TestPropertiesReadTheSameInEveryShape(t *testing.T) {
	tests := map[string]schemas.Properties{
		`null`: nil,
		`[]`:   nil,
		`{}`:   nil,
		`[{"name":"z","value":"1"},{"name":"a","value":2},{"name":"n","value":null},{"name":"o","value":{"x":[1]}}]`: {{"z", "1"}, {"a", "2"}, {"n", ""}, {"o", `{"x":[1]}`}},
		`{"z":"1","a":2,"n":null,"o":{"x":[1]}}`: {{"z", "1"}, {"a", "2"}, {"n", ""}, {"o", `{"x":[1]}`}},
		`[{"name":7}]`:                           {{"7", ""}},
	}
	for text, want := range tests {
		item := schemas.LineItem{Properties: schemas.Properties{{"stale", "1"}}}
		if err := json.Unmarshal([]byte(`{"properties":`+text+`}`), &item); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, item.Properties); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	for _, text := range []string{`"x"`, `1`, `true`, `[1]`, `["a"]`} {
		var p schemas.Properties
		if err := json.Unmarshal([]byte(text), &p); !errors.Is(err, schemas.ErrBadValue) {
			t.Errorf("%s gives %v and error %v, want ErrBadValue", text, p, err)
		}
	}
}

// FuzzScalars feeds any text to the types that read one JSON value. Invariants: no panic, and what was accepted is written
// as JSON that reads back equal.
func FuzzScalars(f *testing.F) {
	for _, seed := range []string{`820982911946154508`, `"gid://shopify/Order/1?a=b"`, `"89.90"`, `1e2`, `"2021-12-31T19:00:00-05:00"`, `{"a":1}`, `[{"name":"a","value":"b"}]`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reread(t, data, func(a, b schemas.ID) bool { return a == b })
		reread(t, data, schemas.Money.Equal)
		reread(t, data, func(a, b schemas.Time) bool { return a.Equal(b.Time) })
		reread(t, data, func(a, b schemas.Properties) bool { return cmp.Equal(a, b) })
	})
}

func reread[T any](t *testing.T, data []byte, equal func(a, b T) bool) {
	t.Helper()
	var first, second T
	if json.Unmarshal(data, &first) != nil {
		return
	}
	out, err := json.Marshal(first)
	if err != nil {
		t.Fatalf("%T %v cannot be written: %v", first, first, err)
	}
	if err := json.Unmarshal(out, &second); err != nil || !equal(first, second) {
		t.Fatalf("%s became %s and then %+v (%v)", data, out, second, err)
	}
}
