package shopify

// Every query costs less than 1000 points when all its connections are full, the most that Shopify takes: an object is 1, a
// connection 2 and as many nodes as it asks for.

const (
	// summaryParts is how many fulfilments and refunds of an order a listing shows; those of an order with more are asked for.
	summaryParts = 5

	// 2 + 50 × (1 + 5 + 5)
	queryOrders = `query Orders($filter: String!, $after: String) {
  orders(first: 50, after: $after, query: $filter, sortKey: UPDATED_AT) {
    nodes {
      id createdAt updatedAt cancelledAt displayFinancialStatus displayFulfillmentStatus
      fulfillments(first: 5) { id createdAt updatedAt }
      refunds(first: 5) { id createdAt }
    }
    pageInfo { hasNextPage endCursor }
  }
}`

	// 1 + 200 + 200; an order does not have more.
	queryParts = `query OrderParts($id: ID!) {
  order(id: $id) {
    fulfillments(first: 200) { id createdAt updatedAt }
    refunds(first: 200) { id createdAt }
  }
}`

	// 20 × 18 for the lines, 10 × 7 for the shipping lines, 52 for the rest.
	queryOrder = `query Order($id: ID!, $after: String) {
  order(id: $id) {
    id name createdAt updatedAt processedAt cancelledAt cancelReason closedAt confirmed confirmationNumber clientIp currencyCode presentmentCurrencyCode
    customerLocale discountCodes displayFinancialStatus displayFulfillmentStatus dutiesIncluded estimatedTaxes email phone note paymentGatewayNames poNumber
    sourceName statusPageUrl tags taxExempt taxesIncluded test totalWeight
    app { id }
    retailLocation { id }
    customAttributes { key value }
    currentShippingPriceSet { ...bag } currentSubtotalPriceSet { ...bag } currentTotalDiscountsSet { ...bag } currentTotalPriceSet { ...bag } currentTotalTaxSet { ...bag }
    subtotalPriceSet { ...bag } totalDiscountsSet { ...bag } totalOutstandingSet { ...bag } totalPriceSet { ...bag } totalShippingPriceSet { ...bag }
    totalTaxSet { ...bag } totalTipReceivedSet { ...bag }
    taxLines { title rate priceSet { ...bag } }
    billingAddress { ...address }
    shippingAddress { ...address }
    customer {
      id firstName lastName state note tags taxExempt verifiedEmail createdAt updatedAt
      defaultEmailAddress { emailAddress } defaultPhoneNumber { phoneNumber }
    }
    shippingLines(first: 10) { nodes { id title code source originalPriceSet { ...bag } discountedPriceSet { ...bag } } }
    lineItems(first: 20, after: $after) {
      nodes {
        id name title variantTitle sku vendor quantity currentQuantity unfulfilledQuantity requiresShipping taxable isGiftCard
        product { id }
        variant { id }
        originalUnitPriceSet { ...bag } totalDiscountSet { ...bag }
        customAttributes { key value }
        taxLines { title rate priceSet { ...bag } }
        discountAllocations { allocatedAmountSet { ...bag } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
fragment bag on MoneyBag { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
fragment address on MailingAddress {
  firstName lastName name company address1 address2 city zip province provinceCode country countryCodeV2 phone latitude longitude
}`

	// 100 × 3 for the lines.
	queryFulfillment = `query Fulfillment($id: ID!, $after: String) {
  fulfillment(id: $id) {
    id name status displayStatus createdAt updatedAt
    order { id }
    location { id }
    service { handle }
    trackingInfo(first: 10) { company number url }
    fulfillmentLineItems(first: 100, after: $after) {
      nodes { quantity lineItem { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

	// 50 × 9 for the lines, 20 × 5 for the transactions.
	queryRefund = `query Refund($id: ID!, $after: String) {
  refund(id: $id) {
    id createdAt note
    order { id }
    refundLineItems(first: 50, after: $after) {
      nodes { id quantity restockType restocked location { id } lineItem { id } subtotalSet { ...bag } totalTaxSet { ...bag } }
      pageInfo { hasNextPage endCursor }
    }
    transactions(first: 20) {
      nodes { id kind status gateway amountSet { ...bag } authorizationCode createdAt processedAt errorCode parentTransaction { id } paymentId test }
    }
  }
}
fragment bag on MoneyBag { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }`

	queryLocations = `query Locations($after: String) {
  locations(first: 100, after: $after, includeInactive: true) { nodes { id } pageInfo { hasNextPage endCursor } }
}`

	// 1 + 2 + 100 × 4
	queryLevels = `query Levels($id: ID!, $filter: String!, $after: String) {
  location(id: $id) {
    inventoryLevels(first: 100, after: $after, query: $filter) {
      nodes { updatedAt isActive item { id } location { id } quantities(names: ["available"]) { name quantity } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`
)
