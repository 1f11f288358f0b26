package schemas_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millrace/schemas"
)

func TestTheCatalogueHoldsExactlyShopifysTopics(t *testing.T) {
	golden, err := os.ReadFile("testdata/topics.txt") // names of API version 2026-04, sorted
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(golden))
	if len(want) != 219 {
		t.Errorf("testdata/topics.txt has %d names, want 219", len(want))
	}
	var got []string
	for _, topic := range schemas.Topics() {
		got = append(got, topic.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("topics (-golden +catalogue):\n%s", diff)
	}
}

func TestEveryTopicHasADomainAnEntityAndAPriority(t *testing.T) {
	domains := map[schemas.Domain]bool{}
	for _, d := range schemas.Domains() {
		domains[d] = true
	}
	for _, topic := range schemas.Topics() {
		if !domains[topic.Domain] {
			t.Errorf("%s: domain %q is none of Domains()", topic.Name, topic.Domain)
		}
		if topic.Priority.String() == "unknown" {
			t.Errorf("%s: priority %d has no name", topic.Name, topic.Priority)
		}
		if len(topic.Entity) == 0 {
			t.Errorf("%s: no entity rule", topic.Name)
		}
		for _, e := range topic.Entity {
			if e.Kind == "" || strings.ContainsAny(e.Kind, "|/ ") {
				t.Errorf("%s: kind %q", topic.Name, e.Kind)
			}
			if (e.Path == "") != (e.Kind == schemas.KindShop) {
				t.Errorf("%s: %+v: the constant entity is %q, and only that", topic.Name, e, schemas.KindShop)
			}
		}
	}
}

func TestTopicsThatMustGoToADomainDo(t *testing.T) {
	tests := map[schemas.Domain]string{
		schemas.DomainOrders: "orders/create orders/edited refunds/create order_transactions/create tender_transactions/create fulfillments/update" +
			" fulfillment_orders/moved fulfillment_holds/added returns/update disputes/create draft_orders/update payment_schedules/due",
		schemas.DomainInventory: "inventory_levels/update inventory_items/delete inventory_shipments/create inventory_transfers/cancel",
		schemas.DomainProducts:  "products/update variants/in_stock collections/create product_listings/add selling_plan_groups/update",
		schemas.DomainCustomers: "customers/create customers/merge customer.tags_added companies/create segments/delete customers_email_marketing_consent/update" +
			" customer_payment_methods/revoke",
		schemas.DomainCheckouts: "checkouts/create carts/update",
		schemas.DomainShop:      "app/uninstalled shop/update shop/redact customers/redact customers/data_request themes/publish bulk_operations/finish",
	}
	for domain, names := range tests {
		for _, name := range strings.Fields(names) {
			topic, known := schemas.Lookup(name)
			if !known || topic.Domain != domain {
				t.Errorf("%s: known %v, domain %q, want %q", name, known, topic.Domain, domain)
			}
		}
	}
}

func TestExactlyTheComplianceTopicsAreFlagged(t *testing.T) {
	var got []string
	for _, topic := range schemas.Topics() {
		if topic.GDPR {
			got = append(got, topic.Name)
			if topic.Priority != schemas.PriorityCritical {
				t.Errorf("%s has priority %s, want critical", topic.Name, topic.Priority)
			}
		}
	}
	if diff := cmp.Diff([]string{"customers/data_request", "customers/redact", "shop/redact"}, got); diff != "" {
		t.Errorf("compliance topics (-want +got):\n%s", diff)
	}
}

func TestPriorityPutsMoneyAndCancellationsFirstAndNoiseLast(t *testing.T) {
	tests := map[schemas.Priority]string{
		schemas.PriorityCritical: "orders/paid orders/cancelled order_transactions/create refunds/create fulfillment_orders/cancelled disputes/create app/uninstalled",
		schemas.PriorityHigh:     "orders/create orders/updated fulfillments/create fulfillment_orders/split returns/request",
		schemas.PriorityNormal:   "inventory_levels/update products/update customers/update checkouts/create",
		schemas.PriorityLow:      "carts/create carts/update themes/publish",
	}
	for priority, names := range tests {
		for _, name := range strings.Fields(names) {
			if topic, _ := schemas.Lookup(name); topic.Priority != priority {
				t.Errorf("%s has priority %s, want %s", name, topic.Priority, priority)
			}
		}
	}
}

