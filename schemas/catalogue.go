package schemas

import (
	"slices"
	"strings"
	"sync"
)

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

// kafkaTopicPrefix begins the name of every topic that ingest writes.
const kafkaTopicPrefix = "shopify."

// KafkaTopic returns the Kafka topic of the domain. It is called for every webhook, hence the constants: they cost no
// allocation.
func (d Domain) KafkaTopic() string {
	switch d {
	case DomainOrders:
		return kafkaTopicPrefix + string(DomainOrders)
	case DomainInventory:
		return kafkaTopicPrefix + string(DomainInventory)
	case DomainProducts:
		return kafkaTopicPrefix + string(DomainProducts)
	case DomainCustomers:
		return kafkaTopicPrefix + string(DomainCustomers)
	case DomainCheckouts:
		return kafkaTopicPrefix + string(DomainCheckouts)
	case DomainShop:
		return kafkaTopicPrefix + string(DomainShop)
	case DomainQuarantine:
		return kafkaTopicPrefix + string(DomainQuarantine)
	default:
		return kafkaTopicPrefix + string(d)
	}
}

// Domains returns the six domains whose events can be read, in a fixed order; DomainQuarantine is not one of them.
func Domains() []Domain {
	return []Domain{DomainOrders, DomainInventory, DomainProducts, DomainCustomers, DomainCheckouts, DomainShop}
}

// Priority is the class by which a service that is behind chooses between entities. It never changes the order of the
// events of one entity.
type Priority uint8

// The classes, most urgent first.
const (
	PriorityCritical Priority = iota // money, cancellations, legal duties
	PriorityHigh                     // orders and their fulfilment
	PriorityNormal                   // stock, products, customers
	PriorityLow                      // noise: carts, themes, publications
)

// String returns the lower-case name of the class, as metrics and logs show it.
func (p Priority) String() string {
	switch p {
	case PriorityCritical:
		return "critical"
	case PriorityHigh:
		return "high"
	case PriorityNormal:
		return "normal"
	case PriorityLow:
		return "low"
	default:
		return "unknown"
	}
}

// KindShop is the entity of everything that belongs to the shop as a whole, and of bodies that name nothing smaller. It is
// the one kind that has no id.
const KindShop = "shop"

// EntityPath is one place in a body where the id of the entity may be.
type EntityPath struct {
	Kind string // what the id identifies, e.g. "order"
	Path string // gjson path into the body; "" stands for the constant entity Kind, which has no id (only KindShop)
}

// Topic is one Shopify webhook topic.
type Topic struct {
	Name     string // as Shopify sends it, e.g. orders/create
	Domain   Domain
	Entity   []EntityPath // tried in order; the first that yields a usable id is the entity, none means KindShop
	Priority Priority
	GDPR     bool // a compliance request that must be acted on within 30 days
}

// Topics returns every catalogued topic, sorted by name. The slice and the entity rules in it are the caller's.
func Topics() []Topic {
	byName := index().topics
	topics := make([]Topic, 0, len(byName))
	for _, t := range byName {
		t.Entity = slices.Clone(t.Entity)
		topics = append(topics, t)
	}
	slices.SortFunc(topics, func(a, b Topic) int { return strings.Compare(a.Name, b.Name) })
	return topics
}

// Lookup returns the catalogue's entry for a topic, or, with known false, what the rule makes of a name that Shopify has
// added since. Lookup is on the path of every webhook: the Entity of a known topic is shared and must not be written to.
//
// The rule: a new topic of a known group ("orders/archived") goes to that group's domain and keeps the group's entity, so
// that it stays in order with the entity's other events. Anything else goes to DomainShop, keyed by an order id where the
// body has one, else by its own id under the singular of the group ("widgets/create" gives "widget").
func Lookup(name string) (t Topic, known bool) {
	idx := index()
	if t, known = idx.topics[name]; known {
		return t, true
	}
	group := groupOf(name)
	t = Topic{Name: name, Domain: DomainShop, Entity: genericEntity(group), Priority: PriorityNormal}
	if g, ok := idx.groups[group]; ok {
		t.Domain, t.Priority = g.domain, g.priority
		if g.entity[0].Kind == "order" {
			// Explicit order ids come before "id": in a body of unknown shape that may be the id of a part of the order.
			t.Entity = append(t.Entity, g.entity...)
		} else {
			t.Entity = slices.Concat(g.entity, t.Entity)
		}
	}
	return t, false
}

// groupOf returns what precedes the first slash, or, in a name without one ("customer.tags_added"), the first dot.
func groupOf(name string) string {
	if group, _, ok := strings.Cut(name, "/"); ok {
		return group
	}
	group, _, _ := strings.Cut(name, ".")
	return group
}

// genericEntity is the rule for a body of unknown shape.
func genericEntity(group string) []EntityPath {
	entity := []EntityPath{{"order", "order_id"}, {"order", "admin_graphql_api_order_id"}}
	if kind := singular(group); kind != KindShop && isKind(kind) {
		entity = append(entity, EntityPath{kind, "id"}, EntityPath{kind, "admin_graphql_api_id"})
	}
	return entity
}

// maxKindBytes bounds the part of a record key that comes from an unknown topic's name.
const maxKindBytes = 64

// isKind reports whether s can stand in a record key as the kind of an entity. The topic's name is not signed: it may hold
// anything that an HTTP header may.
func isKind(s string) bool {
	if s == "" || len(s) > maxKindBytes {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// singular undoes the regular English plurals that topic groups are made of.
func singular(plural string) string {
	if stem, ok := strings.CutSuffix(plural, "ies"); ok {
		return stem + "y"
	}
	for _, ending := range []string{"sses", "shes", "ches", "xes"} {
		if strings.HasSuffix(plural, ending) {
			return plural[:len(plural)-len("es")]
		}
	}
	if strings.HasSuffix(plural, "ss") {
		return plural
	}
	return strings.TrimSuffix(plural, "s")
}

// catalogueIndex finds topics and groups by name.
type catalogueIndex struct {
	topics map[string]Topic
	groups map[string]group // a group that is listed in parts: its first part, which is the group's default
}

// index builds the index at first use. It is read-only from then on, which is what makes one for the whole process right.
//
//nolint:gochecknoglobals // immutable lookup table; passing it to every caller of Lookup would only spread a constant
var index = sync.OnceValue(func() catalogueIndex {
	idx := catalogueIndex{topics: make(map[string]Topic, 256), groups: make(map[string]group, 96)}
	for _, g := range catalogue() {
		if _, ok := idx.groups[g.name]; !ok {
			idx.groups[g.name] = g
		}
		for action := range strings.FieldsSeq(g.actions) {
			name := g.name + "/" + action
			if g.dotted {
				name = g.name + "." + action
			}
			idx.topics[name] = Topic{Name: name, Domain: g.domain, Entity: g.entity, Priority: g.priority, GDPR: g.gdpr}
		}
	}
	return idx
})
