package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/deadletter"
)

const (
	// tablePage is how many rows are lined up at a time: a table of a million is not held in memory.
	tablePage = 500
	// errorColumns is what a table shows of an error; `show` and --json have it whole.
	errorColumns = 60
)

// table prints rows in columns.
type table struct {
	w    *tabwriter.Writer
	rows int
}

func newTable(out io.Writer, columns ...string) *table {
	t := &table{w: newTabs(out)}
	fmt.Fprintln(t.w, strings.Join(columns, "\t"))
	return t
}

func newTabs(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

func (t *table) row(cells ...string) error {
	for i, c := range cells {
		if cells[i] = printable(c, ""); cells[i] == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
	if t.rows++; t.rows%tablePage == 0 {
		return t.w.Flush()
	}
	return nil
}

// printable makes text that others wrote safe for a terminal: what it would take for a command is a question mark. keep are control characters
// that are let through.
func printable(text, keep string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.IsPrint(r), strings.ContainsRune(keep, r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return '?'
	}, text)
}

func short(text string) string {
	if runes := []rune(text); len(runes) > errorColumns {
		return string(runes[:errorColumns-1]) + "…"
	}
	return text
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// letterJSON is a letter for scripts. Fields are only ever added.
type letterJSON struct {
	ID           deadletter.ID     `json:"id"`
	Group        string            `json:"group"`
	Topic        string            `json:"topic"`
	Partition    int32             `json:"partition"`
	Offset       int64             `json:"offset"`
	State        string            `json:"state"` // open, redriven or dropped
	SettledBy    string            `json:"settled_by,omitempty"`
	SettledAt    *time.Time        `json:"settled_at,omitempty"`
	Key          string            `json:"key"`
	Shop         string            `json:"shop,omitempty"`
	Entity       string            `json:"entity,omitempty"`
	ShopifyTopic string            `json:"shopify_topic,omitempty"`
	WebhookID    string            `json:"webhook_id,omitempty"`
	Class        string            `json:"class"`
	Error        string            `json:"error"`
	Attempts     int               `json:"attempts"`
	FirstFailure *time.Time        `json:"first_failure,omitempty"`
	LastFailure  *time.Time        `json:"last_failure,omitempty"`
	Waits        *placeJSON        `json:"waits,omitempty"` // only of `show`
	Headers      map[string]string `json:"headers"`
	Body         *string           `json:"body,omitempty"`
	BodyBase64   []byte            `json:"body_base64,omitempty"` // of a body that is not UTF-8
	Bare         bool              `json:"bare,omitempty"`        // the body was too large to be kept
}

type placeJSON struct {
	Parked  bool `json:"parked"`
	Waiting bool `json:"waiting"`
	Behind  int  `json:"behind"`
}

func letterToJSON(l *deadletter.Letter) letterJSON {
	j := letterJSON{
		ID: l.ID, Group: l.Group, Topic: l.ID.Topic, Partition: l.ID.Partition, Offset: l.ID.Offset, State: stateOf(l), Key: string(l.Key),
		Shop: l.Shop, Entity: l.Entity, ShopifyTopic: l.ShopifyTopic, WebhookID: l.WebhookID, Class: l.Class, Error: l.Error, Attempts: l.Attempts,
		FirstFailure: given(l.FirstFailure), LastFailure: given(l.LastFailure), Headers: headerMap(l.Headers), Bare: l.Bare,
	}
	if r := l.Resolution; r != nil {
		j.SettledBy, j.SettledAt = r.By, given(r.Time)
	}
	switch {
	case l.Bare:
	case utf8.Valid(l.Value):
		body := string(l.Value)
		j.Body = &body
	default:
		j.BodyBase64 = l.Value
	}
	return j
}

func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func headerMap(headers []kgo.RecordHeader) map[string]string {
	m := make(map[string]string, len(headers))
	for _, h := range headers {
		m[h.Key] = string(h.Value)
	}
	return m
}

func stateOf(l *deadletter.Letter) string {
	if l.Resolution == nil {
		return "open"
	}
	return l.Resolution.What
}

// jsonLine writes v as one line.
func jsonLine(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// letterTable prints letters, one a row.
type letterTable struct {
	*table
	settled, groups bool
}

func newLetterTable(out io.Writer, settled, groups bool) *letterTable {
	columns := []string{"ID", "FAILED", "CLASS", "TRIES", "SHOP", "ENTITY", "SHOPIFY TOPIC", "ERROR"}
	if settled {
		columns = slices.Insert(columns, 1, "STATE")
	}
	if groups {
		columns = slices.Insert(columns, 0, "GROUP")
	}
	return &letterTable{newTable(out, columns...), settled, groups}
}

func (t *letterTable) letter(l *deadletter.Letter) error {
	cells := []string{l.ID.String(), stamp(l.LastFailure), l.Class, strconv.Itoa(l.Attempts), l.Shop, l.Entity, l.ShopifyTopic, short(l.Error)}
	if t.settled {
		state := stateOf(l)
		if r := l.Resolution; r != nil {
			state = fmt.Sprintf("%s by %s %s", r.What, r.By, stamp(r.Time))
		}
		cells = slices.Insert(cells, 1, state)
	}
	if t.groups {
		cells = slices.Insert(cells, 0, l.Group)
	}
	return t.row(cells...)
}

// counts is "12 permanent, 3 exhausted", the most first.
func counts(classes map[string]int) string {
	words := slices.SortedFunc(maps.Keys(classes), func(x, y string) int {
		if d := classes[y] - classes[x]; d != 0 {
			return d
		}
		return strings.Compare(x, y)
	})
	for i, w := range words {
		name := printable(w, "")
		if name == "" {
			name = "without a class"
		}
		words[i] = fmt.Sprintf("%d %s", classes[w], name)
	}
	return strings.Join(words, ", ")
}

func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// pretty is a body for people: JSON is indented, anything else is as it is.
func pretty(body []byte) string {
	var b bytes.Buffer
	switch {
	case json.Indent(&b, body, "", "  ") == nil:
		return printable(b.String(), "\n")
	case utf8.Valid(body):
		return printable(string(body), "\n\t")
	}
	return fmt.Sprintf("(%s, not text; --raw writes them as they are)", many(len(body), "byte", "bytes"))
}
