package deadletter

import (
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Filter chooses letters and waiting events. What is empty does not restrict; of several words in one field any may match, and
// all fields must.
type Filter struct {
	IDs           []ID
	Topics        []string // Kafka topics of the events
	ShopifyTopics []string
	Shops         []string // domains; without a dot, a name under myshopify.com
	Entities      []string // order/123, or 123 of any kind
	Classes       []string
	Since, Until  time.Time // of the last failure: Since <= t < Until

	// Settled includes letters that were redriven or dropped. It has no meaning for waiting events.
	Settled bool
}

// onlyIDs tells whether the partitions to read are known beforehand.
func (f *Filter) partition(topic string, partition int32) bool {
	if len(f.Topics) > 0 && !slices.Contains(f.Topics, topic) {
		return false
	}
	return len(f.IDs) == 0 || slices.ContainsFunc(f.IDs, func(id ID) bool { return id.Topic == topic && id.Partition == partition })
}

// matches looks at everything but what partition has decided.
func (f *Filter) matches(id ID, h *headers, failed time.Time) bool {
	switch {
	case len(f.IDs) > 0 && !slices.Contains(f.IDs, id):
		return false
	case len(f.ShopifyTopics) > 0 && !slices.Contains(f.ShopifyTopics, string(h.shopifyTopic)):
		return false
	case len(f.Classes) > 0 && !slices.Contains(f.Classes, string(h.class)):
		return false
	case len(f.Shops) > 0 && !slices.ContainsFunc(f.Shops, func(s string) bool { return isShop(s, string(h.shop)) }):
		return false
	case len(f.Entities) > 0 && !slices.ContainsFunc(f.Entities, func(e string) bool { return isEntity(e, string(h.entity)) }):
		return false
	case !f.Since.IsZero() && failed.Before(f.Since):
		return false
	case !f.Until.IsZero() && !failed.Before(f.Until):
		return false
	}
	return true
}

// Chooses tells whether an event as it stands in the topic that it came to is of one of the shops, entities and Shopify topics. The other
// fields are not looked at.
func (f *Filter) Chooses(r *kgo.Record) bool {
	h := read(r.Headers)
	h.place(r.Key)
	only := Filter{ShopifyTopics: f.ShopifyTopics, Shops: f.Shops, Entities: f.Entities}
	return only.matches(ID{}, &h, time.Time{})
}

func isShop(want, shop string) bool {
	if !strings.Contains(want, ".") {
		want += ".myshopify.com"
	}
	return strings.EqualFold(want, shop)
}

func isEntity(want, entity string) bool {
	if strings.Contains(want, "/") {
		return want == entity
	}
	_, id, _ := strings.Cut(entity, "/")
	return want == id || want == entity // "shop" has no id
}
