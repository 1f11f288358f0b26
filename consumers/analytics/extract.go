package analytics

import (
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"github.com/tidwall/gjson"
)

// extracts are the typed fields of a body. They are an index to it, not a replacement: whatever cannot be read stays at its
// zero value and is counted, and the body is stored beside them.
type extracts struct {
	customerID                                     uint64
	name, currency, financialStatus, fulfillStatus string
	totalPrice, currentTotal, subtotal             string // decimal text that fits Decimal(18, 4)
	totalTax, totalDiscounts                       string
	test                                           bool
	createdAt, updatedAt, cancelledAt              time.Time
}

// problem is the kind of a field that could not be read.
type problem int

const (
	problemBody     problem = iota // the body is not a JSON object
	problemOrderID                 // the subject names an order, but not by a number
	problemCustomer                // customer.id is not a number of 64 bits
	problemMoney                   // not a decimal number, or too large or too fine for Decimal(18, 4)
	problemTime                    // not an RFC 3339 time
	problemRange                   // a time outside of what DateTime64 holds; the nearest it holds is stored
	problemText                    // not a string, or longer than its column should hold
	problemBool                    // neither true nor false
	problemMissing                 // not there or null, although each body of the topic has it and a read model needs it
	problemCount
)

func (p problem) String() string {
	return [...]string{"body", "order_id", "customer_id", "money", "time", "time_range", "text", "bool", "missing"}[p]
}

// problems counts by kind.
type problems [problemCount]int

// Lengths up to which a text is worth a column; statuses and currencies are dictionary-encoded, and one odd body must not
// blow up the dictionary of a whole part.
const (
	maxCodeBytes = 64
	maxNameBytes = 256
)

// extract reads the top-level fields of a body of the Shopify topic in one pass. Of a repeated key the first counts, as in
// the record key. The strings point into body. It never fails; see problem for what it counts.
func extract(topic, body string, x *extracts, p *problems) {
	*x = extracts{totalPrice: "0", currentTotal: "0", subtotal: "0", totalTax: "0", totalDiscounts: "0"}
	root := gjson.Parse(body)
	if !root.IsObject() {
		p[problemBody]++
		return
	}
	var seen fieldSet
	root.ForEach(func(key, v gjson.Result) bool {
		if f := fieldOf(key.Str); f != fieldNone && v.Type != gjson.Null && !seen.has(f) {
			seen.add(f)
			x.set(f, v, p)
		}
		return true
	})
	if left := needed(topic) &^ seen; left != 0 {
		p[problemMissing] += bits.OnesCount32(uint32(left))
	}
}

// needed returns the fields that every body of a topic has and without which it feeds no read model: the version of an
// entity, and the time by which its table is sorted. An id-only body, which replaces an oversized one, lacks them, and that
// is worth knowing too.
func needed(topic string) fieldSet {
	const updated, created = fieldSet(1) << fieldUpdatedAt, fieldSet(1) << fieldCreatedAt
	switch topic {
	case "orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/fulfilled", "orders/partially_fulfilled",
		"checkouts/create", "checkouts/update", "fulfillments/create", "fulfillments/update":
		return updated | created
	case "refunds/create":
		return created
	case "products/create", "products/update", "customers/create", "customers/update", "customers/enable", "customers/disable",
		"inventory_levels/update", "inventory_levels/connect":
		return updated
	default:
		return 0
	}
}

type field uint

const (
	fieldNone field = iota
	fieldName
	fieldTest
	fieldCurrency
	fieldCustomer
	fieldTotalTax
	fieldCreatedAt
	fieldUpdatedAt
	fieldTotalPrice
	fieldCancelledAt
	fieldSubtotal
	fieldTotalDiscounts
	fieldFinancialStatus
	fieldFulfillStatus
	fieldCurrentTotal
)

type fieldSet uint32

func (s fieldSet) has(f field) bool { return s&(1<<f) != 0 }
func (s *fieldSet) add(f field)     { *s |= 1 << f }

func fieldOf(key string) field {
	switch key {
	case "name":
		return fieldName
	case "test":
		return fieldTest
	case "currency":
		return fieldCurrency
	case "customer":
		return fieldCustomer
	case "total_tax":
		return fieldTotalTax
	case "created_at":
		return fieldCreatedAt
	case "updated_at":
		return fieldUpdatedAt
	case "total_price":
		return fieldTotalPrice
	case "cancelled_at":
		return fieldCancelledAt
	case "subtotal_price":
		return fieldSubtotal
	case "total_discounts":
		return fieldTotalDiscounts
	case "financial_status":
		return fieldFinancialStatus
	case "fulfillment_status":
		return fieldFulfillStatus
	case "current_total_price":
		return fieldCurrentTotal
	default:
		return fieldNone
	}
}

