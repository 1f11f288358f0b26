package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// markVersion is the version of a mark's JSON. Another one is another program's, which this one must not go on with.
const markVersion = 1

// maxMark is what a broker takes for the metadata of an offset by default; markGrowth is room for counts that become longer.
const (
	maxMark    = 4096
	markGrowth = 256
)

// ErrTooLong is returned, wrapped, for a selection that has no room where progress is kept.
var ErrTooLong = errors.New("the selection names too much to be kept with the progress of the run: name fewer shops, entities or topics, or replay in parts")

// mark is the metadata of the offset of one partition in the group of a run: all that is needed to go on.
type mark struct {
	V         int       `json:"v"`
	Selection Selection `json:"selection"`
	Began     time.Time `json:"began"`
	From      int64     `json:"from"` // offsets of the partition that the run is about: From <= o < End
	End       int64     `json:"end"`
	// Seq is the number of the run's transaction that wrote this, by which one whose end got lost is recognised.
	Seq int64 `json:"seq"`
	// Owner is the Do that wrote it. The owner of a run is that of the mark with the highest Seq.
	Owner string `json:"owner"`

	Chosen  int64            `json:"chosen,omitempty"`
	Written int64            `json:"written,omitempty"`
	Skipped map[string]int64 `json:"skipped,omitempty"`
}

func (m *mark) skip(reason string) {
	if m.Skipped == nil {
		m.Skipped = map[string]int64{}
	}
	m.Skipped[reason]++
}

func (m *mark) clone() mark {
	c := *m
	c.Skipped = maps.Clone(m.Skipped)
	return c
}

func (m *mark) text() string {
	b, _ := json.Marshal(m) // text, numbers and times cannot fail
	return string(b)
}

func readMark(o kadm.Offset) (m mark, err error) {
	doing := func(err error) error {
		return fmt.Errorf("read the progress kept for %s partition %d: %w", o.Topic, o.Partition, err)
	}
	if err := json.Unmarshal([]byte(o.Metadata), &m); err != nil {
		return m, doing(err)
	}
	if m.V != markVersion {
		return m, doing(fmt.Errorf("it has version %d, this program knows %d", m.V, markVersion))
	}
	if o.At < m.From || o.At > m.End {
		return m, doing(fmt.Errorf("offset %d is not from %d to %d", o.At, m.From, m.End))
	}
	return m, nil
}
