package sim

// The parts that bodies share. Fields are in Shopify's order; those that are always null or empty here are kept, because
// receivers meet them.

// none is the element of arrays that are always empty.
type none struct{}

// null is a field that is always null.
type null *none

type address struct {
	FirstName    *string  `json:"first_name"`
	Address1     string   `json:"address1"`
	Phone        *string  `json:"phone"`
	City         string   `json:"city"`
	Zip          string   `json:"zip"`
	Province     *string  `json:"province"`
	Country      string   `json:"country"`
	LastName     *string  `json:"last_name"`
	Address2     *string  `json:"address2"`
	Company      *string  `json:"company"`
	Latitude     *float64 `json:"latitude"`
	Longitude    *float64 `json:"longitude"`
	Name         string   `json:"name"`
	CountryCode  string   `json:"country_code"`
	ProvinceCode *string  `json:"province_code"`
}

type customerAddress struct {
	ID         int64 `json:"id"`
	CustomerID int64 `json:"customer_id"`
	address
	CountryName string `json:"country_name"`
	Default     bool   `json:"default"`
}

type taxLine struct {
	ChannelLiable bool      `json:"channel_liable"`
	Price         string    `json:"price"`
	PriceSet      *moneySet `json:"price_set,omitempty"`
	Rate          float64   `json:"rate"`
	Title         string    `json:"title"`
}

type allocation struct {
	Amount                   string    `json:"amount"`
	AmountSet                *moneySet `json:"amount_set,omitempty"`
	DiscountApplicationIndex int       `json:"discount_application_index"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type lineBody struct {
	ID                         int64        `json:"id"`
	AdminGraphQLAPIID          string       `json:"admin_graphql_api_id"`
	AttributedStaffs           []none       `json:"attributed_staffs"`
	CurrentQuantity            int64        `json:"current_quantity"`
	FulfillableQuantity        int64        `json:"fulfillable_quantity"`
	FulfillmentService         string       `json:"fulfillment_service"`
	FulfillmentStatus          *string      `json:"fulfillment_status"`
	GiftCard                   bool         `json:"gift_card"`
	Grams                      int          `json:"grams"`
	Name                       string       `json:"name"`
	Price                      string       `json:"price"`
	PriceSet                   *moneySet    `json:"price_set,omitempty"`
	ProductExists              bool         `json:"product_exists"`
	ProductID                  int64        `json:"product_id"`
	Properties                 []property   `json:"properties"`
	Quantity                   int64        `json:"quantity"`
	RequiresShipping           bool         `json:"requires_shipping"`
	SalesLineItemGroupID       null         `json:"sales_line_item_group_id"`
	SKU                        string       `json:"sku"`
	Taxable                    bool         `json:"taxable"`
	Title                      string       `json:"title"`
	TotalDiscount              string       `json:"total_discount"`
	TotalDiscountSet           *moneySet    `json:"total_discount_set,omitempty"`
	VariantID                  int64        `json:"variant_id"`
	VariantInventoryManagement string       `json:"variant_inventory_management"`
	VariantTitle               string       `json:"variant_title"`
	Vendor                     string       `json:"vendor"`
	TaxLines                   []taxLine    `json:"tax_lines"`
	Duties                     []none       `json:"duties"`
	DiscountAllocations        []allocation `json:"discount_allocations"`
}

func (o *order) taxLines(m money) []taxLine {
	if o.taxBP == 0 {
		return []taxLine{}
	}
	title := "State Tax"
	if o.included {
		title = "VAT"
	}
	return []taxLine{{Price: o.text(m), PriceSet: o.set(m), Rate: float64(o.taxBP) / 10_000, Title: title}}
}

func (o *order) lineBody(l *line) lineBody {
	v := l.variant
	b := lineBody{
		ID: l.id, AdminGraphQLAPIID: gid("LineItem", l.id), AttributedStaffs: []none{},
		CurrentQuantity: l.current, FulfillableQuantity: max(0, l.current-l.fulfilled), FulfillmentService: "manual",
		Grams: v.grams, Name: v.product.title + " - " + v.title, Price: o.text(l.price), PriceSet: o.set(l.price),
		ProductExists: true, ProductID: v.product.id, Properties: []property{}, Quantity: l.quantity,
		RequiresShipping: o.shipping != nil, SKU: v.sku, Taxable: o.taxBP > 0, Title: v.product.title,
		TotalDiscount: o.text(0), TotalDiscountSet: o.set(0), VariantID: v.id, VariantInventoryManagement: "shopify",
		VariantTitle: v.title, Vendor: v.product.vendor, TaxLines: o.taxLines(l.tax), Duties: []none{}, DiscountAllocations: []allocation{},
	}
	switch {
	case l.fulfilled >= l.quantity:
		b.FulfillmentStatus = text("fulfilled")
	case l.fulfilled > 0:
		b.FulfillmentStatus = text("partial")
	}
	if l.engraving != "" {
		b.Properties = append(b.Properties, property{"Engraving", l.engraving})
	}
	if l.discount > 0 {
		b.DiscountAllocations = append(b.DiscountAllocations, allocation{Amount: o.text(l.discount), AmountSet: o.set(l.discount)})
	}
	return b
}

func (o *order) lineBodies() []lineBody {
	all := make([]lineBody, len(o.lines))
	for i, l := range o.lines {
		all[i] = o.lineBody(l)
	}
	return all
}

type customerBody struct {
	ID                int64             `json:"id"`
	Email             string            `json:"email"`
	CreatedAt         string            `json:"created_at"`
	UpdatedAt         string            `json:"updated_at"`
	FirstName         string            `json:"first_name"`
	LastName          string            `json:"last_name"`
	OrdersCount       *int64            `json:"orders_count,omitempty"` // not in the customer of an order
	State             string            `json:"state"`
	TotalSpent        string            `json:"total_spent,omitempty"`
	LastOrderID       *int64            `json:"last_order_id,omitempty"`
	LastOrderName     string            `json:"last_order_name,omitempty"`
	Note              null              `json:"note"`
	VerifiedEmail     bool              `json:"verified_email"`
	MultipassID       null              `json:"multipass_identifier"`
	TaxExempt         bool              `json:"tax_exempt"`
	Tags              string            `json:"tags"`
	Currency          string            `json:"currency"`
	Phone             *string           `json:"phone"`
	Addresses         []customerAddress `json:"addresses,omitempty"`
	TaxExemptions     []none            `json:"tax_exemptions"`
	AdminGraphQLAPIID string            `json:"admin_graphql_api_id"`
	DefaultAddress    customerAddress   `json:"default_address"`
}

// customerBody is the customer as an order shows it; full adds what the customers/* topics have.
func (s *shop) customerBody(c *customer, updated string, full bool) *customerBody {
	b := &customerBody{
		ID: c.id, Email: c.email, CreatedAt: s.stamp(c.created), UpdatedAt: updated, FirstName: c.first, LastName: c.last,
		State: "disabled", VerifiedEmail: true, Currency: s.currency.code, Phone: text(c.phone), TaxExemptions: []none{},
		AdminGraphQLAPIID: gid("Customer", c.id),
		DefaultAddress:    customerAddress{ID: c.addressID, CustomerID: c.id, address: *c.address, CountryName: c.address.Country, Default: true},
	}
	if full {
		b.OrdersCount, b.TotalSpent = &c.orders, s.currency.text(c.spent)
		b.Addresses = []customerAddress{b.DefaultAddress}
		if c.orders > 0 {
			b.LastOrderID, b.LastOrderName = &c.lastOrder, c.lastName
		}
	}
	return b
}