func (x *extracts) set(f field, v gjson.Result, p *problems) {
	switch f {
	case fieldNone:
	case fieldName:
		x.name = text(v, maxNameBytes, p)
	case fieldTest:
		x.test = boolean(v, p)
	case fieldCurrency:
		x.currency = text(v, maxCodeBytes, p)
	case fieldCustomer:
		x.customerID = customerID(v, p)
	case fieldTotalTax:
		x.totalTax = money(v, p)
	case fieldCreatedAt:
		x.createdAt = timestamp(v, p)
	case fieldUpdatedAt:
		x.updatedAt = timestamp(v, p)
	case fieldTotalPrice:
		x.totalPrice = money(v, p)
	case fieldCancelledAt:
		x.cancelledAt = timestamp(v, p)
	case fieldSubtotal:
		x.subtotal = money(v, p)
	case fieldTotalDiscounts:
		x.totalDiscounts = money(v, p)
	case fieldFinancialStatus:
		x.financialStatus = text(v, maxCodeBytes, p)
	case fieldFulfillStatus:
		x.fulfillStatus = text(v, maxCodeBytes, p)
	case fieldCurrentTotal:
		x.currentTotal = money(v, p)
	}
}

func text(v gjson.Result, limit int, p *problems) string {
	if v.Type != gjson.String || len(v.Str) > limit {
		p[problemText]++
		return ""
	}
	return v.Str
}

func boolean(v gjson.Result, p *problems) bool {
	if !v.IsBool() {
		p[problemBool]++
	}
	return v.Type == gjson.True
}

// customerID reads customer.id. A customer object without one is legal: a checkout may know only an email address.
func customerID(customer gjson.Result, p *problems) uint64 {
	if !customer.IsObject() {
		p[problemCustomer]++
		return 0
	}
	id := customer.Get("id")
	if id.Type == gjson.Null {
		return 0
	}
	// Raw and not Num: a float64 would round ids above 2^53.
	n, err := strconv.ParseUint(strings.Trim(id.Raw, `"`), 10, 64)
	if err != nil {
		p[problemCustomer]++
	}
	return n
}

// money returns the decimal text of an amount, a string or a number, for a Decimal(18, 4) column, or "0". Most amounts are
// passed on as they stand, without a copy: ClickHouse reads decimal text exactly. Digits beyond the fourth decimal are
// rounded half to even and counted.
func money(v gjson.Result, p *problems) string {
	s := v.Str
	if v.Type == gjson.Number {
		s = v.Raw
	} else if v.Type != gjson.String {
		p[problemMoney]++
		return "0"
	}
	if plainMoney(s) {
		return s
	}
	p[problemMoney]++
	// An exponent is refused before it is computed: 1e999999999 would take gigabytes.
	if len(s) > 40 || strings.ContainsAny(s, "eE") {
		return "0"
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		return "0"
	}
	if s = d.RoundBank(4).String(); !plainMoney(s) {
		return "0"
	}
	return s
}

// plainMoney reports whether s is [-]digits[.digits] with 1 to 14 digits before and 1 to 4 after the point.
func plainMoney(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(s, ".")
	return digits(whole, 14) && (!point || digits(fraction, 4))
}

func digits(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func timestamp(v gjson.Result, p *problems) time.Time {
	if v.Type != gjson.String {
		p[problemTime]++
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v.Str)
	if err != nil {
		p[problemTime]++
		return time.Time{}
	}
	return clamp(t, p)
}

// clamp returns t, or the nearest time that DateTime64(9) can hold: https://clickhouse.com/docs/sql-reference/data-types/datetime64
// gives 1900-01-01 to 2262-04-11 at nine digits. Beyond it the client would wrap the number around without a word.
func clamp(t time.Time, p *problems) time.Time {
	least := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	most := time.Date(2262, 4, 11, 23, 47, 16, 0, time.UTC)
	switch {
	case t.Before(least):
		p[problemRange]++
		return least
	case t.After(most):
		p[problemRange]++
		return most
	default:
		return t
	}
}