func TestAnUnknownTopicIsHandledByRule(t *testing.T) {
	type paths = []schemas.EntityPath
	order := paths{{"order", "order_id"}, {"order", "admin_graphql_api_order_id"}}
	long := strings.Repeat("x", 65)
	tests := map[string]struct {
		domain schemas.Domain
		entity paths
	}{
		// A known group: its domain, and its entity first.
		"orders/archived":        {schemas.DomainOrders, append(order[:2:2], paths{{"order", "id"}, {"order", "admin_graphql_api_id"}, {"order", "id"}, {"order", "admin_graphql_api_id"}}...)},
		"inventory_levels/reset": {schemas.DomainInventory, append(paths{{"inventory_item", "inventory_item_id"}}, append(order[:2:2], paths{{"inventory_level", "id"}, {"inventory_level", "admin_graphql_api_id"}}...)...)},
		"customer.merged":        {schemas.DomainCustomers, append(paths{{"customer", "customer_id"}, {"customer", "customerId"}}, append(order[:2:2], paths{{"customer", "id"}, {"customer", "admin_graphql_api_id"}}...)...)},
		// An unknown group: the shop's domain, an order id if there is one, else the body's own id.
		"widgets/create":    {schemas.DomainShop, append(order[:2:2], paths{{"widget", "id"}, {"widget", "admin_graphql_api_id"}}...)},
		"gift_boxes/create": {schemas.DomainShop, append(order[:2:2], paths{{"gift_box", "id"}, {"gift_box", "admin_graphql_api_id"}}...)},
		"loyalties/a/b":     {schemas.DomainShop, append(order[:2:2], paths{{"loyalty", "id"}, {"loyalty", "admin_graphql_api_id"}}...)},
		"access/granted":    {schemas.DomainShop, append(order[:2:2], paths{{"access", "id"}, {"access", "admin_graphql_api_id"}}...)},
		"solo":              {schemas.DomainShop, append(order[:2:2], paths{{"solo", "id"}, {"solo", "admin_graphql_api_id"}}...)},
		// Names that cannot stand in a key leave the order id alone.
		"":                {schemas.DomainShop, order},
		"/create":         {schemas.DomainShop, order},
		"Orders/create":   {schemas.DomainShop, order},
		"orders|x/create": {schemas.DomainShop, order},
		"größen/create":   {schemas.DomainShop, order},
		"a\x00b/create":   {schemas.DomainShop, order},
		long + "/create":  {schemas.DomainShop, order},
	}
	for name, tt := range tests {
		topic, known := schemas.Lookup(name)
		want := schemas.Topic{Name: name, Domain: tt.domain, Entity: tt.entity, Priority: topic.Priority}
		if known {
			t.Errorf("%q is known", name)
		}
		if diff := cmp.Diff(want, topic); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheCallerOwnsWhatTopicsReturns(t *testing.T) {
	first := schemas.Topics()
	name := first[0].Name
	for i := range first {
		first[i].Name = "spoilt"
		first[i].Entity[0].Path = "spoilt"
	}
	if got, known := schemas.Lookup(name); !known || got.Name != name || got.Entity[0].Path == "spoilt" {
		t.Errorf("writing to what Topics returned changed the catalogue: %+v", got)
	}
	before := len(schemas.Topics())
	unknown, _ := schemas.Lookup("orders/new_one")
	unknown.Entity[0].Path = "spoilt"
	if again, _ := schemas.Lookup("orders/new_one"); again.Entity[0].Path == "spoilt" || len(schemas.Topics()) != before {
		t.Error("looking up an unknown topic left something behind")
	}
}

func TestLookingUpAKnownTopicDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		topic, _ := schemas.Lookup("orders/create")
		_ = topic.Domain.KafkaTopic()
	}); n > 0 {
		t.Errorf("Lookup and KafkaTopic allocate %v times, want 0", n)
	}
}

func TestKafkaTopicOfEveryDomainIsItsNameWithThePrefix(t *testing.T) {
	for _, d := range append(schemas.Domains(), schemas.DomainQuarantine, "some_other") {
		if got, want := d.KafkaTopic(), "shopify."+string(d); got != want {
			t.Errorf("KafkaTopic() = %q, want %q", got, want)
		}
	}
}
