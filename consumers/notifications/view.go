package notifications

import (
	"net/url"
	"strings"

	"millrace/schemas"
)

// OrderView is what the templates of the order confirmation get. Texts are on one line each; what is not known is empty.
type OrderView struct {
	Shop      string // name of the shop: its domain without .myshopify.com
	Domain    string // acme.myshopify.com
	Order     string // #1001
	Customer  string // first name
	StatusURL string // page of the order
	Lines     []LineView
	Subtotal  string // with its currency, as all amounts: 1,234.50 EUR
	Discounts string
	Shipping  string
	Tax       string
	Total     string
	ShipTo    []string // lines of the address
}

// ShippingView is what the templates of the shipping confirmation get.
type ShippingView struct {
	Shop     string
	Domain   string
	Order    string // #1001
	Shipment string // #1001.1
	Customer string
	Lines    []LineView // Price is empty
	Carrier  string
	Parcels  []Parcel
	ShipTo   []string
}

// LineView is one position.
type LineView struct {
	Name     string
	Quantity int64
	Price    string // of one
}

// Parcel is one tracking number. Either may be empty, not both.
type Parcel struct{ Number, URL string }

func orderView(shop string, o *orderBody) *OrderView {
	v := &OrderView{
		Shop: shopName(shop), Domain: shop, Order: oneLine(o.Name), StatusURL: link(o.OrderStatusURL), ShipTo: addressLines(o.ShippingAddress),
		Subtotal:  o.price(o.SubtotalPriceSet, o.SubtotalPrice),
		Discounts: notZero(o.price(o.TotalDiscountsSet, o.TotalDiscounts), o.TotalDiscounts),
		Shipping:  o.price(o.TotalShippingSet, schemas.Money{}),
		Tax:       notZero(o.price(o.TotalTaxSet, o.TotalTax), o.TotalTax),
		Total:     o.price(o.TotalPriceSet, o.TotalPrice),
	}
	switch {
	case o.Customer != nil && o.Customer.FirstName != "":
		v.Customer = oneLine(o.Customer.FirstName)
	case o.ShippingAddress != nil:
		v.Customer = oneLine(o.ShippingAddress.FirstName)
	}
	for i := range o.LineItems {
		l := &o.LineItems[i]
		v.Lines = append(v.Lines, LineView{Name: lineName(&l.LineItem), Quantity: l.Quantity, Price: o.price(l.PriceSet, l.Price)})
	}
	return v
}

// requestedView is the order as the event store knows it: in the currency of the shop, and without the parts of its total.
func requestedView(shop string, o *schemas.OrderVersion) *OrderView {
	currency := oneLine(o.Currency)
	total := o.CurrentTotalPrice
	if total.IsNull() {
		total = o.TotalPrice
	}
	v := &OrderView{Shop: shopName(shop), Domain: shop, Order: oneLine(o.Name), Total: money(total, currency)}
	if c := o.Contact; c != nil && c.Address != nil {
		v.ShipTo, v.Customer = addressLines(c.Address), oneLine(c.Address.FirstName)
	}
	for i := range o.Lines {
		if l := &o.Lines[i]; l.CurrentQuantity > 0 {
			v.Lines = append(v.Lines, LineView{Name: oneLine(l.Title), Quantity: l.CurrentQuantity, Price: money(l.Price, currency)})
		}
	}
	return v
}

// price is the amount in the customer's currency where the body has it, else in the shop's.
func (o *orderBody) price(set priceSet, plain schemas.Money) string {
	if p := set.Presentment; !p.Amount.IsNull() && p.Currency != "" {
		return money(p.Amount, oneLine(p.Currency))
	}
	return money(plain, oneLine(o.Currency))
}

// notZero leaves out an amount of which there is nothing.
func notZero(text string, amount schemas.Money) string {
	if amount.Decimal().IsZero() {
		return ""
	}
	return text
}

func shippingView(shop string, f *schemas.Fulfillment) *ShippingView {
	v := &ShippingView{
		Shop: shopName(shop), Domain: shop, Shipment: oneLine(f.Name), Carrier: oneLine(f.TrackingCompany),
		Parcels: parcels(f), ShipTo: addressLines(f.Destination),
	}
	v.Order = v.Shipment
	if i := strings.LastIndexByte(v.Order, '.'); i > 0 {
		v.Order = v.Order[:i]
	}
	if f.Destination != nil {
		v.Customer = oneLine(f.Destination.FirstName)
	}
	for i := range f.LineItems {
		v.Lines = append(v.Lines, LineView{Name: lineName(&f.LineItems[i]), Quantity: f.LineItems[i].Quantity})
	}
	return v
}

// parcels pairs numbers with addresses. The lists have them all; the single fields repeat the first, and are all that old versions
// of Shopify's API send.
func parcels(f *schemas.Fulfillment) []Parcel {
	numbers, urls := f.TrackingNumbers, f.TrackingURLs
	if len(numbers) == 0 && f.TrackingNumber != "" {
		numbers = []string{f.TrackingNumber}
	}
	if len(urls) == 0 && f.TrackingURL != "" {
		urls = []string{f.TrackingURL}
	}
	var out []Parcel
	for i := range max(len(numbers), len(urls)) {
		var p Parcel
		if i < len(numbers) {
			p.Number = oneLine(numbers[i])
		}
		if i < len(urls) {
			p.URL = link(urls[i])
		}
		if p != (Parcel{}) {
			out = append(out, p)
		}
	}
	return out
}

func lineName(l *schemas.LineItem) string {
	if l.Name != "" {
		return oneLine(l.Name)
	}
	return oneLine(l.Title)
}

func addressLines(a *schemas.Address) []string {
	if a == nil {
		return nil
	}
	name := a.Name
	if name == "" {
		name = a.FirstName + " " + a.LastName
	}
	var out []string
	for _, text := range []string{name, a.Company, a.Address1, a.Address2, a.Zip + " " + a.City, a.Province, a.Country} {
		if text = oneLine(text); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// shopName is what customers know a shop by, as far as an event tells.
func shopName(domain string) string { return strings.TrimSuffix(domain, ".myshopify.com") }

// oneLine makes each run of white space one blank: what a customer typed must not begin a line, or a header, of its own.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// link is the address of a web page, or "": nothing else may be clicked on.
func link(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	return u.String()
}
