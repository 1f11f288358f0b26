package schemas

// group is one line of the catalogue: topics that share a prefix and everything else.
type group struct {
	name     string
	actions  string // the topics' second halves, separated by spaces
	domain   Domain
	priority Priority
	entity   []EntityPath
	gdpr     bool
	dotted   bool // the topic's halves are joined with a dot, not a slash
}

// of makes the paths of one kind.
func of(kind string, paths ...string) []EntityPath {
	entity := make([]EntityPath, len(paths))
	for i, p := range paths {
		entity[i] = EntityPath{Kind: kind, Path: p}
	}
	return entity
}

// or appends what to try when the first paths yield nothing.
func or(first []EntityPath, kind string, paths ...string) []EntityPath {
	return append(first, of(kind, paths...)...)
}

// own is the rule of a body that is the resource itself: REST id, else the gid (the same number, see partitioning).
func own(kind string) []EntityPath { return of(kind, "id", "admin_graphql_api_id") }

// wholeShop is the rule of what concerns the shop as such.
func wholeShop() []EntityPath { return of(KindShop, "") }

// catalogue is the list of Shopify's webhook topics, API version 2026-04 (https://shopify.dev/docs/api/webhooks), with the
// place of the entity in the sample bodies there. Where a group is listed in parts, the first is the default that new topics
// of the group get. What to know before editing: the choice of an entity decides which events are kept in order with each
// other, and changing it reorders what is in flight; see DESIGN.md in partitioning.
func catalogue() []group {
	var all []group
	for _, part := range [][]group{
		orderTopics(), fulfillmentTopics(), subscriptionTopics(), inventoryTopics(), productTopics(), customerTopics(),
		checkoutTopics(), complianceTopics(), shopTopics(),
	} {
		all = append(all, part...)
	}
	return all
}

func orderTopics() []group {
	const d = DomainOrders
	byOrder := func(kind string) []EntityPath {
		return or(of("order", "order_id", "admin_graphql_api_order_id"), kind, "id", "admin_graphql_api_id")
	}
	returned := or(of("order", "order_id", "order.id", "order.admin_graphql_api_id"), "return", "id", "admin_graphql_api_id")
	return []group{
		{name: "orders", actions: "create updated fulfilled partially_fulfilled link_requested delete", domain: d, priority: PriorityHigh, entity: own("order")},
		{name: "orders", actions: "paid cancelled", domain: d, priority: PriorityCritical, entity: own("order")},
		{name: "orders", actions: "edited", domain: d, priority: PriorityHigh, entity: of("order", "order_edit.order_id")},
		{name: "orders", actions: "risk_assessment_changed shopify_protect_eligibility_changed", domain: d, priority: PriorityHigh, entity: of("order", "order_id", "admin_graphql_api_order_id")},
		{name: "order_transactions", actions: "create", domain: d, priority: PriorityCritical, entity: byOrder("order_transaction")},
		{name: "tender_transactions", actions: "create", domain: d, priority: PriorityCritical, entity: byOrder("tender_transaction")},
		{name: "refunds", actions: "create", domain: d, priority: PriorityCritical, entity: byOrder("refund")},
		{name: "disputes", actions: "create update", domain: d, priority: PriorityCritical, entity: byOrder("dispute")},
		{name: "returns", actions: "request approve decline cancel close reopen process update", domain: d, priority: PriorityHigh, entity: returned},
		{name: "reverse_deliveries", actions: "attach_deliverable", domain: d, priority: PriorityNormal, entity: or(of("return", "return.id", "return.admin_graphql_api_id"), "reverse_delivery", "id")},
		{name: "reverse_fulfillment_orders", actions: "dispose", domain: d, priority: PriorityNormal, entity: own("reverse_fulfillment_order")},
		// A draft's order_id is null until the draft is completed. Keyed by it, the last update of a draft could overtake the
		// earlier ones, so the draft stays its own entity throughout.
		{name: "draft_orders", actions: "create update delete", domain: d, priority: PriorityNormal, entity: own("draft_order")},
		{name: "payment_terms", actions: "create update delete", domain: d, priority: PriorityHigh, entity: own("payment_terms")},
		{name: "payment_schedules", actions: "due", domain: d, priority: PriorityCritical, entity: or(of("payment_terms", "payment_terms_id"), "payment_schedule", "id", "admin_graphql_api_id")},
	}
}

