package erp

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"
)

// mapping is Config.Mapping, read: fields of an order's document that come from elsewhere in its body.
type mapping []mapped

// mapped is one field. Without a path it is left out.
type mapped struct{ field, path string }

// maxMapped bounds Config.Mapping.
const maxMapped = 100

// fieldName is what a field may be called.
func fieldName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`) }

// readMapping reads name=path. A path is one of gjson's, without what makes values up instead of finding them: modifiers (@), literals
// (!) and selections of several paths ({ and [).
func readMapping(entries []string) (mapping, error) {
	var m mapping
	names, seen := fieldName(), map[string]bool{}
	if len(entries) > maxMapped {
		return nil, fmt.Errorf("mapping must have at most %d fields, has %d", maxMapped, len(entries))
	}
	for i, entry := range entries {
		field, path, found := strings.Cut(entry, "=")
		field, path = strings.TrimSpace(field), strings.TrimSpace(path)
		switch {
		case !found || !names.MatchString(field):
			return nil, fmt.Errorf("mapping[%d] must be field=path, the field of letters, digits and underscores, is %q", i, entry)
		case seen[field]:
			return nil, fmt.Errorf("mapping[%d] must name each field once, names %q again", i, field)
		case strings.ContainsAny(path, "@{}[]") || strings.HasPrefix(path, "!") || strings.Contains(path, "|!"):
			return nil, fmt.Errorf("mapping[%d] must have a plain path, without any of @ { } [ ] and without a literal, is %q", i, entry)
		}
		seen[field] = true
		m = append(m, mapped{field, path})
	}
	return m, nil
}

// content is a document as JSON, with the mapped fields in it. They are sorted then: a repeat must have the same bytes.
func (m mapping) content(document any, body []byte) (json.RawMessage, error) {
	text, err := json.Marshal(document)
	if err != nil || len(m) == 0 {
		return text, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	for _, e := range m {
		if v := gjson.GetBytes(body, e.path); e.path != "" && v.Exists() && json.Valid([]byte(v.Raw)) {
			fields[e.field] = json.RawMessage(v.Raw)
		} else {
			delete(fields, e.field)
		}
	}
	return json.Marshal(fields)
}
