package adminapi

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// filter is a search query: terms that must all hold.
type filter struct {
	updated, created span
	id               int64 // 0: any
}

// span is a time from one instant to another; zero is no bound.
type span struct{ from, to time.Time }

func (s span) has(t time.Time) bool {
	return (s.from.IsZero() || !t.Before(s.from)) && (s.to.IsZero() || t.Before(s.to))
}

// term is name, comparison and value, quoted or not.
func terms(text string) [][]string {
	return regexp.MustCompile(`(?:^|\s)(\w+):(>=|<=|>|<|)(?:'([^']*)'|"([^"]*)"|(\S+))`).FindAllStringSubmatch(text, -1)
}

// parseFilter reads a search query: terms like updated_at:>='2026-11-26T10:00:00Z', with or without AND between them.
func parseFilter(text string) (f filter, err error) {
	rest := text
	for _, m := range terms(text) {
		rest = strings.Replace(rest, strings.TrimSpace(m[0]), "", 1)
		name, comparison, value := m[1], m[2], m[3]+m[4]+m[5]
		switch name {
		case "updated_at":
			err = f.updated.bound(comparison, value)
		case "created_at":
			err = f.created.bound(comparison, value)
		case "id":
			if f.id, err = strconv.ParseInt(value, 10, 64); comparison != "" {
				err = fmt.Errorf("id:%s is not simulated", comparison)
			}
		default:
			err = fmt.Errorf("the simulated stores know no filter %q", name)
		}
		if err != nil {
			return f, fmt.Errorf("query %q: %w", text, err)
		}
	}
	if rest = strings.TrimSpace(strings.ReplaceAll(rest, "AND", "")); rest != "" {
		return f, fmt.Errorf("query %q: %q is not understood", text, rest)
	}
	return f, nil
}

// bound narrows the span. Shopify's times have whole seconds.
func (s *span) bound(comparison, value string) error {
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return fmt.Errorf("%q is not a time like 2026-11-26T10:00:00Z", value)
	}
	switch comparison {
	case ">=":
		s.from = t
	case ">":
		s.from = t.Add(time.Nanosecond)
	case "<":
		s.to = t
	case "<=":
		s.to = t.Add(time.Nanosecond)
	default:
		return fmt.Errorf("a time wants >=, >, < or <=, has %q", comparison)
	}
	return nil
}
