package shopify

import (
	"time"

	"github.com/shopspring/decimal"

	"millrace/schemas"
)

// The nodes of the schema, as far as they are asked for.

type reference struct {
	ID schemas.ID `json:"id"`
}

// id is that of a reference that may be null.
func (r *reference) id() *schemas.ID {
	if r == nil || r.ID == 0 {
		return nil
	}
	return &r.ID
}

type moneyNode struct {
	Amount   decimal.Decimal `json:"amount"`
	Currency string          `json:"currencyCode"`
}

type bagNode struct {
	Shop        moneyNode `json:"shopMoney"`
	Presentment moneyNode `json:"presentmentMoney"`
}

type attributeNode struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type taxNode struct {
	Title string   `json:"title"`
	Rate  *float64 `json:"rate"`
	Price bagNode  `json:"priceSet"`
}

type addressNode struct {
	FirstName    *string  `json:"firstName"`
	LastName     *string  `json:"lastName"`
	Name         *string  `json:"name"`
	Company      *string  `json:"company"`
	Address1     *string  `json:"address1"`
	Address2     *string  `json:"address2"`
	City         *string  `json:"city"`
	Zip          *string  `json:"zip"`
	Province     *string  `json:"province"`
	ProvinceCode *string  `json:"provinceCode"`
	Country      *string  `json:"country"`
	CountryCode  *string  `json:"countryCodeV2"`
	Phone        *string  `json:"phone"`
	Latitude     *float64 `json:"latitude"`
	Longitude    *float64 `json:"longitude"`
}

type customerNode struct {
	ID            schemas.ID `json:"id"`
	FirstName     *string    `json:"firstName"`
	LastName      *string    `json:"lastName"`
	State         string     `json:"state"`
	Note          *string    `json:"note"`
	Tags          []string   `json:"tags"`
	TaxExempt     bool       `json:"taxExempt"`
	VerifiedEmail bool       `json:"verifiedEmail"`
	CreatedAt     time.Time  `json:"createdAt"`
	UpdatedAt     time.Time  `json:"updatedAt"`
	Email         *struct {
		Address string `json:"emailAddress"`
	} `json:"defaultEmailAddress"`
	Phone *struct {
		Number string `json:"phoneNumber"`
	} `json:"defaultPhoneNumber"`
}

type lineNode struct {
	ID                  schemas.ID      `json:"id"`
	Name                string          `json:"name"`
	Title               string          `json:"title"`
	VariantTitle        *string         `json:"variantTitle"`
	SKU                 *string         `json:"sku"`
	Vendor              *string         `json:"vendor"`
	Quantity            int64           `json:"quantity"`
	CurrentQuantity     int64           `json:"currentQuantity"`
	UnfulfilledQuantity int64           `json:"unfulfilledQuantity"`
	RequiresShipping    bool            `json:"requiresShipping"`
	Taxable             bool            `json:"taxable"`
	GiftCard            bool            `json:"isGiftCard"`
	Product             *reference      `json:"product"`
	Variant             *reference      `json:"variant"`
	Price               bagNode         `json:"originalUnitPriceSet"`
	TotalDiscount       bagNode         `json:"totalDiscountSet"`
	Attributes          []attributeNode `json:"customAttributes"`
	TaxLines            []taxNode       `json:"taxLines"`
	Allocations         []struct {
		Amount bagNode `json:"allocatedAmountSet"`
	} `json:"discountAllocations"`
}

type shippingNode struct {
	ID         *schemas.ID `json:"id"`
	Title      string      `json:"title"`
	Code       *string     `json:"code"`
	Source     *string     `json:"source"`
	Price      bagNode     `json:"originalPriceSet"`
	Discounted bagNode     `json:"discountedPriceSet"`
}

