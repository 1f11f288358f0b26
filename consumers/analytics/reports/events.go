package reports

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// eventColumns are those of Event, in the order in which scanEvent reads them.
const eventColumns = `_topic, _partition, _offset, id, shop, shopify_topic, entity_kind, entity_id, order_id, name, time, received_time, inserted_at, length(body)`

func (e *Event) fields() []any {
	return []any{
		&e.Topic, &e.Partition, &e.Offset, &e.ID, &e.Shop, &e.ShopifyTopic, &e.EntityKind, &e.EntityID, &e.OrderID, &e.Name,
		&e.Triggered, &e.Received, &e.Inserted, &e.BodyBytes,
	}
}

// Events returns the newest events that match, by the time of their receipt.
func (r *Reports) Events(ctx context.Context, q EventQuery) (EventPage, error) {
	limit, err := limited(q.Limit, 50)
	if err != nil {
		return EventPage{}, err
	}
	where, values, err := q.conditions()
	if err != nil {
		return EventPage{}, err
	}
	page := EventPage{Events: []Event{}}
	err = r.each(ctx, `SELECT `+eventColumns+` FROM %.events WHERE `+where+`
			ORDER BY received_time DESC, _topic DESC, _partition DESC, _offset DESC LIMIT {limit:UInt32}`,
		append(values, bound("limit", limit+1)), func(rows driver.Rows) error {
			var e Event
			if err := rows.Scan(e.fields()...); err != nil {
				return err
			}
			page.Events = append(page.Events, e)
			return nil
		})
	if len(page.Events) > limit {
		page.Events = page.Events[:limit]
		page.Next = cursorAfter(page.Events[limit-1])
	}
	return page, err
}

// conditions are what is set, joined by AND.
func (q EventQuery) conditions() (string, []any, error) {
	where, values := []string{"1"}, []any{}
	if !q.Range.From.IsZero() || !q.Range.To.IsZero() {
		rg, err := q.Range.Checked()
		if err != nil {
			return "", nil, err
		}
		where = append(where, `received_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND received_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')`)
		values = append(values, bound("from", rg.From.UnixMilli()), bound("to", rg.To.UnixMilli()))
	}
	if q.Shop != "" {
		where, values = append(where, `shop = {shop:String}`), append(values, bound("shop", q.Shop))
	}
	if q.Topic != "" {
		where, values = append(where, `shopify_topic = {topic:String}`), append(values, bound("topic", q.Topic))
	}
	if q.Search != "" {
		text, value := searched(strings.TrimSpace(q.Search))
		where, values = append(where, text), append(values, value)
	}
	if q.Before != "" {
		nanos, place, err := readCursor(q.Before)
		if err != nil {
			return "", nil, err
		}
		where = append(where, `received_time <= fromUnixTimestamp64Nano({nanos:Int64}, 'UTC')
			AND (received_time, _topic, _partition, _offset) < (fromUnixTimestamp64Nano({nanos:Int64}, 'UTC'), {ctopic:String}, {cpartition:UInt32}, {coffset:UInt64})`)
		values = append(values, bound("nanos", nanos), bound("ctopic", place.Topic), bound("cpartition", place.Partition), bound("coffset", place.Offset))
	}
	return strings.Join(where, " AND "), values, nil
}

// searched is the condition for what somebody typed: an order's name, or an id of whatever kind.
func searched(text string) (string, any) {
	if strings.HasPrefix(text, "gid://") {
		text = text[strings.LastIndexByte(text, '/')+1:]
	}
	switch _, err := strconv.ParseUint(text, 10, 64); {
	case err == nil:
		return `(order_id = {search:UInt64} OR entity_id = toString({search:UInt64}) OR id = toString({search:UInt64}))`, bound("search", text)
	case strings.HasPrefix(text, "#"):
		return `name = {search:String}`, bound("search", text)
	default:
		return `(id = {search:String} OR name = {search:String} OR entity_id = {search:String})`, bound("search", text)
	}
}

// cursorAfter names the place in the order of Events behind e.
func cursorAfter(e Event) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%d/%d/%s", e.Received.UnixNano(), e.Partition, e.Offset, e.Topic))
}

func readCursor(text string) (nanos int64, p Place, err error) {
	bad := fmt.Errorf("%w: before must be the next of another page", ErrBadRequest)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, p, bad
	}
	parts := strings.SplitN(string(raw), "/", 4)
	if len(parts) != 4 {
		return 0, p, bad
	}
	nanos, err1 := strconv.ParseInt(parts[0], 10, 64)
	partition, err2 := strconv.ParseUint(parts[1], 10, 32)
	offset, err3 := strconv.ParseUint(parts[2], 10, 64)
	if cmp.Or(err1, err2, err3) != nil {
		return 0, p, bad
	}
	return nanos, Place{Topic: parts[3], Partition: uint32(partition), Offset: offset}, nil
}

// Event returns one event whole. near is what it is about, where that is known: the table is sorted by it, so that the row is found
// at once instead of by its place alone.
func (r *Reports) Event(ctx context.Context, p Place, near Entity) (EventDetail, error) {
	var e EventDetail
	found := false
	where := ""
	values := []any{bound("topic", p.Topic), bound("partition", p.Partition), bound("offset", p.Offset), bound("most", MaxBody)}
	if near.Shop != "" {
		where = ` AND shop = {shop:String}`
		values = append(values, bound("shop", near.Shop))
		if near.Kind != "" {
			where += ` AND entity_kind = {kind:String} AND entity_id = {id:String}`
			values = append(values, bound("kind", near.Kind), bound("id", near.ID))
		}
	}
	err := r.each(ctx, `SELECT `+eventColumns+`, type, content_type, event_id, api_version, partition_key, trace_parent, substring(body, 1, {most:UInt32})
			FROM %.events WHERE _topic = {topic:String} AND _partition = {partition:UInt32} AND _offset = {offset:UInt64}`+where+` LIMIT 1`,
		values, func(rows driver.Rows) error {
			found = true
			return rows.Scan(append(e.fields(), &e.Type, &e.ContentType, &e.EventID, &e.APIVersion, &e.PartitionKey, &e.TraceParent, &e.Body)...)
		})
	if err != nil {
		return e, err
	}
	if !found {
		return e, fmt.Errorf("%w: no event is stored for %s partition %d offset %d", ErrNotFound, p.Topic, p.Partition, p.Offset)
	}
	if e.Truncated = uint64(len(e.Body)) < e.BodyBytes; e.Truncated {
		e.Body = strings.ToValidUTF8(e.Body, "") // the cut may be in the middle of a character
	}
	return e, nil
}

// unset tells the empty time of a column from a real one.
func unset(t time.Time) bool { return t.Unix() <= 0 }
