package truth

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/shopspring/decimal"
)

// money is an amount in ten-thousandths, exactly what the tables' Decimal(18, 4) holds. Sums of a run are far from 2^63.
type money int64

// UnmarshalJSON reads the decimal string that Shopify sends; null and nothing are zero.
func (m *money) UnmarshalJSON(text []byte) error {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read an amount: %w", err)
	}
	if s == nil {
		*m = 0
		return nil
	}
	d, err := decimal.NewFromString(*s)
	if err != nil {
		return fmt.Errorf("read an amount: %w", err)
	}
	shifted := d.Shift(4)
	if !shifted.IsInteger() {
		return fmt.Errorf("amount %s has more than four decimals", *s)
	}
	*m = money(shifted.IntPart())
	return nil
}

// String writes four decimals.
func (m money) String() string { return decimal.New(int64(m), -4).StringFixed(4) }

// moment is a time in milliseconds since 1970, 0 for none.
type moment int64

// UnmarshalJSON reads the RFC 3339 time that Shopify sends.
func (m *moment) UnmarshalJSON(text []byte) error {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read a time: %w", err)
	}
	if s == nil || *s == "" {
		*m = 0
		return nil
	}
	t, err := time.Parse(time.RFC3339, *s)
	if err != nil {
		return fmt.Errorf("read a time: %w", err)
	}
	*m = moment(t.UnixMilli())
	return nil
}

type lineBody struct {
	ID        uint64 `json:"id"`
	Product   uint64 `json:"product_id"`
	Variant   uint64 `json:"variant_id"`
	SKU       string `json:"sku"`
	Title     string `json:"title"`
	Price     money  `json:"price"`
	Quantity  int64  `json:"quantity"`
	Current   *int64 `json:"current_quantity"`
	GiftCard  bool   `json:"gift_card"`
	Discounts []struct {
		Amount money `json:"amount"`
	} `json:"discount_allocations"`
}

// left is how many of the line are neither removed nor refunded.
func (l *lineBody) left() int64 {
	if l.Current == nil {
		return l.Quantity
	}
	return *l.Current
}

// amount is the line's price after its discounts.
func (l *lineBody) amount() money {
	sum := l.Price * money(l.Quantity)
	for _, d := range l.Discounts {
		sum -= d.Amount
	}
	return sum
}

type transactionBody struct {
	Kind     string `json:"kind"`
	Status   string `json:"status"`
	Amount   money  `json:"amount"`
	Currency string `json:"currency"`
	Test     bool   `json:"test"`
}

type refundBody struct {
	ID        uint64 `json:"id"`
	Order     uint64 `json:"order_id"`
	Created   moment `json:"created_at"`
	Processed moment `json:"processed_at"`
	Lines     []struct {
		Line     uint64 `json:"line_item_id"`
		Quantity int64  `json:"quantity"`
	} `json:"refund_line_items"`
	Transactions []transactionBody `json:"transactions"`
}

// paid is what went back to the buyer: refunds that succeeded.
func (r *refundBody) paid() (sum money) {
	for _, t := range r.Transactions {
		if t.Kind == "refund" && t.Status == "success" {
			sum += t.Amount
		}
	}
	return sum
}

type fulfilmentBody struct {
	ID       uint64  `json:"id"`
	Order    uint64  `json:"order_id"`
	Name     string  `json:"name"`
	Status   string  `json:"status"`
	Shipment *string `json:"shipment_status"`
	Location uint64  `json:"location_id"`
	Tracking *string `json:"tracking_number"`
	Created  moment  `json:"created_at"`
	Updated  moment  `json:"updated_at"`
	Lines    []struct {
		Quantity int64 `json:"quantity"`
	} `json:"line_items"`
}

type orderBody struct {
	ID           uint64  `json:"id"`
	Name         string  `json:"name"`
	Test         bool    `json:"test"`
	Currency     string  `json:"currency"`
	Total        money   `json:"total_price"`
	Subtotal     money   `json:"subtotal_price"`
	Tax          money   `json:"total_tax"`
	Discounts    money   `json:"total_discounts"`
	CurrentTotal money   `json:"current_total_price"`
	Financial    string  `json:"financial_status"`
	Fulfilment   *string `json:"fulfillment_status"`
	Created      moment  `json:"created_at"`
	Updated      moment  `json:"updated_at"`
	Cancelled    moment  `json:"cancelled_at"`
	CancelReason *string `json:"cancel_reason"`
	Shipping     struct {
		Shop struct {
			Amount money `json:"amount"`
		} `json:"shop_money"`
	} `json:"total_shipping_price_set"`
	Customer *struct {
		ID uint64 `json:"id"`
	} `json:"customer"`
	Lines       []lineBody       `json:"line_items"`
	Refunds     []refundBody     `json:"refunds"`
	Fulfilments []fulfilmentBody `json:"fulfillments"`
}

type checkoutBody struct {
	ID        uint64 `json:"id"`
	Token     string `json:"token"`
	Currency  string `json:"currency"`
	Total     money  `json:"total_price"`
	Created   moment `json:"created_at"`
	Updated   moment `json:"updated_at"`
	Completed moment `json:"completed_at"`
	Customer  *struct {
		ID uint64 `json:"id"`
	} `json:"customer"`
}

type productBody struct {
	Title     string `json:"title"`
	Handle    string `json:"handle"`
	Vendor    string `json:"vendor"`
	Type      string `json:"product_type"`
	Status    string `json:"status"`
	Created   moment `json:"created_at"`
	Updated   moment `json:"updated_at"`
	Published moment `json:"published_at"`
	Variants  []struct {
		ID    uint64 `json:"id"`
		SKU   string `json:"sku"`
		Title string `json:"title"`
		Price money  `json:"price"`
		Item  uint64 `json:"inventory_item_id"`
	} `json:"variants"`
}

type customerBody struct {
	State    string `json:"state"`
	Currency string `json:"currency"`
	Orders   int64  `json:"orders_count"`
	Spent    money  `json:"total_spent"`
	Created  moment `json:"created_at"`
	Updated  moment `json:"updated_at"`
}

type levelBody struct {
	Item      uint64 `json:"inventory_item_id"`
	Location  uint64 `json:"location_id"`
	Available *int64 `json:"available"`
	Updated   moment `json:"updated_at"`
}
