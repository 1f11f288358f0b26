package analytics

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// mark is the metadata of a commit that says: a batch with these bounds is about to be inserted, or was. It is committed at
// the offset at which the batch begins, before the insert. Whoever owns the partition next finds it, and must bring in
// exactly this range before anything else, since any other bounds would not be recognised as the same insert.
//
// The end counts: records may be fewer than offsets. records is a hint for the log of a recovery.
type mark struct {
	start, end int64
	records    int
}

// markVersion and markPending begin the metadata. Another word than pending is for another state.
const (
	markVersion = "v1"
	markPending = "P"
)

func (m mark) String() string {
	return strings.Join([]string{markVersion, markPending, strconv.FormatInt(m.start, 10), strconv.FormatInt(m.end, 10), strconv.Itoa(m.records)}, "|")
}

var errNoMark = errors.New("metadata is not a mark of this sink")

// parseMark reads what String has written. It takes nothing else, since a range that is misread would be inserted twice.
func parseMark(text string) (mark, error) {
	fields := strings.Split(text, "|")
	if len(fields) != 5 || fields[0] != markVersion || fields[1] != markPending {
		return mark{}, errNoMark
	}
	var m mark
	var errs [3]error
	m.start, errs[0] = strconv.ParseInt(fields[2], 10, 64)
	m.end, errs[1] = strconv.ParseInt(fields[3], 10, 64)
	m.records, errs[2] = strconv.Atoi(fields[4])
	if err := errors.Join(errs[:]...); err != nil {
		return mark{}, fmt.Errorf("%w: %w", errNoMark, err)
	}
	if m.start < 0 || m.end <= m.start || m.records < 0 || int64(m.records) > m.end-m.start || m.String() != text {
		return mark{}, errNoMark
	}
	return m, nil
}
