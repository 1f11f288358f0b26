package reports

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
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
	f, err := q.filter()
	if err != nil {
		return EventPage{}, err
	}
	page := EventPage{Events: []Event{}}
	if q.Search = strings.TrimSpace(q.Search); q.Search != "" {
		page.Events, err = r.search(ctx, q.Search, f, limit+1)
	} else {
		page.Events, err = r.latest(ctx, f, limit+1)
	}
	if len(page.Events) > limit {
		page.Events = page.Events[:limit]
		page.Next = cursorAfter(page.Events[limit-1])
	}
	return page, err
}

// filter is a condition with its values.
type filter struct {
	where  string
	values []any
	to     time.Time // no event was received later; zero for not known
	from   time.Time
}

// and adds to a copy.
func (f filter) and(where string, values ...any) filter {
	f.where += " AND " + where
	f.values = append(slices.Clone(f.values), values...)
	return f
}

// filter are the conditions of q but for the search.
func (q EventQuery) filter() (filter, error) {
	f := filter{where: "1"}
	if !q.Range.From.IsZero() || !q.Range.To.IsZero() {
		rg, err := q.Range.Checked()
		if err != nil {
			return f, err
		}
		f.from, f.to = rg.From, rg.To
		f = f.and(`received_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND received_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')`,
			bound("from", rg.From.UnixMilli()), bound("to", rg.To.UnixMilli()))
	}
	if q.Shop != "" {
		f = f.and(`shop = {shop:String}`, bound("shop", q.Shop))
	}
	if q.Topic != "" {
		f = f.and(`shopify_topic = {topic:String}`, bound("topic", q.Topic))
	}
	if q.Before != "" {
		nanos, place, err := readCursor(q.Before)
		if err != nil {
			return f, err
		}
		f.to = time.Unix(0, nanos).Add(time.Millisecond)
		f = f.and(`received_time <= fromUnixTimestamp64Nano({nanos:Int64}, 'UTC')
			AND (received_time, _topic, _partition, _offset) < (fromUnixTimestamp64Nano({nanos:Int64}, 'UTC'), {ctopic:String}, {cpartition:UInt32}, {coffset:UInt64})`,
			bound("nanos", nanos), bound("ctopic", place.Topic), bound("cpartition", place.Partition), bound("coffset", place.Offset))
	}
	return f, nil
}

// newestFirst is the order of all lists of events.
const newestFirst = ` ORDER BY received_time DESC, _topic DESC, _partition DESC, _offset DESC LIMIT {limit:UInt32}`

// read returns the first limit events that match.
func (r *Reports) read(ctx context.Context, f filter, limit int) ([]Event, error) {
	events := []Event{}
	err := r.each(ctx, `SELECT `+eventColumns+` FROM %.events WHERE `+f.where+newestFirst, append(slices.Clone(f.values), bound("limit", limit)), func(rows driver.Rows) error {
		var e Event
		if err := rows.Scan(e.fields()...); err != nil {
			return err
		}
		events = append(events, e)
		return nil
	})
	return events, err
}

// windows are the lengths of time before the end of a range in which the newest events are looked for, one after the other.
func windows() []time.Duration {
	return []time.Duration{time.Minute, 15 * time.Minute, 4 * time.Hour, 3 * 24 * time.Hour}
}

// latest finds the newest events in two steps: their places and what they are about in the projection by_received, in windows of time
// that grow until they hold enough, and then the rows by what the table is sorted by. In one step all columns of all events of
// the range would be read, to sort them.
func (r *Reports) latest(ctx context.Context, f filter, limit int) ([]Event, error) {
	end := f.to
	if end.IsZero() || end.After(time.Now()) {
		end = time.Now().Add(time.Minute) // the receiver's clock may be ahead
	}
	for _, length := range windows() {
		begin := end.Add(-length)
		if !f.from.IsZero() && !begin.After(f.from) {
			break
		}
		keys, err := r.keys(ctx, f.and(`received_time >= fromUnixTimestamp64Milli({window:Int64}, 'UTC')`, bound("window", begin.UnixMilli())), limit)
		if err != nil {
			return nil, err
		}
		if len(keys.offsets) == limit {
			return r.rows(ctx, keys, limit)
		}
	}
	keys, err := r.keys(ctx, f, limit)
	if err != nil {
		return nil, err
	}
	return r.rows(ctx, keys, limit)
}

// keys are places of events, and what each is about.
type keys struct {
	shops, kinds, ids, topics []string
	partitions                []uint32
	offsets                   []uint64
	oldest, newest            time.Time // of their receipts; zero where no place is known
}

func (r *Reports) keys(ctx context.Context, f filter, limit int) (k keys, err error) {
	err = r.each(ctx, `SELECT shop, entity_kind, entity_id, _topic, _partition, _offset, received_time FROM %.events WHERE `+f.where+newestFirst,
		append(slices.Clone(f.values), bound("limit", limit)), func(rows driver.Rows) error {
			var shop, kind, id, topic string
			var partition uint32
			var offset uint64
			if err := rows.Scan(&shop, &kind, &id, &topic, &partition, &offset, &k.oldest); err != nil { // the last one is the oldest
				return err
			}
			if k.newest.IsZero() {
				k.newest = k.oldest
			}
			k.shops, k.kinds, k.ids = append(k.shops, shop), append(k.kinds, kind), append(k.ids, id)
			k.topics, k.partitions, k.offsets = append(k.topics, topic), append(k.partitions, partition), append(k.offsets, offset)
			return nil
		})
	return k, err
}

// abouts is the condition on what the table is sorted by.
const abouts = `(shop, entity_kind, entity_id) IN (SELECT arrayJoin(arrayZip({shops:Array(String)}, {kinds:Array(String)}, {ids:Array(String)})))`

func (k keys) filter() filter {
	return filter{where: abouts, values: []any{bound("shops", k.shops), bound("kinds", k.kinds), bound("ids", k.ids)}}
}

// rows reads the events at known places. Every part whose times of receipt are all outside of the bounds is passed over; without
// them each key would be looked for in every part there is.
func (r *Reports) rows(ctx context.Context, k keys, limit int) ([]Event, error) {
	if len(k.offsets) == 0 {
		return []Event{}, nil
	}
	return r.read(ctx, k.filter().and(
		`received_time BETWEEN fromUnixTimestamp64Nano({oldest:Int64}, 'UTC') AND fromUnixTimestamp64Nano({newest:Int64}, 'UTC')
			AND (_topic, _partition, _offset) IN (SELECT arrayJoin(arrayZip({topics:Array(String)}, {partitions:Array(UInt32)}, {offsets:Array(UInt64)})))`,
		bound("oldest", k.oldest.UnixNano()), bound("newest", k.newest.UnixNano()),
		bound("topics", k.topics), bound("partitions", k.partitions), bound("offsets", k.offsets)), limit)
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
