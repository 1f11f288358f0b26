package sim

import "fmt"

// Bodies of what is not an order: carts, checkouts, stock, products.

type cartLine struct {
	ID            int64     `json:"id"`
	Properties    receipt   `json:"properties"`
	Quantity      int64     `json:"quantity"`
	VariantID     int64     `json:"variant_id"`
	Key           string    `json:"key"`
	Discounted    string    `json:"discounted_price"`
	Discounts     []none    `json:"discounts"`
	GiftCard      bool      `json:"gift_card"`
	Grams         int       `json:"grams"`
	LinePrice     string    `json:"line_price"`
	OriginalLine  string    `json:"original_line_price"`
	OriginalPrice string    `json:"original_price"`
	Price         string    `json:"price"`
	ProductID     int64     `json:"product_id"`
	SKU           string    `json:"sku"`
	Taxable       bool      `json:"taxable"`
	Title         string    `json:"title"`
	TotalDiscount string    `json:"total_discount"`
	Vendor        string    `json:"vendor"`
	LinePriceSet  *moneySet `json:"line_price_set,omitempty"`
	PriceSet      *moneySet `json:"price_set,omitempty"`
}

type cartBody struct {
	ID        string     `json:"id"`
	Token     string     `json:"token"`
	LineItems []cartLine `json:"line_items"`
	Note      null       `json:"note"`
	UpdatedAt string     `json:"updated_at"`
	CreatedAt string     `json:"created_at"`
}

// cartLayout: carts alone have milliseconds and UTC.
const cartLayout = "2006-01-02T15:04:05.000Z"

// cartBody shows the cart with its first n lines in it.
func (o *order) cartBody(n int) *cartBody {
	b := &cartBody{
		ID: o.cartToken, Token: o.cartToken, LineItems: make([]cartLine, 0, n),
		CreatedAt: o.created.UTC().Format(cartLayout), UpdatedAt: o.updated.UTC().Format(cartLayout),
	}
	for _, l := range o.lines[:n] {
		v, p, gross := l.variant, o.text(l.price), o.text(l.gross())
		b.LineItems = append(b.LineItems, cartLine{
			ID: v.id, Quantity: l.quantity, VariantID: v.id, Key: fmt.Sprintf("%d:%.32s", v.id, o.cartToken), Discounted: p, Discounts: []none{},
			Grams: v.grams, LinePrice: gross, OriginalLine: gross, OriginalPrice: p, Price: p, ProductID: v.product.id, SKU: v.sku, Taxable: true,
			Title: v.product.title, TotalDiscount: o.text(0), Vendor: v.product.vendor, LinePriceSet: o.set(l.gross()), PriceSet: o.set(l.price),
		})
	}
	return b
}

type checkoutLine struct {
	AppliedDiscounts      []none     `json:"applied_discounts"`
	Key                   string     `json:"key"`
	FulfillmentService    string     `json:"fulfillment_service"`
	GiftCard              bool       `json:"gift_card"`
	Grams                 int        `json:"grams"`
	OriginLocationID      int64      `json:"origin_location_id"`
	PresentmentTitle      string     `json:"presentment_title"`
	PresentmentVariant    string     `json:"presentment_variant_title"`
	ProductID             int64      `json:"product_id"`
	Properties            []property `json:"properties"`
	Quantity              int64      `json:"quantity"`
	RequiresShipping      bool       `json:"requires_shipping"`
	SKU                   string     `json:"sku"`
	TaxLines              []taxLine  `json:"tax_lines"`
	Taxable               bool       `json:"taxable"`
	Title                 string     `json:"title"`
	VariantID             int64      `json:"variant_id"`
	VariantTitle          string     `json:"variant_title"`
	VariantPrice          string     `json:"variant_price"`
	Vendor                string     `json:"vendor"`
	LinePrice             string     `json:"line_price"`
	Price                 string     `json:"price"`
	DestinationLocationID null       `json:"destination_location_id"`
}

