package partitioning

import (
	"errors"
	"fmt"
	"unsafe"

	"millrace/schemas"

	"github.com/tidwall/gjson"
)

// MaxDepth is how deep a body may be nested. Shopify's are less than 15 deep; encoding/json gives up at 10 000, ClickHouse's
// JSON type at 1000.
const MaxDepth = 1000

// ErrUnparsable is wrapped by For's error when a body is empty, is not JSON, or is nested deeper than MaxDepth. Such a
// delivery belongs in quarantine.
var ErrUnparsable = errors.New("unparsable body")

// Route is where an event goes.
type Route struct {
	Topic   string // Kafka topic
	Subject string // the entity, <kind>/<id> or "shop"
	Key     string // record key, <shop>|<subject>
	Known   bool   // whether the Shopify topic is in the catalogue
}

// For routes one delivery. shop is the lower-case shop domain, already checked; body is the raw body, which is neither
// changed nor kept. A body that names no usable entity goes under the shop itself, so every JSON body has a route.
//
// Bytes that are not UTF-8 inside JSON strings are let through: nothing downstream of here needs them to be UTF-8, and the
// delivery is authentic. Of a repeated JSON key the first counts.
//
// The error wraps ErrUnparsable; there is no other.
func For(shop, shopifyTopic string, body []byte) (Route, error) {
	// Depth first: gjson's validator recurses, and 10 MiB of "[" would be 10 million frames.
	if tooDeep(body) {
		return Route{}, fmt.Errorf("%w: nested deeper than %d", ErrUnparsable, MaxDepth)
	}
	if !gjson.ValidBytes(body) {
		return Route{}, fmt.Errorf("%w: %d bytes that are not JSON", ErrUnparsable, len(body))
	}
	topic, known := schemas.Lookup(shopifyTopic)
	r := route(topic.Domain, shop, topic.Entity, body)
	r.Known = known
	return r, nil
}

// Quarantine routes a delivery for which For has no route. id is that of the delivery (the webhook id), so that a shop that
// sends much rubbish spreads over all partitions; there is no order to keep.
func Quarantine(shop, id string) Route {
	clean, ok := cleanID(id)
	if !ok {
		return join(schemas.DomainQuarantine, shop, schemas.KindShop, "")
	}
	return join(schemas.DomainQuarantine, shop, "delivery", clean)
}

// route finds the entity in a valid body. In one that is not an object there is nothing for the paths to find.
func route(domain schemas.Domain, shop string, entity []schemas.EntityPath, body []byte) Route {
	// A string view of the body lets gjson return parts of it without copying. It must not outlive this call: join copies.
	text := unsafe.String(unsafe.SliceData(body), len(body)) //nolint:gosec // read-only view, see above
	for _, e := range entity {
		if e.Path == "" {
			break
		}
		if id, ok := idOf(gjson.Get(text, e.Path)); ok {
			return join(domain, shop, e.Kind, id)
		}
	}
	return join(domain, shop, schemas.KindShop, "")
}

// join builds a route whose strings are fresh and share one allocation.
func join(domain schemas.Domain, shop, kind, id string) Route {
	key := shop + "|" + kind
	if id != "" {
		key = shop + "|" + kind + "/" + id
	}
	return Route{Topic: domain.KafkaTopic(), Subject: key[len(shop)+1:], Key: key}
}
