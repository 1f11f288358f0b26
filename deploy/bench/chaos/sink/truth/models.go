package truth

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"millrace/schemas"
)

// record is one record that was seen.
type record struct {
	Place
	offset int64
	event  *schemas.Event
	body   []byte
}

// version orders the versions of an entity: by Shopify's updated_at, then by the time at which the webhook was triggered, then by
// the offset.
type version struct {
	updated moment
	time    int64
	offset  int64
	place   Place
}

func (v version) beats(w version) bool {
	if v.updated != w.updated {
		return v.updated > w.updated
	}
	if v.time != w.time {
		return v.time > w.time
	}
	return v.offset >= w.offset
}

// key names an entity. Ids are of the shop.
type key struct {
	shop, id string
}

// kept is an entity's newest version.
type kept[T any] struct {
	version
	topic string // Shopify's, of that version
	is    T
}

type table[T any] map[key]*kept[T]

func (t table[T]) put(k key, v version, topic string, is T) {
	if old, known := t[k]; !known || v.beats(old.version) {
		t[k] = &kept[T]{v, topic, is}
	}
}

// refund is a refund with what its webhook or its order adds.
type refund struct {
	refundBody
	currency string
	test     bool
}

// first is a customer's earliest order.
type first struct {
	order    uint64
	created  moment
	currency string
}

// Models are what the read models must have.
type Models struct {
	deleted     map[string]map[key]int64 // by kind: the greatest time
	orders      table[orderBody]
	refunds     table[refund]
	fulfilments table[fulfilmentBody]
	checkouts   table[checkoutBody]
	products    table[productBody]
	customers   table[customerBody]
	levels      table[levelBody]
	firsts      map[key]first
	minutes     counted[minute] // by the minute in which records were received, and Shopify's topic
}

// minute is what was received in one.
type minute struct {
	events, bytes  int
	delay, longest int64 // milliseconds from the trigger of the webhook to its receipt
}

func (m *minute) add(r *record) {
	delay := r.event.Received.UnixMilli() - r.event.Time.UnixMilli()
	if m.events == 0 || delay > m.longest {
		m.longest = delay
	}
	m.events++
	m.bytes += len(r.body)
	m.delay += delay
}

func newModels() *Models {
	return &Models{
		deleted: map[string]map[key]int64{}, orders: table[orderBody]{}, refunds: table[refund]{}, fulfilments: table[fulfilmentBody]{},
		checkouts: table[checkoutBody]{}, products: table[productBody]{}, customers: table[customerBody]{}, levels: table[levelBody]{},
		firsts: map[key]first{}, minutes: counted[minute]{},
	}
}

func id(n uint64) string { return strconv.FormatUint(n, 10) }

// add reads one record into the models. A body that cannot be read is an error of this test: the story makes none.
func (m *Models) add(r *record) error {
	m.minutes.of(tabs(r.event.Received.Unix()/60*60, r.event.Topic)).add(r)
	entity, action, _ := strings.Cut(r.event.Topic, "/")
	if action == "delete" {
		m.delete(r, strings.TrimSuffix(entity, "s"))
		return nil
	}
	var err error
	switch entity {
	case "orders":
		err = read(r, m.order)
	case "refunds":
		err = read(r, m.refund)
	case "fulfillments":
		err = read(r, m.fulfilment)
	case "checkouts":
		err = read(r, func(r *record, b checkoutBody) {
			m.checkouts.put(key{r.event.Shop, b.Token}, r.version(b.Updated), r.event.Topic, b)
		})
	case "products":
		err = read(r, func(r *record, b productBody) { m.products.put(r.subject(), r.version(b.Updated), r.event.Topic, b) })
	case "customers":
		err = read(r, func(r *record, b customerBody) { m.customers.put(r.subject(), r.version(b.Updated), r.event.Topic, b) })
	case "inventory_levels":
		err = read(r, func(r *record, b levelBody) {
			m.levels.put(key{r.event.Shop, id(b.Item) + "@" + id(b.Location)}, r.version(b.Updated), r.event.Topic, b)
		})
	default:
		err = fmt.Errorf("nobody has said what %s means", r.event.Topic)
	}
	return err
}

func read[T any](r *record, use func(*record, T)) error {
	var b T
	if err := json.Unmarshal(r.body, &b); err != nil {
		return fmt.Errorf("read %s of %s: %w", r.event.Topic, r.event.ID, err)
	}
	use(r, b)
	return nil
}

func (r *record) version(updated moment) version {
	return version{updated: updated, time: r.event.Time.UnixNano(), offset: r.offset, place: r.Place}
}

// subject is the entity that the record's key names.
func (r *record) subject() key {
	_, id, _ := strings.Cut(r.event.Subject, "/")
	return key{r.event.Shop, id}
}

func (m *Models) delete(r *record, kind string) {
	if m.deleted[kind] == nil {
		m.deleted[kind] = map[key]int64{}
	}
	k := r.subject()
	m.deleted[kind][k] = max(m.deleted[kind][k], r.event.Time.UnixNano())
}

func (m *Models) gone(kind string, k key) bool {
	_, gone := m.deleted[kind][k]
	return gone
}

// order reads an order, and the refunds and fulfilments that its body shows.
func (m *Models) order(r *record, b orderBody) {
	shop := r.event.Shop
	for _, f := range b.Fulfilments {
		f.Order = b.ID
		m.fulfilments.put(key{shop, id(f.ID)}, r.version(f.Updated), r.event.Topic, f)
	}
	for _, f := range b.Refunds {
		f.Order = b.ID
		m.refunds.put(key{shop, id(f.ID)}, r.version(b.Updated), r.event.Topic, refund{f, b.Currency, b.Test})
	}
	if b.Customer != nil && b.Customer.ID != 0 && !b.Test {
		k, now := key{shop, id(b.Customer.ID)}, first{b.ID, b.Created, b.Currency}
		old, known := m.firsts[k]
		if !known || now.created < old.created || now.created == old.created && now.order < old.order {
			m.firsts[k] = now
		}
	}
	m.orders.put(key{shop, id(b.ID)}, r.version(b.Updated), r.event.Topic, b)
}

// refund reads refunds/create, which says the currency by its transactions alone.
func (m *Models) refund(r *record, b refundBody) {
	is := refund{refundBody: b}
	for _, t := range b.Transactions {
		is.test = is.test || t.Test
		if is.currency == "" {
			is.currency = t.Currency
		}
	}
	m.refunds.put(key{r.event.Shop, id(b.ID)}, r.version(b.Created), r.event.Topic, is)
}

func (m *Models) fulfilment(r *record, b fulfilmentBody) {
	m.fulfilments.put(key{r.event.Shop, id(b.ID)}, r.version(b.Updated), r.event.Topic, b)
}