func fulfillmentTopics() []group {
	const d = DomainOrders
	const fo = "fulfillment_order"
	byOrder := func(kind string) []EntityPath { return or(of("order", "order_id"), kind, "id", "admin_graphql_api_id") }
	// No topic of fulfilment orders carries the order's id (2026-04), so the fulfilment order is the entity. Where one event
	// names two, the one it was done to is the owner: it exists before the event.
	single := of(fo, "fulfillment_order.id", "original_fulfillment_order.id")
	return []group{
		{name: "fulfillments", actions: "create update", domain: d, priority: PriorityHigh, entity: byOrder("fulfillment")},
		{name: "fulfillment_events", actions: "create delete", domain: d, priority: PriorityHigh, entity: or(of("order", "order_id"), "fulfillment", "fulfillment_id")},
		{name: "fulfillment_holds", actions: "added released", domain: d, priority: PriorityHigh, entity: of(fo, "fulfillment_order.id")},
		{
			name: "fulfillment_orders", domain: d, priority: PriorityHigh, entity: single,
			actions: "fulfillment_request_accepted fulfillment_request_rejected fulfillment_service_failed_to_complete hold_released" +
				" line_items_prepared_for_local_delivery line_items_prepared_for_pickup manually_reported_progress_stopped order_routing_complete" +
				" placed_on_hold progress_reported rescheduled scheduled_fulfillment_order_ready split",
		},
		{name: "fulfillment_orders", actions: "cancellation_request_accepted cancellation_request_rejected cancellation_request_submitted cancelled", domain: d, priority: PriorityCritical, entity: single},
		{name: "fulfillment_orders", actions: "fulfillment_request_submitted", domain: d, priority: PriorityHigh, entity: of(fo, "original_fulfillment_order.id", "submitted_fulfillment_order.id")},
		{name: "fulfillment_orders", actions: "moved", domain: d, priority: PriorityHigh, entity: of(fo, "original_fulfillment_order.id", "moved_fulfillment_order.id")},
		{name: "fulfillment_orders", actions: "merged", domain: d, priority: PriorityHigh, entity: of(fo, "fulfillment_order_merges.fulfillment_order.id", "merge_intents.0.fulfillment_order_id")},
	}
}

// subscriptionTopics are keyed by the contract, not by origin_order_id: billing cycles and attempts name only the contract,
// which outlives the order it began with by years.
func subscriptionTopics() []group {
	const d = DomainOrders
	const kind = "subscription_contract"
	part := of(kind, "subscription_contract_id", "admin_graphql_api_subscription_contract_id")
	return []group{
		{name: "subscription_contracts", actions: "create update activate pause cancel fail expire", domain: d, priority: PriorityNormal, entity: own(kind)},
		{name: "subscription_billing_attempts", actions: "success failure challenged", domain: d, priority: PriorityCritical, entity: or(part, "subscription_billing_attempt", "id", "admin_graphql_api_id")},
		{name: "subscription_billing_cycles", actions: "skip unskip", domain: d, priority: PriorityNormal, entity: part},
		{name: "subscription_billing_cycle_edits", actions: "create update delete", domain: d, priority: PriorityNormal, entity: part},
	}
}

func inventoryTopics() []group {
	const d = DomainInventory
	return []group{
		// A level is (item, location). The item is the owner: stock moves between locations must stay in order. The gid in the
		// body begins with the location's id and is no substitute.
		{name: "inventory_levels", actions: "update connect disconnect", domain: d, priority: PriorityNormal, entity: of("inventory_item", "inventory_item_id")},
		{name: "inventory_items", actions: "create update delete", domain: d, priority: PriorityNormal, entity: own("inventory_item")},
		{
			name: "inventory_shipments", domain: d, priority: PriorityNormal, entity: of("inventory_shipment", "id", "shipment_id"),
			actions: "create delete add_items remove_items receive_items mark_in_transit update_item_quantities update_tracking",
		},
		{name: "inventory_transfers", actions: "add_items remove_items update_item_quantities ready_to_ship complete cancel", domain: d, priority: PriorityNormal, entity: own("inventory_transfer")},
		{name: "locations", actions: "create update activate deactivate delete", domain: d, priority: PriorityNormal, entity: own("location")},
	}
}

