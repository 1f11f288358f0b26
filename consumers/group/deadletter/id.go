package deadletter

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// ID names a dead letter within its group: where the event was read. Its text is topic/partition@offset, which needs no quotes in
// a shell.
type ID struct {
	Topic     string // Kafka topic of the event, not of the letter
	Partition int32
	Offset    int64
}

// String returns the form that ParseID reads.
func (id ID) String() string {
	return id.Topic + "/" + strconv.Itoa(int(id.Partition)) + "@" + strconv.FormatInt(id.Offset, 10)
}

// MarshalText is String, for JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// ParseID reads an ID such as shopify.orders/5@1234.
func ParseID(text string) (ID, error) {
	bad := fmt.Errorf("%q is no id of a dead letter: want topic/partition@offset, such as shopify.orders/5@1234", text)
	topic, rest, ok := strings.Cut(text, "/")
	number, offset, ok2 := strings.Cut(rest, "@")
	if !ok || !ok2 || topic == "" {
		return ID{}, bad
	}
	p, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return ID{}, bad
	}
	o, err := strconv.ParseUint(offset, 10, 63)
	if err != nil {
		return ID{}, bad
	}
	return ID{Topic: topic, Partition: int32(p), Offset: int64(o)}, nil
}

// compare orders by topic, partition and offset: the order of an entity's events.
func (id ID) compare(other ID) int {
	return cmp.Or(cmp.Compare(id.Topic, other.Topic), cmp.Compare(id.Partition, other.Partition), cmp.Compare(id.Offset, other.Offset))
}
