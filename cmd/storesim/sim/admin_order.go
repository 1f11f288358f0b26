package sim

import (
	"strings"

	"millrace/cmd/storesim/adminapi"
)

// published is the order as the Admin API shows it now.
func (o *order) published() adminapi.Order {
	lines := make(map[int64]adminapi.Object, len(o.lines))
	all := make(adminapi.Connection, len(o.lines))
	for i, l := range o.lines {
		all[i] = o.lineNode(l)
		lines[l.id] = all[i]
	}
	fulfillments := make([]adminapi.Object, len(o.fulfillments))
	for i, f := range o.fulfillments {
		fulfillments[i] = f.node(lines)
	}
	refunds := make([]adminapi.Object, len(o.refunds))
	for i, r := range o.refunds {
		refunds[i] = o.refundNode(r, lines)
	}
	node := o.node()
	node["lineItems"], node["fulfillments"], node["refunds"] = all, fulfillments, refunds
	return adminapi.Order{ID: o.id, Created: o.created, Updated: o.told, Node: node, Fulfillments: fulfillments, Refunds: refunds}
}

// displayFulfillment is the order's state of delivery.
func (o *order) displayFulfillment() string {
	switch o.fulfillment {
	case "fulfilled":
		return "FULFILLED"
	case "partial":
		return "PARTIALLY_FULFILLED"
	default:
		return "UNFULFILLED"
	}
}

// node is the order without its lines, fulfilments and refunds. What is the same in a webhook is taken from there.
func (o *order) node() adminapi.Object {
	all, now := o.total(), o.current()
	b := o.body()
	node := adminapi.Object{
		"id": b.AdminGraphQLAPIID, "app": adminapi.Object{"id": gid("App", b.AppID)}, "cancelledAt": utcOrNull(o.cancelled), "closedAt": utcOrNull(o.closed),
		"cancelReason": nil, "clientIp": optional(b.BrowserIP), "confirmationNumber": b.ConfirmationNumber, "confirmed": b.Confirmed,
		"createdAt": adminapi.Time(o.created), "processedAt": adminapi.Time(o.created), "updatedAt": adminapi.Time(o.told),
		"currencyCode": b.Currency, "presentmentCurrencyCode": b.PresentmentCurrency, "customAttributes": []adminapi.Object{},
		"currentShippingPriceSet": o.bag(now.shipping), "currentSubtotalPriceSet": o.bag(now.subtotal), "currentTotalDiscountsSet": o.bag(now.discounts),
		"currentTotalPriceSet": o.bag(now.total), "currentTotalTaxSet": o.bag(now.tax), "subtotalPriceSet": o.bag(all.subtotal), "totalDiscountsSet": o.bag(all.discounts),
		"totalOutstandingSet": o.bag(max(0, now.total-o.paid+o.refunded)), "totalPriceSet": o.bag(all.total), "totalShippingPriceSet": o.bag(all.shipping),
		"totalTaxSet": o.bag(all.tax), "totalTipReceivedSet": o.bag(0), "totalWeight": b.TotalWeight, "taxLines": o.taxNodes(all.tax), "taxesIncluded": b.TaxesIncluded,
		"customerLocale": b.CustomerLocale, "discountCodes": []string{}, "displayFinancialStatus": strings.ToUpper(o.financial), "displayFulfillmentStatus": o.displayFulfillment(),
		"dutiesIncluded": b.DutiesIncluded, "estimatedTaxes": b.EstimatedTaxes, "email": optional(b.Email), "phone": optional(b.Phone), "name": b.Name, "note": optional(b.Note),
		"paymentGatewayNames": b.PaymentGatewayNames, "poNumber": nil, "retailLocation": nil, "sourceName": b.SourceName, "statusPageUrl": b.OrderStatusURL,
		"tags": tagList(b.Tags), "taxExempt": b.TaxExempt, "test": b.Test, "billingAddress": o.billing.node(), "shippingAddress": o.shipping.node(),
		"customer": o.customerNode(), "shippingLines": adminapi.Connection{},
	}
	if o.cancelReason != "" {
		node["cancelReason"] = strings.ToUpper(o.cancelReason)
	}
	if o.discountCode != "" {
		node["discountCodes"] = []string{o.discountCode}
	}
	if b.LocationID != nil {
		node["retailLocation"] = adminapi.Object{"id": gid("Location", *b.LocationID)}
	}
	for _, l := range b.ShippingLines {
		node["shippingLines"] = adminapi.Connection{{
			"id": gid("ShippingLine", l.ID), "title": l.Title, "code": l.Code, "source": l.Source,
			"originalPriceSet": o.bag(o.shippingPrice), "discountedPriceSet": o.bag(o.shippingPrice),
		}}
	}
	return node
}

func tagList(tags string) []string {
	if tags == "" {
		return []string{}
	}
	return strings.Split(tags, ", ")
}

func (o *order) taxNodes(m money) []adminapi.Object {
	nodes := []adminapi.Object{}
	for _, t := range o.taxLines(m) {
		nodes = append(nodes, adminapi.Object{"title": t.Title, "rate": t.Rate, "channelLiable": t.ChannelLiable, "priceSet": o.bag(m)})
	}
	return nodes
}

