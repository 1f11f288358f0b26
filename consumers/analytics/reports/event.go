package reports

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

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
