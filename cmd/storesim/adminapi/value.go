package adminapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
)

// Object is a node: its fields by their names in the schema. A value is a scalar, nil, an Object, a []Object, a Connection or a
// Resolver. An Object is never changed once it was handed over.
type Object map[string]any

// Connection is a connection's nodes, in their order.
type Connection []Object

// Resolver makes a value that depends on a field's arguments.
type Resolver func(args map[string]any) (any, error)

const (
	maxFirst = 250
	// maxPaged is how many objects of one connection can be read.
	maxPaged = 25_000
)

var (
	errNoFirst = errors.New("you must provide one of first or last")
	errFirst   = fmt.Errorf("first must be from 1 to %d", maxFirst)
	errCursor  = errors.New("invalid cursor for current pagination sort")
	errTooDeep = fmt.Errorf("cannot page beyond %d objects", maxPaged)
)

// entry is a node with what it is sorted by.
type entry struct {
	key  string
	id   int64
	node Object
}

// cursor is where a page ended: after the node with this key and id, the n-th. By value and not by position alone, so that a node
// that moves to another place in the order takes no other one's place.
type cursor struct {
	Key string `json:"k"`
	ID  int64  `json:"i"`
	N   int    `json:"n"`
}

func (c cursor) text() string {
	b, _ := json.Marshal(c) // a string and two numbers
	return base64.StdEncoding.EncodeToString(b)
}

func readCursor(text string) (c cursor, err error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &c) != nil {
		return c, errCursor
	}
	return c, nil
}

// page is a part of a connection.
type page struct {
	nodes    []Object
	cursors  []string
	next     bool
	previous bool
}

// cut returns the page of entries, which it sorts, that first and after ask for.
func cut(entries []entry, reverse bool, args map[string]any) (page, error) {
	first, err := firstOf(args)
	if err != nil {
		return page{}, err
	}
	less := func(a, b entry) bool { return a.key < b.key || (a.key == b.key && a.id < b.id) }
	sort.Slice(entries, func(i, j int) bool {
		if reverse {
			return less(entries[j], entries[i])
		}
		return less(entries[i], entries[j])
	})
	from, n := 0, 0
	if text, _ := args["after"].(string); text != "" {
		at, err := readCursor(text)
		if err != nil {
			return page{}, err
		}
		last := entry{key: at.Key, id: at.ID}
		from = sort.Search(len(entries), func(i int) bool {
			if reverse {
				return less(entries[i], last)
			}
			return less(last, entries[i])
		})
		n = at.N
	}
	if n >= maxPaged {
		return page{}, errTooDeep
	}
	to := min(from+first, len(entries))
	p := page{next: to < len(entries), previous: from > 0}
	for i, e := range entries[from:to] {
		p.nodes = append(p.nodes, e.node)
		p.cursors = append(p.cursors, cursor{e.key, e.id, n + i + 1}.text())
	}
	return p, nil
}

// page cuts a connection that has a fixed order.
func (c Connection) page(args map[string]any) (page, error) {
	entries := make([]entry, len(c))
	for i, node := range c {
		entries[i] = entry{id: int64(i), node: node}
	}
	return cut(entries, false, args)
}

func firstOf(args map[string]any) (int, error) {
	n, ok := integer(args["first"])
	switch {
	case !ok:
		return 0, errNoFirst
	case n < 1 || n > maxFirst:
		return 0, errFirst
	}
	return n, nil
}

// integer reads an argument, which is an int64 where the query has it and a json.Number where a variable brings it.
func integer(v any) (int, bool) {
	switch n := v.(type) {
	case int64:
		return int(n), true
	case int:
		return n, true
	case float64:
		return int(n), true
	case json.Number:
		i, err := strconv.Atoi(n.String())
		return i, err == nil
	default:
		return 0, false
	}
}