func (o *order) customerNode() any {
	c := o.customer
	if c == nil {
		return nil
	}
	node := adminapi.Object{
		"id": gid("Customer", c.id), "firstName": c.first, "lastName": c.last, "state": "DISABLED", "note": nil, "tags": []string{}, "taxExempt": false,
		"verifiedEmail": true, "createdAt": adminapi.Time(c.created), "updatedAt": adminapi.Time(o.told),
		"defaultEmailAddress": adminapi.Object{"emailAddress": c.email}, "defaultPhoneNumber": nil, "defaultAddress": c.address.node(),
	}
	if c.phone != "" {
		node["defaultPhoneNumber"] = adminapi.Object{"phoneNumber": c.phone}
	}
	return node
}

func (o *order) lineNode(l *line) adminapi.Object {
	b := o.lineBody(l)
	node := adminapi.Object{
		"id": b.AdminGraphQLAPIID, "name": b.Name, "title": b.Title, "variantTitle": b.VariantTitle, "sku": b.SKU, "vendor": b.Vendor, "quantity": b.Quantity,
		"currentQuantity": b.CurrentQuantity, "unfulfilledQuantity": b.FulfillableQuantity, "requiresShipping": b.RequiresShipping, "taxable": b.Taxable,
		"isGiftCard": b.GiftCard, "product": adminapi.Object{"id": gid("Product", b.ProductID)}, "variant": adminapi.Object{"id": gid("ProductVariant", b.VariantID)},
		"originalUnitPriceSet": o.bag(l.price), "totalDiscountSet": o.bag(0), "taxLines": o.taxNodes(l.tax),
		"customAttributes": []adminapi.Object{}, "discountAllocations": []adminapi.Object{},
	}
	for _, p := range b.Properties {
		node["customAttributes"] = []adminapi.Object{{"key": p.Name, "value": p.Value}}
	}
	if l.discount > 0 {
		node["discountAllocations"] = []adminapi.Object{{"allocatedAmountSet": o.bag(l.discount)}}
	}
	return node
}

// displayShipment is where a parcel is.
func (f *fulfillmentBody) displayShipment() string {
	if f.ShipmentStatus == nil {
		return "FULFILLED"
	}
	return strings.ToUpper(*f.ShipmentStatus)
}

func (f *fulfillmentBody) node(lines map[int64]adminapi.Object) adminapi.Object {
	items := adminapi.Connection{}
	for i, l := range f.LineItems {
		items = append(items, adminapi.Object{"id": gid("FulfillmentLineItem", f.ID+int64(i)), "quantity": l.Quantity, "lineItem": lines[l.ID]})
	}
	tracking := []adminapi.Object{}
	if f.TrackingNumber != nil {
		tracking = append(tracking, adminapi.Object{"company": optional(f.TrackingCompany), "number": *f.TrackingNumber, "url": optional(f.TrackingURL)})
	}
	return adminapi.Object{
		"id": f.AdminGraphQLAPIID, "name": f.Name, "status": strings.ToUpper(f.Status), "displayStatus": f.displayShipment(), "createdAt": utc(f.CreatedAt),
		"updatedAt": utc(f.UpdatedAt), "location": adminapi.Object{"id": gid("Location", f.LocationID)}, "trackingInfo": tracking, "fulfillmentLineItems": items,
		"service": adminapi.Object{"handle": f.Service, "serviceName": "Manual"},
	}
}

func (o *order) refundNode(r *refundBody, lines map[int64]adminapi.Object) adminapi.Object {
	items := adminapi.Connection{}
	for _, l := range r.RefundLineItems {
		of := o.lineOf(l.LineItemID)
		items = append(items, adminapi.Object{
			"id": gid("RefundLineItem", l.ID), "quantity": l.Quantity, "restockType": strings.ToUpper(l.RestockType), "restocked": r.Restock,
			"location": adminapi.Object{"id": gid("Location", l.LocationID)}, "lineItem": lines[l.LineItemID],
			"subtotalSet": o.bag(of.net()), "totalTaxSet": o.bag(of.tax),
		})
	}
	transactions, back := adminapi.Connection{}, o.bag(0)
	for _, t := range r.Transactions {
		transactions = append(transactions, o.transactionNode(t))
		back = o.bag(t.moved)
	}
	return adminapi.Object{
		"id": r.AdminGraphQLAPIID, "createdAt": utc(r.CreatedAt), "updatedAt": utc(r.CreatedAt), "note": optional(r.Note), "totalRefundedSet": back,
		"refundLineItems": items, "transactions": transactions,
	}
}

func (o *order) lineOf(id int64) *line {
	for _, l := range o.lines {
		if l.id == id {
			return l
		}
	}
	return nil
}

func (o *order) transactionNode(t *transactionBody) adminapi.Object {
	node := adminapi.Object{
		"id": t.AdminGraphQLAPIID, "kind": strings.ToUpper(t.Kind), "status": strings.ToUpper(t.Status), "gateway": t.Gateway, "amountSet": o.bag(t.moved),
		"authorizationCode": optional(t.Authorization), "createdAt": utc(t.CreatedAt), "processedAt": utc(t.ProcessedAt), "errorCode": nil,
		"parentTransaction": nil, "paymentId": textOrNull(t.PaymentID), "test": t.Test,
	}
	if t.ErrorCode != nil {
		node["errorCode"] = strings.ToUpper(*t.ErrorCode)
	}
	if t.ParentID != nil {
		node["parentTransaction"] = adminapi.Object{"id": gid("OrderTransaction", *t.ParentID)}
	}
	return node
}
