package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// ErrBadValue is wrapped by the errors of decoding an ID, Money, Time or Properties from a JSON value that cannot be one.
var ErrBadValue = errors.New("bad value")

// jsonNull is JSON's null.
const jsonNull = "null"

// text returns the text of a JSON string or number; ok is false for null and for an empty string, which Shopify sends
// where it means null. Any other JSON value is an error.
func text(data []byte) (s string, ok bool, err error) {
	switch {
	case len(data) == 0 || string(data) == jsonNull:
		return "", false, nil
	case data[0] == '"':
		if err := json.Unmarshal(data, &s); err != nil {
			return "", false, err
		}
		return s, s != "", nil
	case data[0] == '-' || (data[0] >= '0' && data[0] <= '9'):
		return string(data), true, nil
	default:
		return "", false, fmt.Errorf("%w: %.20s", ErrBadValue, data)
	}
}

// ID is the number that identifies a Shopify resource, exact beyond 2^53; 0 stands for none. It is read from a number, a
// string of digits or a gid ("gid://shopify/Order/123"), and null leaves 0. It is written as a number.
type ID int64

// String returns the decimal digits, or "" for none.
func (id ID) String() string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(int64(id), 10)
}

// UnmarshalJSON implements json.Unmarshaler. It fails, with ErrBadValue, on anything that is not a whole number from 0 to
// 2^63-1, such as 1.5 or a gid that ends in a token.
func (id *ID) UnmarshalJSON(data []byte) error {
	s, ok, err := text(data)
	if err != nil {
		return fmt.Errorf("decode id: %w", err)
	}
	*id = 0
	if !ok {
		return nil
	}
	n, err := ParseID(s)
	if err != nil {
		return err
	}
	*id = n
	return nil
}

// ParseID reads an id from digits or from a gid, whose query, if any, is passed over. Its error wraps ErrBadValue.
func ParseID(s string) (ID, error) {
	digits := s
	if rest, ok := strings.CutPrefix(s, "gid://"); ok {
		rest, _, _ = strings.Cut(rest, "?")
		digits = rest[strings.LastIndexByte(rest, '/')+1:]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || digits[0] == '+' || digits[0] == '-' {
		return 0, fmt.Errorf("%w: %.80q is not an id", ErrBadValue, s)
	}
	return ID(n), nil
}

// Money is an exact decimal amount that may be null; the zero value is null. It is read from a JSON string or number and
// written as a string with the decimal places it came with ("89.90", "23600"), so that nothing is ever a float.
type Money struct {
	amount decimal.Decimal
	set    bool
}

// moneyDigits bounds what an amount may be written with. ClickHouse's widest decimal, and so what can be kept exactly, is
// far above it; a text such as "1e999999999" would otherwise cost a gigabyte to print.
const moneyDigits = 38

// NewMoney returns an amount that is not null.
func NewMoney(amount decimal.Decimal) Money { return Money{amount: amount, set: true} }

// ParseMoney reads an amount from its decimal text. Its error wraps ErrBadValue.
func ParseMoney(s string) (Money, error) {
	if len(s) > 2*moneyDigits {
		return Money{}, fmt.Errorf("%w: an amount of %d characters", ErrBadValue, len(s))
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		return Money{}, fmt.Errorf("%w: %q is not an amount", ErrBadValue, s)
	}
	if d.NumDigits() > moneyDigits || d.Exponent() > moneyDigits || d.Exponent() < -moneyDigits {
		return Money{}, fmt.Errorf("%w: amount %q has more than %d digits", ErrBadValue, s, moneyDigits)
	}
	return NewMoney(d), nil
}

// IsNull reports whether there is no amount.
func (m Money) IsNull() bool { return !m.set }

// Decimal returns the amount, 0 when it is null.
func (m Money) Decimal() decimal.Decimal { return m.amount }

// Equal reports whether both are null or both are the same amount, however written: 1.5 equals 1.50.
func (m Money) Equal(o Money) bool { return m.set == o.set && m.amount.Equal(o.amount) }

// String returns the amount with the decimal places it came with, or "" when it is null.
func (m Money) String() string {
	if !m.set {
		return ""
	}
	return m.amount.StringFixed(max(0, -m.amount.Exponent()))
}

// MarshalJSON implements json.Marshaler: a string, or null.
func (m Money) MarshalJSON() ([]byte, error) {
	if !m.set {
		return []byte(jsonNull), nil
	}
	return []byte(`"` + m.String() + `"`), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Money) UnmarshalJSON(data []byte) error {
	s, ok, err := text(data)
	if err != nil {
		return fmt.Errorf("decode amount: %w", err)
	}
	*m = Money{}
	if !ok {
		return nil
	}
	*m, err = ParseMoney(s)
	return err
}

// Time is an instant in a body, with the UTC offset of the shop that it came with; the zero value is null. Compare
// instants (Equal, Before), never texts: offsets differ within one shop.
type Time struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. It reads RFC 3339 and, since product_feeds has them, times such as
// "2022-05-18 08:30:00 -0400" and plain dates (midnight UTC).
func (t *Time) UnmarshalJSON(data []byte) error {
	s, ok, err := text(data)
	if err != nil {
		return fmt.Errorf("decode time: %w", err)
	}
	*t = Time{}
	if !ok {
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 -0700", time.DateOnly} {
		if parsed, err := time.Parse(layout, s); err == nil {
			*t = Time{Time: parsed}
			return nil
		}
	}
	return fmt.Errorf("%w: %.80q is not a time", ErrBadValue, s)
}

// MarshalJSON implements json.Marshaler: RFC 3339 with the offset, or null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte(jsonNull), nil
	}
	return t.Time.MarshalJSON()
}

// Property is one custom property of a line item. Value is the text of a string, else the JSON of what was sent.
type Property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Properties are the custom properties of a line item. Shopify sends [], [{"name":…,"value":…}], {} or {"<name>":…} for
// them, or null, depending on topic and version; all read the same, in the order sent, and they are written as a list.
type Properties []Property

// UnmarshalJSON implements json.Unmarshaler.
func (p *Properties) UnmarshalJSON(data []byte) error {
	*p = nil
	switch {
	case string(data) == jsonNull:
		return nil
	case len(data) > 0 && data[0] == '[':
		var list []struct {
			Name  json.RawMessage `json:"name"`
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(data, &list); err != nil {
			return fmt.Errorf("%w: properties: %w", ErrBadValue, err)
		}
		for _, e := range list {
			*p = append(*p, Property{Name: textOrJSON(e.Name), Value: textOrJSON(e.Value)})
		}
		return nil
	case len(data) > 0 && data[0] == '{':
		return p.fromObject(data)
	default:
		return fmt.Errorf("%w: properties are %.20s", ErrBadValue, data)
	}
}

// fromObject reads the members by token, since a map would lose their order.
func (p *Properties) fromObject(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("%w: properties: %w", ErrBadValue, err)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%w: properties: %w", ErrBadValue, err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("%w: properties: %w", ErrBadValue, err)
		}
		*p = append(*p, Property{Name: fmt.Sprint(name), Value: textOrJSON(value)})
	}
	return nil
}

// textOrJSON returns the text of a JSON string, "" for null and nothing, and the JSON itself for anything else.
func textOrJSON(data json.RawMessage) string {
	if len(data) == 0 || string(data) == jsonNull {
		return ""
	}
	var s string
	if json.Unmarshal(data, &s) == nil {
		return s
	}
	return string(data)
}