type checkoutBody struct {
	ID                  int64          `json:"id"`
	Token               string         `json:"token"`
	CartToken           string         `json:"cart_token"`
	Email               *string        `json:"email"`
	Gateway             *string        `json:"gateway"`
	AcceptsMarketing    bool           `json:"buyer_accepts_marketing"`
	CreatedAt           string         `json:"created_at"`
	UpdatedAt           string         `json:"updated_at"`
	LandingSite         *string        `json:"landing_site"`
	Note                *string        `json:"note"`
	NoteAttributes      []property     `json:"note_attributes"`
	TaxesIncluded       bool           `json:"taxes_included"`
	TotalWeight         int            `json:"total_weight"`
	Currency            string         `json:"currency"`
	CompletedAt         *string        `json:"completed_at"`
	ClosedAt            null           `json:"closed_at"`
	Phone               *string        `json:"phone"`
	CustomerLocale      string         `json:"customer_locale"`
	LineItems           []checkoutLine `json:"line_items"`
	Name                string         `json:"name"`
	AbandonedURL        string         `json:"abandoned_checkout_url"`
	DiscountCodes       []discountCode `json:"discount_codes"`
	TaxLines            []taxLine      `json:"tax_lines"`
	SourceName          string         `json:"source_name"`
	PresentmentCurrency string         `json:"presentment_currency"`
	TotalDiscounts      string         `json:"total_discounts"`
	TotalLineItems      string         `json:"total_line_items_price"`
	TotalPrice          string         `json:"total_price"`
	TotalTax            string         `json:"total_tax"`
	SubtotalPrice       string         `json:"subtotal_price"`
	BillingAddress      *address       `json:"billing_address,omitempty"`
	ShippingAddress     *address       `json:"shipping_address,omitempty"`
	Customer            *customerBody  `json:"customer,omitempty"`
}

// checkoutBody shows the checkout; addressed once the buyer has given name and address.
func (o *order) checkoutBody(addressed, completed bool) *checkoutBody {
	all := o.total()
	b := &checkoutBody{
		ID: o.checkoutID, Token: o.checkoutToken, CartToken: o.cartToken, CreatedAt: o.shop.stamp(o.created), UpdatedAt: o.shop.stamp(o.updated),
		LandingSite: text("/"), Note: text(o.note), NoteAttributes: []property{}, TaxesIncluded: o.included, TotalWeight: o.grams(),
		Currency: o.currency.code, CustomerLocale: "en", Name: fmt.Sprintf("#%d", o.checkoutID), LineItems: []checkoutLine{},
		AbandonedURL:  fmt.Sprintf("https://%s/%d/checkouts/%s/recover?key=%.32s", o.shop.domain, o.shop.id, o.checkoutToken, o.cartToken),
		DiscountCodes: []discountCode{}, TaxLines: o.taxLines(all.tax), SourceName: "web", PresentmentCurrency: o.presentment.code,
		TotalDiscounts: o.text(all.discounts), TotalLineItems: o.text(all.lines), TotalPrice: o.text(all.total), TotalTax: o.text(all.tax), SubtotalPrice: o.text(all.subtotal),
	}
	for _, l := range o.lines {
		v := l.variant
		b.LineItems = append(b.LineItems, checkoutLine{
			AppliedDiscounts: []none{}, Key: fmt.Sprintf("%016x", l.id), FulfillmentService: "manual", Grams: v.grams, OriginLocationID: o.shop.location,
			PresentmentTitle: v.product.title, PresentmentVariant: v.title, ProductID: v.product.id, Quantity: l.quantity, RequiresShipping: true, SKU: v.sku,
			TaxLines: o.taxLines(l.tax), Taxable: o.taxBP > 0, Title: v.product.title, VariantID: v.id, VariantTitle: v.title,
			VariantPrice: o.text(l.price), Vendor: v.product.vendor, LinePrice: o.text(l.gross()), Price: o.text(l.price),
		})
	}
	if addressed && o.customer != nil {
		b.Email, b.Phone, b.Gateway = text(o.customer.email), text(o.customer.phone), text(o.gateway)
		b.BillingAddress, b.ShippingAddress = o.billing, o.shipping
		b.Customer = o.shop.customerBody(o.customer, b.UpdatedAt, false)
	}
	if completed {
		b.CompletedAt = &b.UpdatedAt
	}
	return b
}