func productTopics() []group {
	const d = DomainProducts
	listing := func(wrapper string) []EntityPath { return of("product", wrapper+".product_id", "product_id") }
	return []group{
		{name: "products", actions: "create update delete", domain: d, priority: PriorityNormal, entity: own("product")},
		{name: "variants", actions: "in_stock out_of_stock", domain: d, priority: PriorityNormal, entity: or(of("product", "product_id"), "product_variant", "id", "admin_graphql_api_id")},
		{name: "product_listings", actions: "add update remove", domain: d, priority: PriorityNormal, entity: listing("product_listing")},
		{name: "scheduled_product_listings", actions: "add update remove", domain: d, priority: PriorityNormal, entity: listing("scheduled_product_listing")},
		{name: "product_publications", actions: "create update delete", domain: d, priority: PriorityLow, entity: or(of("product", "product_id"), "product_publication", "id")},
		{name: "product_feeds", actions: "full_sync_finish create update", domain: d, priority: PriorityLow, entity: of("product_feed", "productFeed.id", "id")},
		{name: "product_feeds", actions: "full_sync incremental_sync", domain: d, priority: PriorityLow, entity: or(of("product", "product.id"), "product_feed", "productFeed.id")},
		{name: "collections", actions: "create update delete", domain: d, priority: PriorityNormal, entity: own("collection")},
		{name: "collection_listings", actions: "add update remove", domain: d, priority: PriorityNormal, entity: of("collection", "collection_listing.collection_id", "collection_id")},
		{name: "collection_publications", actions: "create update delete", domain: d, priority: PriorityLow, entity: or(of("collection", "collection_id"), "collection_publication", "id")},
		{name: "selling_plan_groups", actions: "create update delete", domain: d, priority: PriorityNormal, entity: own("selling_plan_group")},
	}
}

func customerTopics() []group {
	const d = DomainCustomers
	byCustomer := of("customer", "customer_id", "customerId")
	ofCompany := func(prefix, kind, path string) []EntityPath {
		return or(of("company", prefix+"company.admin_graphql_api_id"), kind, path)
	}
	return []group{
		{name: "customers", actions: "create update enable disable delete", domain: d, priority: PriorityNormal, entity: own("customer")},
		// The kept customer is the owner: it is the one that goes on.
		{name: "customers", actions: "merge", domain: d, priority: PriorityNormal, entity: of("customer", "admin_graphql_api_customer_kept_id", "admin_graphql_api_customer_deleted_id")},
		// lastOrderId is what the summary mentions, not what it is about, and it changes.
		{name: "customers", actions: "purchasing_summary", domain: d, priority: PriorityLow, entity: of("customer", "customerId")},
		{name: "customer", actions: "tags_added tags_removed joined_segment left_segment", dotted: true, domain: d, priority: PriorityLow, entity: byCustomer},
		{name: "customers_email_marketing_consent", actions: "update", domain: d, priority: PriorityNormal, entity: of("customer", "customer_id")},
		{name: "customers_marketing_consent", actions: "update", domain: d, priority: PriorityNormal, entity: of("customer", "id")},
		{name: "customer_payment_methods", actions: "create update revoke", domain: d, priority: PriorityNormal, entity: or(of("customer", "customer_id", "admin_graphql_api_customer_id"), "customer_payment_method", "admin_graphql_api_id")},
		{name: "customer_groups", actions: "create update delete", domain: d, priority: PriorityLow, entity: own("customer_group")},
		{name: "segments", actions: "create update delete", domain: d, priority: PriorityLow, entity: own("segment")},
		{name: "companies", actions: "create update delete", domain: d, priority: PriorityNormal, entity: of("company", "admin_graphql_api_id", "id")},
		{name: "company_contacts", actions: "create update delete", domain: d, priority: PriorityNormal, entity: ofCompany("", "company_contact", "admin_graphql_api_id")},
		{name: "company_contact_roles", actions: "assign revoke", domain: d, priority: PriorityNormal, entity: ofCompany("company_contact.", "company_contact", "company_contact.admin_graphql_api_id")},
		{name: "company_locations", actions: "create update delete", domain: d, priority: PriorityNormal, entity: ofCompany("", "company_location", "admin_graphql_api_id")},
	}
}