type orderNode struct {
	ID                  schemas.ID   `json:"id"`
	Name                string       `json:"name"`
	CreatedAt           time.Time    `json:"createdAt"`
	UpdatedAt           time.Time    `json:"updatedAt"`
	ProcessedAt         time.Time    `json:"processedAt"`
	CancelledAt         schemas.Time `json:"cancelledAt"`
	ClosedAt            schemas.Time `json:"closedAt"`
	CancelReason        *string      `json:"cancelReason"`
	Confirmed           bool         `json:"confirmed"`
	ConfirmationNumber  *string      `json:"confirmationNumber"`
	ClientIP            *string      `json:"clientIp"`
	Currency            string       `json:"currencyCode"`
	PresentmentCurrency string       `json:"presentmentCurrencyCode"`
	CustomerLocale      *string      `json:"customerLocale"`
	DiscountCodes       []string     `json:"discountCodes"`
	FinancialStatus     string       `json:"displayFinancialStatus"`
	FulfillmentStatus   string       `json:"displayFulfillmentStatus"`
	DutiesIncluded      bool         `json:"dutiesIncluded"`
	EstimatedTaxes      bool         `json:"estimatedTaxes"`
	Email               *string      `json:"email"`
	Phone               *string      `json:"phone"`
	Note                *string      `json:"note"`
	Gateways            []string     `json:"paymentGatewayNames"`
	PONumber            *string      `json:"poNumber"`
	SourceName          *string      `json:"sourceName"`
	StatusPageURL       string       `json:"statusPageUrl"`
	Tags                []string     `json:"tags"`
	TaxExempt           bool         `json:"taxExempt"`
	TaxesIncluded       bool         `json:"taxesIncluded"`
	Test                bool         `json:"test"`
	TotalWeight         any          `json:"totalWeight"` // a number, or a text with one

	App            *reference      `json:"app"`
	RetailLocation *reference      `json:"retailLocation"`
	Attributes     []attributeNode `json:"customAttributes"`
	Billing        *addressNode    `json:"billingAddress"`
	Shipping       *addressNode    `json:"shippingAddress"`
	Customer       *customerNode   `json:"customer"`
	TaxLines       []taxNode       `json:"taxLines"`

	CurrentShipping  bagNode  `json:"currentShippingPriceSet"`
	CurrentSubtotal  bagNode  `json:"currentSubtotalPriceSet"`
	CurrentDiscounts bagNode  `json:"currentTotalDiscountsSet"`
	CurrentTotal     bagNode  `json:"currentTotalPriceSet"`
	CurrentTax       bagNode  `json:"currentTotalTaxSet"`
	Subtotal         *bagNode `json:"subtotalPriceSet"`
	Discounts        *bagNode `json:"totalDiscountsSet"`
	Outstanding      bagNode  `json:"totalOutstandingSet"`
	Total            bagNode  `json:"totalPriceSet"`
	ShippingPrice    bagNode  `json:"totalShippingPriceSet"`
	Tax              *bagNode `json:"totalTaxSet"`
	Tips             bagNode  `json:"totalTipReceivedSet"`

	ShippingLines connection[shippingNode] `json:"shippingLines"`
	LineItems     connection[lineNode]     `json:"lineItems"`
}

type fulfillmentNode struct {
	ID            schemas.ID `json:"id"`
	Name          string     `json:"name"`
	Status        string     `json:"status"`
	DisplayStatus *string    `json:"displayStatus"`
	CreatedAt     time.Time  `json:"createdAt"`
	UpdatedAt     time.Time  `json:"updatedAt"`
	Order         reference  `json:"order"`
	Location      *reference `json:"location"`
	Service       *struct {
		Handle string `json:"handle"`
	} `json:"service"`
	Tracking []struct {
		Company *string `json:"company"`
		Number  *string `json:"number"`
		URL     *string `json:"url"`
	} `json:"trackingInfo"`
	Lines connection[struct {
		Quantity int64     `json:"quantity"`
		Line     reference `json:"lineItem"`
	}] `json:"fulfillmentLineItems"`
}

type refundLineNode struct {
	ID          *schemas.ID `json:"id"`
	Quantity    int64       `json:"quantity"`
	RestockType string      `json:"restockType"`
	Restocked   bool        `json:"restocked"`
	Location    *reference  `json:"location"`
	Line        reference   `json:"lineItem"`
	Subtotal    bagNode     `json:"subtotalSet"`
	Tax         bagNode     `json:"totalTaxSet"`
}

type transactionNode struct {
	ID            schemas.ID   `json:"id"`
	Kind          string       `json:"kind"`
	Status        string       `json:"status"`
	Gateway       *string      `json:"gateway"`
	Amount        bagNode      `json:"amountSet"`
	Authorization *string      `json:"authorizationCode"`
	CreatedAt     time.Time    `json:"createdAt"`
	ProcessedAt   schemas.Time `json:"processedAt"`
	ErrorCode     *string      `json:"errorCode"`
	Parent        *reference   `json:"parentTransaction"`
	PaymentID     *string      `json:"paymentId"`
	Test          bool         `json:"test"`
}

type refundNode struct {
	ID           schemas.ID                  `json:"id"`
	CreatedAt    time.Time                   `json:"createdAt"`
	Note         *string                     `json:"note"`
	Order        reference                   `json:"order"`
	Lines        connection[refundLineNode]  `json:"refundLineItems"`
	Transactions connection[transactionNode] `json:"transactions"`
}