type inventoryBody struct {
	InventoryItemID   int64  `json:"inventory_item_id"`
	LocationID        int64  `json:"location_id"`
	Available         int64  `json:"available"`
	UpdatedAt         string `json:"updated_at"`
	AdminGraphQLAPIID string `json:"admin_graphql_api_id"`
}

func (v *variant) inventoryBody(updated string) *inventoryBody {
	return &inventoryBody{
		InventoryItemID: v.item, LocationID: v.shop.location, Available: v.available, UpdatedAt: updated,
		AdminGraphQLAPIID: fmt.Sprintf("%s?inventory_item_id=%d", gid("InventoryLevel", v.shop.location), v.item),
	}
}

type variantBody struct {
	AdminGraphQLAPIID string  `json:"admin_graphql_api_id"`
	Barcode           null    `json:"barcode"`
	CompareAtPrice    *string `json:"compare_at_price"`
	CreatedAt         string  `json:"created_at"`
	ID                int64   `json:"id"`
	InventoryPolicy   string  `json:"inventory_policy"`
	Position          int     `json:"position"`
	Price             string  `json:"price"`
	ProductID         int64   `json:"product_id"`
	SKU               string  `json:"sku"`
	Taxable           bool    `json:"taxable"`
	Title             string  `json:"title"`
	UpdatedAt         string  `json:"updated_at"`
	Option1           string  `json:"option1"`
	InventoryItemID   int64   `json:"inventory_item_id"`
	InventoryQuantity int64   `json:"inventory_quantity"`
}

type productBody struct {
	AdminGraphQLAPIID string        `json:"admin_graphql_api_id"`
	BodyHTML          string        `json:"body_html"`
	CreatedAt         string        `json:"created_at"`
	Handle            string        `json:"handle"`
	ID                int64         `json:"id"`
	ProductType       string        `json:"product_type"`
	PublishedAt       string        `json:"published_at"`
	TemplateSuffix    null          `json:"template_suffix"`
	Title             string        `json:"title"`
	UpdatedAt         string        `json:"updated_at"`
	Vendor            string        `json:"vendor"`
	Status            string        `json:"status"`
	PublishedScope    string        `json:"published_scope"`
	Tags              string        `json:"tags"`
	Variants          []variantBody `json:"variants"`
	Images            []none        `json:"images"`
}

func (p *product) body(updated string) *productBody {
	created := p.shop.stamp(p.created)
	b := &productBody{
		AdminGraphQLAPIID: gid("Product", p.id), BodyHTML: "<p>" + p.title + ", made to be <em>used</em> &amp; mended.</p>", CreatedAt: created,
		Handle: p.handle, ID: p.id, ProductType: p.kind, PublishedAt: created, Title: p.title, UpdatedAt: updated, Vendor: p.vendor, Status: "active",
		PublishedScope: "global", Tags: p.tag, Variants: []variantBody{}, Images: []none{},
	}
	for i, v := range p.variants {
		b.Variants = append(b.Variants, variantBody{
			AdminGraphQLAPIID: gid("ProductVariant", v.id), CreatedAt: created, ID: v.id, InventoryPolicy: "deny", Position: i + 1,
			Price: p.shop.currency.text(v.price), ProductID: p.id, SKU: v.sku, Taxable: true, Title: v.title, UpdatedAt: updated, Option1: v.title,
			InventoryItemID: v.item, InventoryQuantity: v.available,
		})
	}
	return b
}