func checkoutTopics() []group {
	const d = DomainCheckouts
	return []group{
		// checkouts/delete carries no token, so it cannot share the key of the checkout's other events.
		{name: "checkouts", actions: "create update delete", domain: d, priority: PriorityNormal, entity: of("checkout", "token", "id")},
		{name: "carts", actions: "create update", domain: d, priority: PriorityLow, entity: of("cart", "token", "id")},
	}
}

// complianceTopics can be configured only as a set (https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance).
// They go to the shop's domain, whose readers must act on them; an e-mail address alone (customer.id missing) is no key.
func complianceTopics() []group {
	const d = DomainShop
	return []group{
		{name: "customers", actions: "data_request redact", domain: d, priority: PriorityCritical, entity: of("customer", "customer.id"), gdpr: true},
		{name: "shop", actions: "redact", domain: d, priority: PriorityCritical, entity: wholeShop(), gdpr: true},
	}
}

func shopTopics() []group {
	const d = DomainShop
	app := func(wrapper string) []EntityPath {
		return of(wrapper, wrapper+".admin_graphql_api_id", "admin_graphql_api_id")
	}
	return []group{
		{name: "app", actions: "uninstalled", domain: d, priority: PriorityCritical, entity: wholeShop()},
		{name: "app", actions: "scopes_update", domain: d, priority: PriorityNormal, entity: wholeShop()},
		{name: "shop", actions: "update", domain: d, priority: PriorityNormal, entity: wholeShop()},
		{name: "app_purchases_one_time", actions: "update", domain: d, priority: PriorityNormal, entity: app("app_purchase_one_time")},
		{name: "app_subscriptions", actions: "update approaching_capped_amount", domain: d, priority: PriorityNormal, entity: app("app_subscription")},
		{name: "audit_events", actions: "admin_api_activity", domain: d, priority: PriorityLow, entity: wholeShop()},
		{name: "bulk_operations", actions: "finish", domain: d, priority: PriorityNormal, entity: of("bulk_operation", "admin_graphql_api_id", "id")},
		{name: "channels", actions: "delete", domain: d, priority: PriorityLow, entity: own("channel")},
		{name: "customer_account_settings", actions: "update", domain: d, priority: PriorityLow, entity: wholeShop()},
		{name: "delivery_promise_settings", actions: "update", domain: d, priority: PriorityLow, entity: wholeShop()},
		{name: "discounts", actions: "create update delete redeemcode_added redeemcode_removed", domain: d, priority: PriorityNormal, entity: of("discount", "admin_graphql_api_id", "id")},
		{name: "domains", actions: "create update destroy", domain: d, priority: PriorityLow, entity: own("domain")},
		{name: "finance_app_staff_member", actions: "grant update revoke delete", domain: d, priority: PriorityNormal, entity: own("finance_app_staff_member")},
		{name: "finance_kyc_information", actions: "update", domain: d, priority: PriorityNormal, entity: own("finance_kyc_information")},
		{name: "locales", actions: "create update destroy", domain: d, priority: PriorityLow, entity: of("locale", "locale")},
		{name: "markets", actions: "create update delete", domain: d, priority: PriorityLow, entity: own("market")},
		{name: "markets_backup_region", actions: "update", domain: d, priority: PriorityLow, entity: wholeShop()},
		{name: "metafield_definitions", actions: "create update delete", domain: d, priority: PriorityLow, entity: own("metafield_definition")},
		{name: "metaobjects", actions: "create update delete", domain: d, priority: PriorityLow, entity: own("metaobject")},
		{name: "profiles", actions: "create update delete", domain: d, priority: PriorityLow, entity: own("delivery_profile")},
		{name: "shipping_addresses", actions: "create update", domain: d, priority: PriorityNormal, entity: own("shipping_address")},
		{name: "tax_services", actions: "create update", domain: d, priority: PriorityLow, entity: own("tax_service")},
		{name: "themes", actions: "create update delete publish", domain: d, priority: PriorityLow, entity: own("theme")},
	}
}
