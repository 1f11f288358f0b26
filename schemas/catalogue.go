package schemas

// Domain groups Shopify topics into one Kafka topic, "shopify.<domain>".
type Domain string

// The domains. Quarantine holds authentic deliveries that cannot be parsed or routed.
const (
	DomainOrders     Domain = "orders"
	DomainInventory  Domain = "inventory"
	DomainProducts   Domain = "products"
	DomainCustomers  Domain = "customers"
	DomainCheckouts  Domain = "checkouts"
	DomainShop       Domain = "shop"
	DomainQuarantine Domain = "quarantine"
)

// KafkaTopic returns the Kafka topic of the domain.
func (d Domain) KafkaTopic() string { return "shopify." + string(d) }
